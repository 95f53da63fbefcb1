"""Average overlap and success rate, by the GOT-10k definitions (arXiv 1810.11981, section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamtrack.boxes import iou

MIN_SEQUENCES = 5
"""With fewer, a bootstrap over sequences has too little to draw from, and is far too sure of itself."""

RESAMPLES = 10_000
"""Draws of a bootstrap."""


@dataclass(frozen=True)
class Scores:
    """Overlap figures over a number of frames.

    Attributes:
        ao: mean overlap. sr50, sr75: share of frames with overlap above 0.5, 0.75.
        sequence_ao: mean over sequences of each one's mean overlap: a long one counts no more than a short one.
        frames: how many frames counted. sequences: how many sequences they come from.
    """

    ao: float
    sr50: float
    sr75: float
    sequence_ao: float
    frames: int
    sequences: int

    def __str__(self) -> str:
        of_frames = f"AO {self.ao:.3f}  SR0.50 {self.sr50:.3f}  SR0.75 {self.sr75:.3f}"
        return f"{of_frames}  mean of sequences {self.sequence_ao:.3f}  {self.counts}"

    @property
    def counts(self) -> str:
        """What the figures are over, as it is printed after them."""
        return f"({self.sequences} sequences, {self.frames} frames)"


def overlaps(boxes_xywh: ArrayLike, truth_xywh: ArrayLike, frame_wh: tuple[int, int]) -> NDArray[np.float64]:
    """Overlap of each frame but the first, which was given, and those whose truth has no area (target absent or unsure).

    Boxes are clipped to the frame, as the GOT-10k protocol does.
    """
    boxes, truth = np.array(boxes_xywh, dtype=np.float64), np.array(truth_xywh, dtype=np.float64)
    if boxes.shape != truth.shape:
        raise ValueError(f"{len(boxes)} boxes, {len(truth)} labels; there must be one a frame")
    counted = (truth[1:, 2:] > 0).all(axis=1)
    return iou(_clip(boxes[1:], frame_wh), _clip(truth[1:], frame_wh))[counted]


def pooled(per_sequence: Iterable[NDArray[np.float64]]) -> Scores:
    """Scores over all frames of all sequences together, each frame with the same weight.

    The mean over sequences leaves those out of which no frame counts.
    """
    items = list(per_sequence)
    joined = np.concatenate(items) if items else np.zeros(0)
    if not joined.size:
        return Scores(0.0, 0.0, 0.0, 0.0, 0, len(items))
    means = [float(item.mean()) for item in items if item.size]
    sr50, sr75 = (float((joined > threshold).mean()) for threshold in (0.5, 0.75))
    return Scores(float(joined.mean()), sr50, sr75, float(np.mean(means)), joined.size, len(items))


def _clip(boxes: NDArray[np.float64], frame_wh: tuple[int, int]) -> NDArray[np.float64]:
    """Boxes within the frame, as the GOT-10k toolkit clips them: one that sticks out on the left or above is moved in and keeps
    its size, one that sticks out elsewhere is cut. To cut it everywhere would be 1e-4 of AO away from everybody's figures.
    """
    low = np.clip(boxes[:, :2], 0, frame_wh)
    return np.concatenate([low, np.clip(boxes[:, 2:], 0, frame_wh - low)], axis=1)


def paired_bootstrap(
    ours: Sequence[NDArray[np.float64]], theirs: Sequence[NDArray[np.float64]]
) -> tuple[float, float, tuple[float, float]]:
    """How sure a difference of two average overlaps is, over sequences.

    Whole sequences are drawn, because the frames of one sequence are right and wrong together; the same ones for
    both trackers, because easy sequences are easy for both.

    Args:
        ours, theirs: overlaps of the same sequences in the same order, as many frames each; else a ValueError.

    Returns:
        AO of ours less theirs, its standard error, and the middle 95 %.
    """
    frames = np.array([len(item) for item in ours], dtype=np.float64)
    if len(ours) != len(theirs) or not len(ours) or [len(item) for item in theirs] != [len(item) for item in ours]:
        raise ValueError(f"{len(ours)} and {len(theirs)} sequences do not pair: both need the same ones, frame by frame")
    gains = np.array([a.sum() - b.sum() for a, b in zip(ours, theirs, strict=True)])
    return bootstrap_gain(gains, frames)


def bootstrap_gain(
    gains: NDArray[np.float64], frames: NDArray[np.float64], seed: int = 0
) -> tuple[float, float, tuple[float, float]]:
    """`paired_bootstrap` from sums alone: (S,) gain in overlap and (S,) number of frames of each sequence."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(10):  # in parts, so that many sequences do not fill the memory
        times = rng.multinomial(len(frames), np.full(len(frames), 1 / len(frames)), size=RESAMPLES // 10)
        found.append((times @ gains) / np.maximum(times @ frames, 1))
    differences = np.concatenate(found)
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(gains.sum() / max(frames.sum(), 1)), float(differences.std(ddof=1)), (float(low), float(high))
