from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from rendered import FRAME_WH, rendered_frame

from siamtrack.backends.torch import TorchBackend
from siamtrack.boxes import Box, clip_box, iou
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError
from siamtrack.eval.peers import IdentityTracker
from siamtrack.eval.scores import pooled
from siamtrack.eval.sequence_run import many_starts, run_sequence
from siamtrack.frames import Image
from siamtrack.model.siamese import Siamese
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.tracker import Tracker

TRUTH = np.array([rendered_frame(i)[1] for i in range(8)])


class Rendered(Sequence):
    """A sequence whose frames are drawn when they are asked for, and counted."""

    decoded = 0

    def frames(self) -> Iterator[Image]:
        for i in range(len(self.boxes_xywh)):
            Rendered.decoded += 1
            yield rendered_frame(i)[0]


def sequence(name: str = "a", absent: Iterable[int] = (), frames: int = 8) -> Rendered:
    boxes = TRUTH[:frames].copy()
    boxes[list(absent)] = 0
    return Rendered(name, Path(name), boxes)


@dataclass(frozen=True)
class Result:
    box: Box
    score: float


class Knowing:
    """Says the true box of every frame."""

    def init(self, frame: Image, box: Iterable[float]) -> None:
        self.index = 0

    def update(self, frame: Image) -> Result:
        self.index += 1
        assert (frame == rendered_frame(self.index)[0]).all()
        return Result(Box(*TRUTH[self.index]), 1 - self.index / 10)


def test_a_tracker_that_knows_the_truth_scores_one() -> None:
    run = run_sequence(Knowing(), sequence())
    assert run.name == "a"
    assert run.boxes_xywh == pytest.approx(TRUTH)
    assert run.overlaps.tolist() == pytest.approx([1.0] * 7)
    assert run.scores == pytest.approx(1 - np.arange(8) / 10)
    assert run.counted.tolist() == [False] + [True] * 7
    assert (run.seconds > 0).all()


def test_a_tracker_that_stays_scores_the_overlap_with_the_first_box() -> None:
    expected = iou(clip_box(TRUTH[0], FRAME_WH), TRUTH[1:])
    assert 0.2 < expected.mean() < 0.9
    run = run_sequence(IdentityTracker(), sequence())
    assert run.overlaps == pytest.approx(expected)
    assert np.isnan(run.scores[1:]).all()
    scores = pooled(run_sequence(IdentityTracker(), each).overlaps for each in (sequence("a"), sequence("b", frames=3)))
    assert scores.ao == pytest.approx(np.concatenate([expected, expected[:2]]).mean())
    assert (scores.frames, scores.sequences) == (9, 2)


def test_frames_without_target_are_left_out() -> None:
    run = run_sequence(Knowing(), sequence(absent=[2, 5]))
    assert run.overlaps.tolist() == pytest.approx([1.0] * 5)
    assert run.counted.tolist() == [False, True, False, True, True, False, True, True]
    assert len(run.boxes_xywh) == 8


def test_a_limit_takes_the_first_frames_and_decodes_no_more() -> None:
    Rendered.decoded = 0
    assert len(run_sequence(Knowing(), sequence(), limit=3).overlaps) == 2
    assert Rendered.decoded == 3
    assert run_sequence(Knowing(), sequence(), limit=100).overlaps.size == 7
    with pytest.raises(ValueError, match="limit is 1"):
        run_sequence(Knowing(), sequence(), limit=1)


def test_a_first_frame_without_a_usable_box_is_named() -> None:
    with pytest.raises(DataError, match=r"^lost: no box in the first frame"):
        run_sequence(Knowing(), sequence("lost", absent=[0]))


def test_a_box_that_the_tracker_refuses_is_named(tracker: Tracker) -> None:
    tiny = Rendered("tiny", Path("tiny"), np.array([[5.0, 5, 2, 2], [5, 5, 2, 2]]))
    with pytest.raises(DataError, match=r"^tiny: box .* at least 4 px"):
        run_sequence(tracker, tiny)


def test_a_network_in_memory_is_judged_and_left_as_it_is() -> None:
    net = Siamese().train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    run = run_sequence(Tracker(TorchBackend(net, torch.device("cpu")), TrackerConfig()), sequence(), limit=3)
    assert run.overlaps.size == 2
    assert net.training
    assert all((value == before[key]).all() for key, value in net.state_dict().items())


def test_runs_start_at_fifths_and_go_both_ways() -> None:
    boxes = np.tile([10.0, 20.0, 30.0, 40.0], (101, 1))
    orders = [order for order, _ in many_starts(boxes, 0.06)]
    assert [(order[0], order[-1]) for order in orders] == [
        (start, end) for first in (0, 20, 40, 60) for start, end in ((first, 100), (100 - first, 0))
    ]
    # The first frame's box is what a person drew; others are moved, never further than was said.
    firsts = [first for _, first in many_starts(boxes, 0.06)]
    assert firsts[0].tolist() == boxes[0].tolist()
    for first in firsts[1:]:
        assert (np.abs(first[2:] / boxes[0, 2:] - 1) <= 0.06).all()
        assert (np.abs((first[:2] + first[2:] / 2 - boxes[0, :2] - boxes[0, 2:] / 2) / boxes[0, 2:]) <= 0.06 + 1e-9).all()
    assert len({tuple(first) for first in firsts}) == len(firsts)
    # Every tracker starts with the same boxes.
    assert [first.tolist() for _, first in many_starts(boxes, 0.06)] == [first.tolist() for first in firsts]


def test_no_run_starts_without_a_box_or_close_to_the_end() -> None:
    boxes = np.tile([10.0, 20.0, 30.0, 40.0], (41, 1))
    boxes[8] = 0
    assert [order[0] for order, _ in many_starts(boxes, 0.0)] == [0, 40, 32, 16, 24]
