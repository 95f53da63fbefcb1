from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rendered import rendered_frame
from torch.utils.data import DataLoader, Subset

from siamtrack.boxes import iou
from siamtrack.errors import SiamtrackError
from siamtrack.eval.onnx_peers import PeerMaps
from siamtrack.tracking.crop import SearchRegion, context_side
from siamtrack.train.box_objective import SOFT_WEIGHT
from siamtrack.train.crops import CropStore
from siamtrack.train.distributed import Group
from siamtrack.train.objective import Objective
from siamtrack.train.pairs import PairBatches
from siamtrack.train.recipe import Recipe, SourceConfig
from siamtrack.train.session import open_soft_teachers
from siamtrack.train.soft_targets import SoftTargets, SoftTeachers, ask_teacher, resampled, soft_loss
from siamtrack.train.tracker_task import start_network

PEERS = Path(__file__).parents[3] / "shared/peers"
RECIPE = Recipe(
    sources=(SourceConfig("videos"), SourceConfig("stills")),
    model="siamfc-lite",
    batch_size=8,
    steps=1,
    search_size=159,
    search_size_start=159,
)


def opinion(row: int, column: int, half: float, size: int = 223) -> SoftTargets:
    """A teacher that is sure of one of its cells, with a square box of its own around each."""
    probability, line = torch.zeros(1, 16, 16), cells_of(size / 2)
    probability[0, row, column] = 1
    across, down = line.expand(16, 16), line[:, None].expand(16, 16)
    corners = torch.stack([across - half, down - half, across + half, down + half])[None]
    return resampled(probability, corners, line, line, size)


def cells_of(middle: float) -> torch.Tensor:
    """Where a teacher's 16 cells are along a side, in pixels of a view."""
    return middle + 16 * (torch.arange(16) - 8.0)


@pytest.mark.parametrize("size", [159, 191, 223, 255])
def test_the_teachers_middle_is_the_students_middle(size: int) -> None:
    soft = opinion(8, 8, 20.0, size)
    cells = (size - 127) // 8 + 1
    assert soft.probability.shape == (1, cells, cells)
    assert soft.probability[0].argmax() == (cells // 2) * cells + cells // 2
    assert soft.probability[0, cells // 2, cells // 2] == pytest.approx(1, abs=1e-4)
    assert soft.distances[0, :, cells // 2, cells // 2].tolist() == pytest.approx([20.0] * 4, abs=1e-3)


def test_a_box_stays_where_it_is_between_the_teachers_cells() -> None:
    # Every cell of the teacher offers the same box, 40 px around (127.5, 111.5) of the view: so must the student's.
    corners = torch.tensor([107.5, 91.5, 147.5, 131.5])[:, None, None].expand(1, 4, 16, 16)
    soft = resampled(torch.full((1, 16, 16), 0.5), corners, cells_of(111.5), cells_of(111.5), 223)
    here = 63.5 + 8 * torch.arange(13.0)
    assert torch.allclose(here[None, :] - soft.distances[0, 0], torch.full((13, 13), 107.5), atol=1e-3)
    assert torch.allclose(here[:, None] + soft.distances[0, 3], torch.full((13, 13), 131.5), atol=1e-3)


def test_agreement_costs_less_than_dissent() -> None:
    soft = opinion(8, 8, 30.0)
    sure = torch.logit(soft.probability.clamp(1e-4, 1 - 1e-4))
    agrees = soft_loss(sure, soft.distances.clamp(min=0.1), soft)
    assert agrees < soft_loss(sure.roll(3, dims=-1), soft.distances.clamp(min=0.1), soft)
    assert agrees < soft_loss(sure, soft.distances.clamp(min=0.1) * 1.5, soft)
    nothing = SoftTargets(torch.zeros(1, 13, 13), torch.ones(1, 4, 13, 13), torch.ones(1, 13, 13))
    assert torch.isfinite(soft_loss(sure, soft.distances, nothing))


def test_who_is_not_heard_costs_nothing() -> None:
    soft = opinion(8, 8, 30.0)
    unheard = soft._replace(weight=torch.zeros_like(soft.weight))
    assert float(soft_loss(torch.full((1, 13, 13), 9.0), torch.ones(1, 4, 13, 13), unheard)) == 0


def test_processes_that_share_a_batch_have_its_loss_on_average() -> None:
    generator = torch.Generator().manual_seed(0)
    target, distances = (torch.rand(shape, generator=generator) * 20 + 1 for shape in ((4, 13, 13), (4, 4, 13, 13)))
    soft = SoftTargets(
        torch.rand((4, 13, 13), generator=generator),
        torch.rand((4, 4, 13, 13), generator=generator) * 20 - 2,
        torch.ones(4, 13, 13),
    )
    soft.probability[:2] *= 0.6  # of one half of the batch the teacher is much less sure

    class Shared(Group):
        def mean(self, value: torch.Tensor) -> torch.Tensor:
            return means.pop(0)

    sure = (soft.probability > 0.5) & (soft.distances > 0).all(dim=1)
    halves = []
    for rows in (slice(2), slice(2, 4)):
        means = [soft.probability.sum() / 2, soft.probability[sure].sum() / 2]
        half = SoftTargets(*(each[rows] for each in soft))
        halves.append(soft_loss(target[rows], distances[rows], half, Shared(size=2)))
    assert torch.stack(halves).mean().item() == pytest.approx(soft_loss(target, distances, soft).item(), rel=1e-5)


def asked_of_a_batch(stores: list[CropStore]) -> tuple[PairBatches, list[NDArray[np.uint8]]]:
    """Batches whose teacher is sure of one box wherever it looks, and what it was shown."""
    shown: list[NDArray[np.uint8]] = []

    def teacher(
        images: NDArray[np.uint8],
        center_xy: NDArray[np.float32],
        size_wh: NDArray[np.float32],
        boxed: NDArray[np.bool_],
        turn: int,
    ) -> SoftTargets:
        shown.append(images)
        assert center_xy.shape == size_wh.shape == (len(images), 2)
        assert boxed.shape == (len(images),)
        every = [opinion(8, 8, 20.0, images.shape[1]) for _ in range(len(images) // 2)]
        return SoftTargets(*map(torch.cat, zip(*every, strict=True)))

    return PairBatches(stores, RECIPE, soft_teachers=teacher), shown  # type: ignore[arg-type]


def test_a_batch_brings_its_soft_targets_and_shares_them_out(stores: list[CropStore]) -> None:
    batches, shown = asked_of_a_batch(stores)
    batch = batches[0]
    assert np.array_equal(shown[0], batch.images.numpy())
    assert batch.soft is not None
    pieces = [piece.soft for piece in batch.split(2)]
    for name in SoftTargets._fields:
        halves = [getattr(soft, name) for soft in pieces]
        assert [len(half) for half in halves] == [2, 2]
        assert torch.equal(torch.cat(halves), getattr(batch.soft, name))
    moved = batch.to(torch.device("meta")).soft
    assert moved is not None
    assert moved.distances.device.type == "meta"
    assert PairBatches(stores, RECIPE)[0].soft is None


def test_soft_targets_are_a_part_of_the_loss(stores: list[CropStore]) -> None:
    objective = Objective(start_network(RECIPE), RECIPE)
    with_them, parts = objective(asked_of_a_batch(stores)[0][0])
    without, fewer = objective(PairBatches(stores, RECIPE)[0])
    assert set(parts) - set(fewer) == {"soft"}
    assert float(with_them.detach()) == pytest.approx(float((without + SOFT_WEIGHT * parts["soft"]).detach()), rel=1e-5)


@pytest.mark.skipif(not PEERS.is_dir(), reason="the peers' ONNX files are not part of the repository")
def test_the_real_teacher_says_the_same_in_another_process(stores: list[CropStore]) -> None:
    # Asked here first: its networks must not be handed on to the loader's process.
    batches = PairBatches(stores, RECIPE, soft_teachers=SoftTeachers(PEERS, ["nanotrackv2"], "rgb"))
    here = batches[0].soft
    (batch,) = DataLoader(Subset(batches, range(1)), batch_size=None, num_workers=1, multiprocessing_context="spawn")
    assert here is not None
    for name in SoftTargets._fields:
        assert torch.equal(getattr(batch.soft, name), getattr(here, name)), name


class Drawn:
    """A network that finds a box drawn in one colour in its search crop, wherever it looks."""

    exemplar_size, search_size, constants = 128, 256, (0.0, 0.0, 1.0)

    def exemplar_sides(self, size_wh: tuple[float, float]) -> tuple[float, float]:
        return 1.4 * size_wh[0], 1.4 * size_wh[1]

    def search_sides(self, size_wh: tuple[float, float]) -> tuple[float, float]:
        return 5 * size_wh[0], 5 * size_wh[1]

    def learn(self, exemplar: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert exemplar.shape == (128, 128, 3)
        return np.zeros(0, np.float32)

    def find(self, template: NDArray[np.float32], search: NDArray[np.uint8]) -> PeerMaps:
        rows, columns = np.nonzero(search[..., 2] > 128)
        x1, x2, y1, y2 = (float(value) - 128 for value in (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1))
        line = 16 * (np.arange(16, dtype=np.float32) - 8)
        score = np.exp(-((line[None] - (x1 + x2) / 2) ** 2 + (line[:, None] - (y1 + y2) / 2) ** 2) / 2000)
        corners = np.broadcast_to(np.array([x1, y1, x2, y2], np.float32)[:, None, None], (4, 16, 16))
        return PeerMaps(score.astype(np.float32), corners)


@pytest.mark.parametrize("size_wh", [(60, 40), (24, 80)])
def test_a_peers_box_comes_back_in_the_pixels_of_the_view(size_wh: tuple[int, int]) -> None:
    size, (w, h), (cx, cy) = 223, size_wh, (120, 104)
    views = np.zeros((2, size, size, 3), np.uint8)
    views[1, cy - h // 2 : cy + h // 2, cx - w // 2 : cx + w // 2, 2] = 255
    centers, sizes = np.array([[111.5, 111.5], [cx, cy]], np.float32), np.tile(np.array([w, h], np.float32), (2, 1))
    soft = ask_teacher(Drawn(), views, centers, sizes)
    row, column = divmod(int((soft.probability * soft.weight)[0].argmax()), 13)
    left, top, right, bottom = soft.distances[0, :, row, column].tolist()
    found = (63.5 + 8 * column - left, 63.5 + 8 * row - top, left + right, top + bottom)
    assert iou(found, (cx - w / 2, cy - h / 2, w, h)) > 0.9
    # Five times its sides is what the network sees: of a narrow target less than the view.
    seen = soft.weight[0].bool()
    assert bool(seen[row, column])
    assert bool(seen[:, 0].any()) == (5 * w > 110)
    # A label that says something else silences it.
    assert float(ask_teacher(Drawn(), views, centers + np.float32(60), sizes).weight.sum()) == 0


def test_peers_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(SiamtrackError, match="no network 'fear'; did you mean 'fear_xs'"):
        SoftTeachers(tmp_path, ["fear"], "rgb")
    with pytest.raises(SiamtrackError, match=r"init\.onnx not found; FEAR-XS needs"):
        SoftTeachers(tmp_path, ["fear_xs"], "rgb")
    with pytest.raises(SiamtrackError, match=r"backbone\.onnx not found; NanoTrackV2 needs"):
        open_soft_teachers(Recipe(soft_teacher="nano"), tmp_path)


@pytest.mark.skipif(not PEERS.is_dir(), reason="the peers' ONNX files are not part of the repository")
@pytest.mark.parametrize("name", ["nanotrackv2", "nanotrackv3", "fear_xs"])
def test_the_real_teachers_find_the_target(name: str) -> None:
    size = 223
    views, centers, sizes = [], [], []
    for index, shift in ((0, (0.0, 0.0)), (2, (13.0, -9.0))):
        frame, (x, y, w, h) = rendered_frame(index)
        side = context_side((w, h)) * size / 127
        step = side / size
        window = SearchRegion((x + w / 2 - shift[0] * step, y + h / 2 - shift[1] * step), side, size)
        views.append(window.extract(frame, (90, 90, 90))[..., ::-1])
        centers.append([size / 2 + shift[0], size / 2 + shift[1]])
        sizes.append([w / step, h / step])
    soft = SoftTeachers(PEERS, [name], "rgb")(
        np.stack(views), np.asarray(centers, np.float32), np.asarray(sizes, np.float32), np.ones(2, np.bool_), 0
    )
    row, column = divmod(int(soft.probability[0].argmax()), 13)
    left, top, right, bottom = soft.distances[0, :, row, column].tolist()
    found = (63.5 + 8 * column - left, 63.5 + 8 * row - top, left + right, top + bottom)
    truth = (centers[1][0] - sizes[1][0] / 2, centers[1][1] - sizes[1][1] / 2, *sizes[1])
    assert iou(found, truth) > 0.6
