"""What a response map says of its peak, and what is made of it: the features of the score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.tracking.kernels import compiled

NEAR = 2
"""Cells to each side of the peak that belong to it; the cells beyond are its sidelobes."""


class Evidence(NamedTuple):
    """Features of one frame; the score weighs them (`TrackerConfig.score_weights`, in this order).

    Others were tried beside them, such as peak-to-sidelobe ratio and entropy: they say little more, see docs/lost.md.

    Attributes:
        value: log-odds of the box head's class times quality in the chosen cell; SiamFC's response (a logit) there for
            models without a box head.
        gap: the response at the peak less the highest sidelobe: how far the second-best place is behind.
    """

    value: float
    gap: float


def peak_gap_numpy(response: NDArray[np.float32], row: int, column: int) -> float:
    """`Evidence.gap` of a response map (n, n) whose peak is at a cell; 0 in a map so small that all of it is near."""
    rows, columns = np.ogrid[: len(response), : len(response)]
    sidelobes = response[np.maximum(abs(rows - row), abs(columns - column)) > NEAR]
    return float(response[row, column]) - float(sidelobes.max()) if len(sidelobes) else 0.0


@compiled
def peak_gap(response, row, column):  # type: ignore[no-untyped-def]
    """As `peak_gap_numpy`, compiled."""
    size = response.shape[0]
    highest = -np.inf
    for y in range(size):
        for x in range(size):
            if max(abs(y - row), abs(x - column)) > NEAR:
                highest = max(highest, np.float64(response[y, x]))
    return np.float64(response[row, column]) - highest if highest > -np.inf else 0.0
