"""From response maps to a displacement: scale penalty, window, peak, sub-pixel fit.

Each numba kernel has a numpy twin of the same name with `_numpy` behind it; a test holds them equal. The
kernels run in the tracker, the twins are what to read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.tracking.kernels import compiled

Map = NDArray[np.float32]


class Peak(NamedTuple):
    """The chosen peak.

    Attributes:
        scale: index of the scale that won.
        row, column: its cell.
        dx, dy: displacement from the middle of the response map, in cells, with fraction.
    """

    scale: int
    row: int
    column: int
    dx: float
    dy: float


def hann_window(size: int) -> Map:
    """(size, size) Hann window that sums to one.

    The end points lie one cell outside the map: a plain Hann window is zero along the border, where it
    would forbid a target to be found rather than doubt it.
    """
    line = np.hanning(size + 2)[1:-1]
    window = np.outer(line, line)
    return (window / window.sum()).astype(np.float32)


def find_peak_numpy(response: Map, penalty: Map, window: Map, influence: float) -> Peak:
    """Choose scale and cell, then fit the peak between cells.

    1. Shift all maps so that the lowest response of any is 0, and multiply each by its scale's penalty. The
       shift makes the penalty a penalty for negative logits too.
    2. The scale with the highest response wins (arXiv 1606.09549, section 3.2).
    3. Its map is normalised to sum to one and mixed with the window; the highest cell is the peak.
    4. A parabola through the cell and its two neighbours, along each axis, places the peak between cells.
       It is fitted to the mixed map, as upsampling that map would be.

    Args:
        response: (K, n, n) float32. penalty: (K,). window: (n, n), sums to one.
        influence: share of the window in the mix, 0..1.
    """
    size = response.shape[1]
    lowest = response.min()
    best = max(range(len(response)), key=lambda k: (response[k].max() - lowest) * penalty[k])
    chosen = response[best].astype(np.float64)
    chosen = chosen - chosen.min()
    total = chosen.sum()
    mixed = (1 - influence) * (chosen / total if total > 0 else 0 * chosen) + influence * window.astype(np.float64)
    row, column = divmod(int(mixed.argmax()), size)
    dx = column + _vertex(mixed[row], column) - (size - 1) / 2
    dy = row + _vertex(mixed[:, column], row) - (size - 1) / 2
    return Peak(best, row, column, float(dx), float(dy))


def _vertex(line: NDArray[np.float64], i: int) -> float:
    if i == 0 or i == len(line) - 1:
        return 0.0
    before, here, after = line[i - 1], line[i], line[i + 1]
    curvature = before - 2 * here + after
    return float(0.5 * (before - after) / curvature) if curvature < 0 else 0.0


def find_peak(response: Map, penalty: Map, window: Map, influence: float) -> Peak:
    """As `find_peak_numpy`, compiled."""
    return Peak(*_find_peak(response, penalty, window, influence))


@compiled
def _find_peak(response, penalty, window, influence):  # type: ignore[no-untyped-def]
    scales, height, width = response.shape
    lowest = response[0, 0, 0]
    for k in range(scales):
        for y in range(height):
            for x in range(width):
                lowest = min(lowest, response[k, y, x])
    best, best_value = 0, -np.inf
    for k in range(scales):
        highest = response[k, 0, 0]
        for y in range(height):
            for x in range(width):
                highest = max(highest, response[k, y, x])
        value = (highest - lowest) * penalty[k]
        if value > best_value:
            best, best_value = k, value

    floor = response[best, 0, 0]
    for y in range(height):
        for x in range(width):
            floor = min(floor, response[best, y, x])
    total = 0.0
    for y in range(height):
        for x in range(width):
            total += np.float64(response[best, y, x]) - np.float64(floor)
    gain = (1 - influence) / total if total > 0 else 0.0
    mixed = np.empty((height, width), np.float64)
    row, column = 0, 0
    for y in range(height):
        for x in range(width):
            mixed[y, x] = gain * (np.float64(response[best, y, x]) - np.float64(floor)) + influence * window[y, x]
            if mixed[y, x] > mixed[row, column]:
                row, column = y, x

    dx, dy = 0.0, 0.0
    if 0 < column < width - 1:
        curvature = mixed[row, column - 1] - 2 * mixed[row, column] + mixed[row, column + 1]
        if curvature < 0:
            dx = 0.5 * (mixed[row, column - 1] - mixed[row, column + 1]) / curvature
    if 0 < row < height - 1:
        curvature = mixed[row - 1, column] - 2 * mixed[row, column] + mixed[row + 1, column]
        if curvature < 0:
            dy = 0.5 * (mixed[row - 1, column] - mixed[row + 1, column]) / curvature
    return best, row, column, column + dx - (width - 1) / 2, row + dy - (height - 1) / 2
