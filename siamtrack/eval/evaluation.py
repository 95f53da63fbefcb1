"""What an evaluation found: every tracker's boxes beside the truth, and the figures made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from siamtrack.eval.scores import Scores, overlaps, pooled

SUCCESS_THRESHOLDS = np.linspace(0, 1, 101)
PRECISION_THRESHOLDS_PX = np.arange(51)
PRECISION_PX = 20
"""The error at which OTB reads its precision."""


@dataclass(frozen=True)
class Outcome:
    """One tracker's boxes on one sequence of N frames.

    Attributes:
        sequence: its name.
        boxes_xywh, truth_xywh: (N, 4); the first box was given. Truth without area: absent or unsure, not counted.
        frame_wh: size of the frames.
        seconds: (N - 1,) of each call of `update`; decoding and `init` are left out. Empty where nobody measured.
        scores: (N,) the tracker's own; NaN where it has none.
        cover: (N,) share of the target that is visible, 0 to 8 in GOT-10k's files; frames with 0 are not counted.
            None: all count.
    """

    sequence: str
    boxes_xywh: NDArray[np.float64]
    truth_xywh: NDArray[np.float64]
    frame_wh: tuple[int, int]
    seconds: NDArray[np.float64]
    scores: NDArray[np.float64]
    cover: NDArray[np.float64] | None = None

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(N - 1,) whether a frame counts; the first, which was given, is left out."""
        good = (self.truth_xywh[1:, 2:] > 0).all(axis=1)
        return np.asarray(good if self.cover is None else good & (self.cover[1:] > 0))

    @cached_property
    def overlaps(self) -> NDArray[np.float64]:
        """(M,) overlap in 0..1 of the frames that count."""
        has_truth = (self.truth_xywh[1:, 2:] > 0).all(axis=1)
        return overlaps(self.boxes_xywh, self.truth_xywh, self.frame_wh)[self.counted[has_truth]]

    @cached_property
    def center_errors(self) -> NDArray[np.float64]:
        """(M,) distance of the centres in pixels, of the frames that count."""
        centers = [boxes[1:, :2] + boxes[1:, 2:] / 2 for boxes in (self.boxes_xywh, self.truth_xywh)]
        return np.asarray(np.linalg.norm(centers[0] - centers[1], axis=1)[self.counted])


@dataclass(frozen=True)
class TrackerOutcome:
    """One tracker on all sequences.

    Attributes:
        tracker: its name. outcomes: one a sequence, in the data set's order.
    """

    tracker: str
    outcomes: tuple[Outcome, ...]

    @cached_property
    def scores(self) -> Scores:
        """AO and SR over all frames of all sequences together, each with the same weight: GOT-10k's protocol."""
        return pooled(item.overlaps for item in self.outcomes)

    @cached_property
    def success(self) -> NDArray[np.float64]:
        """(101,) share of frames whose overlap is above each of `SUCCESS_THRESHOLDS`, all frames together."""
        joined = np.concatenate([item.overlaps for item in self.outcomes])
        return np.asarray((joined[:, None] > SUCCESS_THRESHOLDS).mean(axis=0))

    @cached_property
    def precision(self) -> NDArray[np.float64]:
        """(51,) share of frames whose centres lie within 0 to 50 px, mean over sequences: OTB's protocol; NaN of no frames."""
        curves = [(item.center_errors[:, None] <= PRECISION_THRESHOLDS_PX).mean(axis=0) for item in self._scored]
        return np.asarray(np.mean(curves, axis=0)) if curves else np.full(len(PRECISION_THRESHOLDS_PX), np.nan)

    @cached_property
    def success_auc(self) -> float:
        """OTB's success score: mean over 21 thresholds of the curve, mean over sequences."""
        thresholds = np.linspace(0, 1, 21)
        areas = [(item.overlaps[:, None] > thresholds).mean() for item in self._scored]
        return float(np.mean(areas)) if areas else float("nan")

    @property
    def _scored(self) -> list[Outcome]:
        """Without sequences of which no frame counts: the mean of nothing is no number."""
        return [item for item in self.outcomes if item.overlaps.size]

    @cached_property
    def fps(self) -> float:
        """Frames over the seconds of their updates, N / sum(t); NaN where nobody measured."""
        seconds = np.concatenate([item.seconds for item in self.outcomes])
        return float(len(seconds) / seconds.sum()) if seconds.sum() > 0 else float("nan")


@dataclass(frozen=True)
class Evaluation:
    """All trackers on one data set.

    Attributes:
        dataset, subset: names, such as `GOT-10k` and `val`; every figure is printed with them.
        trackers: in the order in which they were asked for; all on the same sequences.
        about: device, precision, threads, weights, versions and so on, for people.
        attributes: for each sequence the attributes that the data set gives it; {} where it has none.
        protocol: whose figures stand for a tracker, `got10k` or `otb`; the others are computed all the same.
    """

    dataset: str
    subset: str
    trackers: tuple[TrackerOutcome, ...]
    about: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    protocol: str = "got10k"

    def rank(self, item: TrackerOutcome) -> float:
        """What trackers are ranked by, larger is better: AO, or success AUC by OTB's protocol; NaN of no frames."""
        return item.success_auc if self.protocol == "otb" else item.scores.ao
