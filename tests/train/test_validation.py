from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from siamtrack.errors import ConfigError, DataError
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import load_weights
from siamtrack.train.crops import CropStore
from siamtrack.train.recipe import Recipe, SourceConfig, ValidationConfig
from siamtrack.train.tracker_task import train_tracker as train
from siamtrack.train.validation import tracking_validation


def recipe(**changes: object) -> Recipe:
    values = {"sources": (SourceConfig("videos"),), "validation": ValidationConfig("held-out", frames=4)}
    return Recipe(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def data(got10k_root: Path, tmp_path: Path) -> Path:
    (tmp_path / "held-out").symlink_to(got10k_root)
    (tmp_path / "videos").mkdir()
    return tmp_path


def test_a_trained_network_tracks_better_than_a_random_one(data: Path) -> None:
    validate = tracking_validation(recipe(), data, "cpu")
    assert validate is not None
    torch.manual_seed(0)
    trained, random = validate(load_weights("siamfc").net), validate(Siamese().eval())
    assert set(trained) == {"ao", "sr50", "sr75"}
    assert trained["ao"] > max(0.5, random["ao"])


def test_training_and_validation_must_not_share_sequences(data: Path) -> None:
    with pytest.raises(ConfigError, match="is also a training source"):
        tracking_validation(recipe(sources=(SourceConfig("held-out"),)), data, "cpu")
    with pytest.raises(DataError, match="no sequence 'nobody'"):
        tracking_validation(recipe(validation=ValidationConfig("held-out", only=("nobody",))), data, "cpu")
    assert tracking_validation(recipe(validation=None), data, "cpu") is None


def test_the_best_weights_are_kept_and_survive_a_resume(stores: list[CropStore], tmp_path: Path) -> None:
    plan = Recipe(
        sources=(SourceConfig("videos"), SourceConfig("stills")),
        steps=6, epoch_steps=2, validate_epochs=1, batch_size=4, search_size=159, search_size_start=159,
    )  # fmt: skip
    seen: list[torch.Tensor] = []

    def validate(net: Siamese) -> dict[str, float]:
        assert not net.training
        seen.append(net.backbone.conv5[0].weight.detach().clone())
        return {"ao": [0.3, 0.6, 0.4][len(seen) - 1]}

    train(plan, stores, tmp_path, workers=0, validate=validate, stop_after=4)
    result = train(plan, stores, tmp_path, workers=0, validate=validate)
    assert torch.equal(result.backbone.conv5[0].weight, seen[1])
    assert not torch.equal(seen[1], seen[2])
    with (tmp_path / "val.csv").open() as lines:
        rows = [(row["step"], row["ao"]) for row in csv.DictReader(lines)]
    assert rows == [("2", "0.3000"), ("4", "0.6000"), ("6", "0.4000")]
