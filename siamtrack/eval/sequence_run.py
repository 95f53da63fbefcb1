"""Trackers run over labelled sequences: one pass, no reset, the first frame given and left out of the score."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import iou
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError
from siamtrack.eval.peers import BoxTracker, box_of
from siamtrack.eval.scores import overlaps


@dataclass(frozen=True)
class SequenceRun:
    """What one tracker did on the N frames of one sequence, beside the truth.

    Attributes:
        name: of the sequence.
        boxes_xywh, truth_xywh: (N, 4); the first box was given. Truth without area: the target is absent or unsure.
        frame_wh: size of the frames, pixels.
        seconds: (N - 1,) of each call of `update`; decoding and `init` are left out. Empty where nobody measured.
        scores: (N,) the tracker's own, 1 for the given box; NaN where it has none.
        cover: (N,) share of the target that is visible, 0 to 8 in GOT-10k's files; frames with 0 do not count.
            None: all count.
    """

    name: str
    boxes_xywh: NDArray[np.float64]
    truth_xywh: NDArray[np.float64]
    frame_wh: tuple[int, int]
    seconds: NDArray[np.float64]
    scores: NDArray[np.float64]
    cover: NDArray[np.float64] | None = None

    @cached_property
    def counted(self) -> NDArray[np.bool_]:
        """(N,) whether a frame counts: not the first, nor one whose target is absent or unsure."""
        counted: NDArray[np.bool_] = np.asarray((self.truth_xywh[:, 2:] > 0).all(axis=1))
        if self.cover is not None:
            counted &= self.cover > 0
        counted[0] = False
        return counted

    @cached_property
    def overlaps(self) -> NDArray[np.float64]:
        """(M,) overlap in 0..1 of the frames that count."""
        has_truth = (self.truth_xywh[1:, 2:] > 0).all(axis=1)
        return overlaps(self.boxes_xywh, self.truth_xywh, self.frame_wh)[self.counted[1:][has_truth]]

    @cached_property
    def otb_overlaps(self) -> NDArray[np.float64]:
        """(M',) overlap by OTB's toolkit: the given first frame counts, too, and boxes may stick out of the frame."""
        return iou(self.boxes_xywh, self.truth_xywh)[self._otb_counted]

    @cached_property
    def center_errors(self) -> NDArray[np.float64]:
        """(M',) distance of the centres in pixels, of the frames that count by OTB's toolkit."""
        centers = [boxes[:, :2] + boxes[:, 2:] / 2 for boxes in (self.boxes_xywh, self.truth_xywh)]
        return np.asarray(np.linalg.norm(centers[0] - centers[1], axis=1)[self._otb_counted])

    @property
    def _otb_counted(self) -> NDArray[np.bool_]:
        counted = self.counted.copy()
        counted[0] = counted.any()  # of a sequence without a frame to score, the given box is no score either
        return counted


def run_sequence(tracker: BoxTracker, sequence: Sequence, limit: int | None = None) -> SequenceRun:
    """Run a tracker over one sequence, or only over its first `limit` frames.

    Raises:
        ValueError: the limit leaves no frame to score.
        DataError: the target is absent from the first frame or its box cannot be used, or frames are missing.
        SourceError: a frame cannot be read.
    """
    if limit is not None and limit < 2:
        raise ValueError(f"limit is {limit}; it must be 2 or more, because the first frame is given")
    truth = sequence.boxes_xywh[:limit]
    if not len(truth) or not (truth[0, 2:] > 0).all():
        raise DataError(f"{sequence.name}: no box in the first frame; a tracker must be shown its target there")
    boxes, scores, seconds, frame_wh = [tuple(truth[0])], [1.0], [], (0, 0)
    for index, frame in enumerate(sequence.frames()):
        if index == 0:
            frame_wh = (frame.shape[1], frame.shape[0])
            try:
                tracker.init(frame, truth[0])
            except ValueError as error:
                raise DataError(f"{sequence.name}: {error}") from error
            continue
        started = time.perf_counter()
        result = tracker.update(frame)
        seconds.append(time.perf_counter() - started)
        boxes.append(box_of(result))
        scores.append(getattr(result, "score", float("nan")))
        if index + 1 == limit:
            break  # without a limit the frames end by themselves, which checks that there is one for each box
    return SequenceRun(sequence.name, np.array(boxes), truth, frame_wh, np.array(seconds), np.array(scores))


STARTS = (0.0, 0.2, 0.4, 0.6)
"""Where runs of one sequence begin, as shares of it, in both directions."""

MIN_FRAMES = 20
"""Shorter runs say nothing that longer ones of the same sequence do not."""


def many_starts(
    boxes_xywh: NDArray[np.float64], jitter: float, starts: Iterable[float] = STARTS
) -> Iterator[tuple[range, NDArray[np.float64]]]:
    """Runs from many places of a sequence, forward and backward; one that starts without a box is left out.

    Args:
        boxes_xywh: (N, 4) of the sequence.
        jitter: largest shift, and change of size, of a first box as a share of its sides; the sequence's own first box
            stays as it is.
        starts: how far into the sequence, as shares of it.

    Yields:
        Frame numbers in the run's order, and the box that it starts with. The same for every tracker.
    """
    last, rng = len(boxes_xywh) - 1, np.random.default_rng(len(boxes_xywh))
    visible: NDArray[np.bool_] = np.asarray((boxes_xywh[:, 2:] > 0).all(axis=1))
    for share in starts:
        start = round(share * last)
        for order in (range(start, last + 1), range(last - start, -1, -1)):
            moves = rng.uniform(-jitter, jitter, 4)
            if len(order) < MIN_FRAMES or not visible[order[0]]:
                continue
            box = boxes_xywh[order[0]].copy()
            if order[0]:
                size = box[2:] * (1 + moves[2:])
                box = np.concatenate([box[:2] + box[2:] * (0.5 + moves[:2]) - size / 2, size])
            yield order, box
