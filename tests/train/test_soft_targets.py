from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rendered import rendered_frame

from siamtrack.boxes import iou
from siamtrack.tracking.crop import CropWindow, context_side
from siamtrack.train.pairs import Batch
from siamtrack.train.soft_targets import NanoTeacher, SoftTargets, on_cells, soft_loss

NANO = Path(__file__).parents[3] / "shared/peers/nanotrack"


def opinion(row: int, column: int, half: float, size: int = 223) -> SoftTargets:
    """A teacher that is sure of one of its cells, with a square box around it."""
    logits = torch.zeros(1, 2, 16, 16)
    logits[:, 0] = 20.0
    logits[:, :, row, column] = torch.tensor([0.0, 20.0])
    return on_cells(logits, torch.full((1, 4, 16, 16), half), size)


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
    there = 111.5 + 16 * (torch.arange(16) - 8.0)
    boxes = torch.stack(
        [
            (there - 107.5)[None, :].expand(16, 16),
            (there - 91.5)[:, None].expand(16, 16),
            (147.5 - there)[None, :].expand(16, 16),
            (131.5 - there)[:, None].expand(16, 16),
        ]
    )[None]
    soft = on_cells(torch.zeros(1, 2, 16, 16), boxes, 223)
    here = 63.5 + 8 * torch.arange(13.0)
    assert torch.allclose(here[None, :] - soft.distances[0, 0], torch.full((13, 13), 107.5), atol=1e-3)
    assert torch.allclose(here[:, None] + soft.distances[0, 3], torch.full((13, 13), 131.5), atol=1e-3)


def test_agreement_costs_less_than_dissent() -> None:
    soft = opinion(8, 8, 30.0)
    sure = torch.logit(soft.probability.clamp(1e-4, 1 - 1e-4))
    agrees = soft_loss(sure, soft.distances.clamp(min=0.1), soft)
    assert agrees < soft_loss(sure.roll(3, dims=-1), soft.distances.clamp(min=0.1), soft)
    assert agrees < soft_loss(sure, soft.distances.clamp(min=0.1) * 1.5, soft)
    nothing = SoftTargets(torch.zeros(1, 13, 13), torch.ones(1, 4, 13, 13))
    assert torch.isfinite(soft_loss(sure, soft.distances, nothing))


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"backbone\.onnx not found; soft targets need NanoTrackV2"):
        NanoTeacher(tmp_path, "rgb")


@pytest.mark.skipif(not NANO.is_dir(), reason="NanoTrackV2's ONNX files are not part of the repository")
def test_the_real_teacher_finds_the_target() -> None:
    size = 223
    views, centers, sizes = [], [], []
    for index, shift in ((0, (0.0, 0.0)), (2, (13.0, -9.0))):
        frame, (x, y, w, h) = rendered_frame(index)
        side = context_side((w, h)) * size / 127
        step = side / size
        window = CropWindow((x + w / 2 - shift[0] * step, y + h / 2 - shift[1] * step), side, size)
        views.append(window.extract(frame, (90, 90, 90))[..., ::-1])
        centers.append([size / 2 + shift[0], size / 2 + shift[1]])
        sizes.append([w / step, h / step])
    batch = Batch(torch.from_numpy(np.stack(views)), torch.tensor(centers), torch.tensor(sizes), torch.zeros(2), torch.ones(2))
    soft = NanoTeacher(NANO, "rgb")(batch)
    row, column = divmod(int(soft.probability[0].argmax()), 13)
    left, top, right, bottom = soft.distances[0, :, row, column].tolist()
    found = (63.5 + 8 * column - left, 63.5 + 8 * row - top, left + right, top + bottom)
    truth = (centers[1][0] - sizes[1][0] / 2, centers[1][1] - sizes[1][1] / 2, *sizes[1])
    assert iou(found, truth) > 0.6
