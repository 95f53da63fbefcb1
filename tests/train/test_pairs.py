from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from siamtrack.train.augment import AugmentConfig
from siamtrack.train.crops import CropStore, CropTrack
from siamtrack.train.distributed import Group
from siamtrack.train.pairs import PairBatches
from siamtrack.train.recipe import Recipe, SourceConfig

RECIPE = Recipe(
    sources=(SourceConfig("videos", 2), SourceConfig("stills", 1)),
    steps=3,
    batch_size=8,
    search_size=191,
    search_size_start=159,
    augment=AugmentConfig(shift_px=30.0),
)


def batches(stores: list[CropStore], **changes: object) -> PairBatches:
    return PairBatches(stores, replace(RECIPE, **changes))  # type: ignore[arg-type]


def test_a_batch_depends_on_seed_and_step_alone(stores: list[CropStore]) -> None:
    a, b = batches(stores, search_size=175)[1], batches(stores, search_size=175)[1]
    assert (a.images == b.images).all()
    assert (a.center_xy == b.center_xy).all()
    assert not (a.images == batches(stores, search_size=175)[0].images).all()
    assert not (a.images == batches(stores, search_size=175, seed=1)[1].images).all()
    assert batches(stores, search_size=175)[2].images.shape == (8, 175, 175, 3)


def test_both_views_of_a_pair_show_one_family(stores: list[CropStore]) -> None:
    instances = batches(stores)[0].instance.reshape(-1, 2)
    assert (instances[:, 0] == instances[:, 1]).all()


def test_colour_order_is_the_networks(stores: list[CropStore]) -> None:
    rgb, bgr = batches(stores)[0], batches(stores, color_order="bgr")[0]
    assert (rgb.images.flip(-1) == bgr.images).all()


def test_processes_share_one_batch(stores: list[CropStore]) -> None:
    whole = PairBatches(stores, RECIPE)[1]
    parts = [PairBatches(stores, RECIPE, Group(rank, 2))[1] for rank in range(2)]
    for name in ("images", "center_xy", "size_wh", "instance", "boxed"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)), name


def test_a_batch_splits_into_slices_of_whole_targets(stores: list[CropStore]) -> None:
    batch = PairBatches(stores, RECIPE)[0]
    slices = batch.split(2)
    assert [len(item.images) for item in slices] == [4, 4]
    assert torch.equal(torch.cat([item.instance for item in slices]), batch.instance)


def test_even_views_lie_on_the_grid_of_the_embedding_and_odd_ones_do_not(stores: list[CropStore]) -> None:
    centers = torch.cat([PairBatches(stores, RECIPE)[step].center_xy for step in range(3)])
    cells = (centers - 63.5) / 8
    assert torch.equal(cells[::2], cells[::2].round())
    assert (cells[1::2] - cells[1::2].round()).abs().max() > 0.1
    # Around every target there is room for an exemplar.
    assert cells.min() >= 0


def test_sizes_follow_the_schedule_and_boxes_the_views(stores: list[CropStore]) -> None:
    batches = PairBatches(stores, RECIPE)
    assert [batches[step].images.shape[1] for step in range(3)] == [159, 175, 191]
    batch = batches[2]
    # The exemplar's square has 127 px: what the context rule makes of the box must come back to it, augmented by a little.
    w, h = batch.size_wh.T
    side = ((w + (w + h) / 2) * (h + (w + h) / 2)).sqrt()
    assert torch.all((side > 127 / 1.2) & (side < 127 * 1.2))


@pytest.mark.parametrize(("low", "high"), [(0, 3), (2, 4), (50, 100)])
def test_gaps_are_kept_where_the_track_allows(low: int, high: int) -> None:
    track = CropTrack("a", 0, np.arange(8), np.arange(8) * 1, True)
    rng = np.random.default_rng(0)
    gaps = [abs(a - b) for a, b in (track.draw(rng, low, high) for _ in range(100))]
    assert max(gaps) <= high
    if low < 8:
        assert min(gaps) >= low


def test_a_batch_must_hold_pairs_of_targets(stores: list[CropStore]) -> None:
    with pytest.raises(ValueError, match="must be a multiple of 4"):
        PairBatches(stores, replace(RECIPE, batch_size=6))
