"""Average overlap and success rate, by the GOT-10k definitions (arXiv 1810.11981, section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamtrack.boxes import iou


@dataclass(frozen=True)
class Scores:
    """Overlap figures over a number of frames.

    Attributes:
        ao: mean overlap. sr50, sr75: share of frames with overlap above 0.5, 0.75.
        frames: how many frames counted. sequences: how many sequences they come from.
    """

    ao: float
    sr50: float
    sr75: float
    frames: int
    sequences: int

    def __str__(self) -> str:
        figures = f"AO {self.ao:.3f}  SR0.50 {self.sr50:.3f}  SR0.75 {self.sr75:.3f}"
        return f"{figures}  ({self.sequences} sequences, {self.frames} frames)"


def overlaps(boxes_xywh: ArrayLike, truth_xywh: ArrayLike, frame_wh: tuple[int, int]) -> NDArray[np.float64]:
    """Overlap of each frame, the first left out: it was given.

    Boxes are clipped to the frame, as the GOT-10k protocol does. Frames whose truth has no area (target
    absent or unsure) are left out.

    Raises:
        ValueError: the numbers of boxes differ.
    """
    boxes, truth = np.array(boxes_xywh, dtype=np.float64), np.array(truth_xywh, dtype=np.float64)
    if boxes.shape != truth.shape:
        raise ValueError(f"{len(boxes)} boxes, {len(truth)} labels; there must be one a frame")
    counted = (truth[1:, 2:] > 0).all(axis=1)
    return iou(_clip(boxes[1:], frame_wh), _clip(truth[1:], frame_wh))[counted]


def pooled(per_sequence: Iterable[NDArray[np.float64]]) -> Scores:
    """Scores over all frames of all sequences together, each frame with the same weight."""
    items = list(per_sequence)
    joined = np.concatenate(items) if items else np.zeros(0)
    if not joined.size:
        return Scores(0.0, 0.0, 0.0, 0, len(items))
    return Scores(float(joined.mean()), float((joined > 0.5).mean()), float((joined > 0.75).mean()), joined.size, len(items))


def _clip(boxes: NDArray[np.float64], frame_wh: tuple[int, int]) -> NDArray[np.float64]:
    low = np.clip(boxes[:, :2], 0, frame_wh)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, frame_wh)
    return np.concatenate([low, high - low], axis=1)
