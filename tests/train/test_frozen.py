from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Subset

from siamtrack.model.lite import LiteNet
from siamtrack.train.crops import CropStore
from siamtrack.train.loop import train
from siamtrack.train.pairs import Batch
from siamtrack.train.recipe import Recipe, SourceConfig
from siamtrack.train.tracker_task import tracker_task

RECIPE = Recipe(
    sources=(SourceConfig("videos"), SourceConfig("stills")),
    model="siamfc-lite",
    head="detail",
    frozen=("stem", "stage1", "stage2"),
    frozen_norms=True,
    batch_size=8,
    steps=2,
    search_size=175,
    search_size_start=159,
    precision="float32",
)


def test_blocks_that_run_ahead_change_no_loss(stores: list[CropStore]) -> None:
    ahead = tracker_task(RECIPE, stores)
    batch = ahead.batches[0]
    assert isinstance(batch, Batch)
    assert batch.early is not None
    # Loaded in another process, they are the same.
    (elsewhere,) = DataLoader(Subset(ahead.batches, range(1)), batch_size=None, num_workers=1)
    assert torch.equal(elsewhere.early, batch.early)
    objective = ahead.objective.train()
    with_them, _ = objective(batch)
    without, _ = objective(replace(batch, early=None))
    assert float(with_them.detach()) == pytest.approx(float(without.detach()), rel=1e-4)


def test_they_run_ahead_only_where_they_do_not_learn(stores: list[CropStore]) -> None:
    for change in (
        {"frozen": ("stage1", "stem")},
        {"frozen": ("stage1",)},
        {"frozen": ()},
        {"frozen_norms": False},
        {"frozen": LiteNet.blocks[:5]},
    ):
        assert tracker_task(replace(RECIPE, **change), stores).batches[0].early is None  # type: ignore[arg-type]


def test_what_is_frozen_stays_and_the_rest_learns(stores: list[CropStore], tmp_path: Path) -> None:
    recipe = replace(RECIPE, backbone_norms="kept", frozen=LiteNet.blocks[:4])
    before = tracker_task(recipe, stores).net.state_dict()
    after = train(tracker_task(recipe, stores), tmp_path, workers=0).state_dict()
    changed = {name.split(".")[1] for name, value in after.items() if name[0] == "b" and not torch.equal(value, before[name])}
    assert changed >= {"stage4", "last", "detail"}
    assert not changed & {"stem", "stage1", "stage2", "stage3"}
    statistics = [name for name in after if name.startswith("backbone.stage4") and "running" in name]
    assert statistics
    assert all(torch.equal(after[name], before[name]) for name in statistics)


def test_a_run_with_blocks_ahead_resumes_to_the_bit(stores: list[CropStore], tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=3, epoch_steps=1, ema=0.9, search_size_order="mixed")
    whole = train(tracker_task(recipe, stores), tmp_path / "whole", workers=0).state_dict()
    train(tracker_task(recipe, stores), tmp_path / "parts", workers=0, stop_after=1)
    parts = train(tracker_task(recipe, stores), tmp_path / "parts", workers=1).state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in parts.items())
