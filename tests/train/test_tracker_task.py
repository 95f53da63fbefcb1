from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from siamtrack.errors import ConfigError, DataError
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import load_weights
from siamtrack.train.crops import CropStore
from siamtrack.train.loop import train
from siamtrack.train.objective import Objective
from siamtrack.train.recipe import Recipe, SourceConfig, ValidationConfig
from siamtrack.train.tracker_task import autocast_dtype, start_network, tracker_task, tracking_validation

LITE = Recipe(model="siamfc-lite", init="efficientnet-lite0", frozen=("stem", "stage1", "stage2"), frozen_norms=True)
HELD_OUT = Recipe(sources=(SourceConfig("videos"),), validation=ValidationConfig("held-out", frames=4))
CPU = torch.device("cpu")


def test_a_run_starts_from_other_weights(stores: list[CropStore], tmp_path: Path) -> None:
    recipe = Recipe(
        sources=(SourceConfig("videos", 2), SourceConfig("stills", 1)), init="siamfc", frozen=("conv1",),
        steps=2, batch_size=4, search_size=159, search_size_start=159, optimizer="adamw", lr=1e-3, softmax_weight=1.0,
    )  # fmt: skip
    shipped = load_weights("siamfc").net
    net = start_network(recipe)
    assert torch.equal(net.backbone.conv4[0].weight, shipped.backbone.conv4[0].weight)
    trained = train(tracker_task(recipe, stores), tmp_path, workers=0)
    assert torch.equal(trained.backbone.conv1[0].weight, shipped.backbone.conv1[0].weight)
    assert not torch.equal(trained.backbone.conv2[0].weight, shipped.backbone.conv2[0].weight)
    with pytest.raises(ConfigError, match="was trained on"):
        start_network(replace(recipe, color_order="bgr"))


def test_a_batch_that_cannot_be_shared_evenly_is_refused(stores: list[CropStore]) -> None:
    recipe = Recipe(sources=HELD_OUT.sources, batch_size=8, accumulate=3)
    with pytest.raises(ConfigError, match="must be a multiple of 4 for each of 1 processes and 3 slices: of 12"):
        tracker_task(recipe, stores)


def test_frozen_blocks_keep_weights_and_statistics_and_the_others_learn() -> None:
    net = start_network(LITE)
    objective = Objective(net, LITE).train()
    assert not net.backbone.stem.training
    assert not any(parameter.requires_grad for parameter in net.backbone.stage2.parameters())
    assert net.backbone.stage3.training
    assert all(parameter.requires_grad for parameter in net.backbone.stage4.parameters())
    before = {key: value.clone() for key, value in net.backbone.stage1.state_dict().items()}
    net.embed(torch.rand(2, 3, 159, 159) * 255)
    assert all(torch.equal(value, before[key]) for key, value in net.backbone.stage1.state_dict().items())
    assert not objective.eval().training


def test_a_start_of_another_model_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"init siamfc: is a siamfc, the recipe's model is siamfc-lite"):
        start_network(Recipe(model="siamfc-lite", init="siamfc"))
    with pytest.raises(ValueError, match="head is detail, which a siamfc has not"):
        Recipe(model="siamfc", head="detail")


def test_its_start_does_not_fit_alexnet() -> None:
    with pytest.raises(ConfigError, match=r"the recipe's model is siamfc$"):
        start_network(Recipe(model="siamfc", init="efficientnet-lite0"))


def test_auto_is_what_the_device_does_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)  # by itself it says nothing
    for new, on_gpu, on_cpu in ((True, torch.bfloat16, torch.bfloat16), (False, torch.float16, None)):
        monkeypatch.setattr("torch.cuda.get_device_capability", lambda _, new=new: (8, 0) if new else (7, 5))
        monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda new=new: new)
        assert [autocast_dtype("auto", torch.device(name)) for name in ("cuda", "cpu")] == [on_gpu, on_cpu]


def test_a_named_precision_is_taken_at_its_word() -> None:
    assert [autocast_dtype(name, CPU) for name in ("float32", "bfloat16", "float16")] == [None, torch.bfloat16, torch.float16]  # type: ignore[arg-type]


@pytest.fixture
def data(got10k_root: Path, tmp_path: Path) -> Path:
    (tmp_path / "held-out").symlink_to(got10k_root)
    (tmp_path / "videos").mkdir()
    return tmp_path


def test_a_trained_network_tracks_better_than_a_random_one(data: Path) -> None:
    validate = tracking_validation(HELD_OUT, data, "cpu")
    assert validate is not None
    torch.manual_seed(0)
    trained, random = validate(load_weights("siamfc").net), validate(Siamese().eval())
    assert set(trained) == {"ao", "sr50", "sr75"}
    assert trained["ao"] > max(0.5, random["ao"])


def test_training_and_validation_must_not_share_sequences(data: Path) -> None:
    with pytest.raises(ConfigError, match="is also a training source"):
        tracking_validation(replace(HELD_OUT, sources=(SourceConfig("held-out"),)), data, "cpu")
    with pytest.raises(DataError, match="no sequence 'nobody'"):
        tracking_validation(replace(HELD_OUT, validation=ValidationConfig("held-out", only=("nobody",))), data, "cpu")
    assert tracking_validation(replace(HELD_OUT, validation=None), data, "cpu") is None


def test_weights_of_another_head_are_no_start() -> None:
    with pytest.raises(ConfigError, match="has a detail head, the recipe wants head: correlation"):
        start_network(Recipe(model="siamfc-lite", init="siamfc-lite", color_order="rgb"))
