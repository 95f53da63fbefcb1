"""How well scores tell good frames from bad ones, and whether they mean what they say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.verify.metrics import roc

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Bin(NamedTuple):
    """Frames with scores in one tenth of 0..1.

    Attributes:
        share: of all frames. score: their mean score. good: share of them that are good.
    """

    share: float
    score: float
    good: float


def auroc(scores: Floats, good: Flags) -> float:
    """Probability that a good frame scores above a bad one, equal scores counting half; NaN if one kind is missing.

    Source: Hanley and McNeil, Radiology 143 (1982): the area under the receiver operating characteristic.
    """
    return roc(-scores, good).auc if good.any() and not good.all() else float("nan")


def reliability(scores: Floats, good: Flags, bins: int = 10) -> list[Bin]:
    """The reliability diagram: score against share of good frames, in bins of equal width; empty ones are left out."""
    number = np.clip((scores * bins).astype(int), 0, bins - 1)
    picked = (number == i for i in range(bins))
    return [Bin(float(one.mean()), float(scores[one].mean()), float(good[one].mean())) for one in picked if one.any()]


def calibration_error(scores: Floats, good: Flags, bins: int = 10) -> float:
    """Expected calibration error: the gap between score and share of good frames, averaged over all frames.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017, section 2.
    """
    return sum(one.share * abs(one.score - one.good) for one in reliability(scores, good, bins))
