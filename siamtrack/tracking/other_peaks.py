"""The response's other peaks: places apart from the chosen cell where something resembles the target.

As in `siamtrack.tracking.peak`, the numba kernel has a numpy twin with `_numpy` behind its name; a test holds them
equal. The kernel runs in the tracker, the twin is what to read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.tracking.kernels import compiled

APART = 3
"""Cells, along either axis, that another peak lies away from the chosen one at least: nearer it is the same peak."""

SHARE = 0.5
"""Height above the map's mean, as a share of the chosen cell's, from which on a local maximum counts."""

COUNT = 4
"""Most other peaks of one map."""


class OtherPeak(NamedTuple):
    """A local maximum of a response map.

    Attributes:
        row, column: its cell.
        height: over the map's mean, as a share of the chosen cell's; a cell that lost to the window may exceed 1.
    """

    row: int
    column: int
    height: float


def other_peaks_numpy(response: NDArray[np.float32], row: int, column: int) -> list[OtherPeak]:
    """Local maxima of a response map apart from the chosen cell.

    A cell counts if it is higher than its eight neighbours, `APART` cells or more from the chosen one, and stands out of
    the map's mean by `SHARE` of what the chosen one does. At the border it has fewer neighbours: it may be the flank of
    what lies outside, but a search region is so small that a rival would else be known too late.

    Args:
        response: (n, n) logits. row, column: the chosen cell.

    Returns:
        At most `COUNT`, highest first; none where the chosen cell itself does not stand out.
    """
    logits = response.astype(np.float64)
    size, mean = len(logits), logits.mean()
    stands_out = logits[row, column] - mean
    if not stands_out > 0:
        return []
    peaks = []
    for y in range(size):
        for x in range(size):
            around = logits[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            height = (logits[y, x] - mean) / stands_out
            highest = (around < logits[y, x]).sum() == around.size - 1
            if max(abs(y - row), abs(x - column)) >= APART and height >= SHARE and highest:
                peaks.append(OtherPeak(y, x, float(height)))
    return sorted(peaks, key=lambda peak: -peak.height)[:COUNT]


def other_peaks(response: NDArray[np.float32], row: int, column: int) -> list[OtherPeak]:
    """As `other_peaks_numpy`, compiled."""
    found, count = _other_peaks(response, row, column)
    return [OtherPeak(int(y), int(x), height) for y, x, height in found[:count].tolist()]


@compiled
def _other_peaks(response, row, column):  # type: ignore[no-untyped-def]
    size = response.shape[0]
    total = 0.0
    for y in range(size):
        for x in range(size):
            total += np.float64(response[y, x])
    mean = total / (size * size)
    stands_out = np.float64(response[row, column]) - mean
    found, count = np.empty((COUNT, 3)), 0
    if not stands_out > 0:
        return found, count
    for y in range(size):
        for x in range(size):
            height = (np.float64(response[y, x]) - mean) / stands_out
            if max(abs(y - row), abs(x - column)) < APART or height < SHARE:
                continue
            highest = True
            for v in range(max(0, y - 1), min(size, y + 2)):
                for u in range(max(0, x - 1), min(size, x + 2)):
                    highest = highest and ((v == y and u == x) or response[v, u] < response[y, x])
            if not highest:
                continue
            place = count
            while place > 0 and found[place - 1, 2] < height:
                if place < COUNT:
                    found[place] = found[place - 1]
                place -= 1
            if place < COUNT:
                found[place, 0], found[place, 1], found[place, 2] = y, x, height
                count = min(count + 1, COUNT)
    return found, count
