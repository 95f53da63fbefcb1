"""From a box head's maps to one box: which cell, and what its box is.

As in `siamtrack.tracking.peak`, the numba kernel has a numpy twin with `_numpy` behind its name; a test holds them
equal. The kernel runs in the tracker, the twin is what to read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.model.backbone import STRIDE
from siamtrack.tracking.evidence import peak_gap, peak_gap_numpy
from siamtrack.tracking.kernels import compiled
from siamtrack.tracking.locator import Pair
from siamtrack.tracking.runtimes.runtime import BoxResponse

_LOGIT_LIMIT = 50.0  # beyond it a sigmoid is 0 or 1 to the last bit
_CERTAIN = 1e-6  # no cell is surer than that, or its log-odds would be infinite

Cell = tuple[int, int]
"""Row and column of a response map."""


class Offer(NamedTuple):
    """A cell's box, in pixels of the search crop.

    Attributes:
        x, y: its centre, from the crop's middle. w, h: its size.
        trust: 0..1, class times quality times penalty: how much of the new size is believed.
        value, gap: what speaks for it; see `Evidence`.
    """

    x: float
    y: float
    w: float
    h: float
    trust: float
    value: float
    gap: float


def choose_cell_numpy(
    response: BoxResponse, size_wh: Pair, window: NDArray[np.float32], influence: float, size_penalty: float
) -> Cell:
    """Say in which cell the target is.

    1. *Where* is SiamFC's own question: its response, shifted to begin at 0 and normalised to sum to one, is mixed with
       the window. The class map is no better judge of it: on quickly moving targets of val it lost more of them
       (first 60 frames of five sequences: AO 0.397 by class times quality, 0.457 by the response).
    2. A cell counts less the more its box changes scale or shape, by `exp(-size_penalty * (change of scale * change of
       shape - 1))`: between two frames a target hardly changes (SiamRPN, Li et al., CVPR 2018, section 4.3).

    Args:
        response: of one search region.
        size_wh: the target's present size, pixels of the search crop.
        window: (n, n), sums to one. influence: its share, 0..1.
        size_penalty: 0 for none.
    """
    logits = response.response.astype(np.float64)
    likely = logits - logits.min()
    likely = likely * _penalties(response.distances, size_wh, size_penalty) / max(float(likely.sum()), 1e-12)
    row, column = divmod(int(np.argmax((1 - influence) * likely + influence * window)), logits.shape[1])
    return row, column


def offer_at_numpy(response: BoxResponse, size_wh: Pair, cell: Cell, size_penalty: float, reach: int = 1) -> Offer:
    """Read a cell's box, which is the box head's word on *how large*: the mean of its own and its neighbours' boxes,
    weighed by class times quality.

    Args:
        response, size_wh, size_penalty: as for `choose_cell_numpy`.
        cell: whose box.
        reach: cells to each side whose boxes are averaged; 0 for the cell alone.
    """
    target, quality, distances = (each.astype(np.float64) for each in response[1:])
    row, column = cell
    score = _sigmoid(target) * _sigmoid(quality)
    trusted = score * _penalties(distances, size_wh, size_penalty)
    # The cell's neighbours saw the same target from a step aside: their mean is steadier than any one of them.
    beside = slice(max(0, row - reach), row + reach + 1), slice(max(0, column - reach), column + reach + 1)
    weight = trusted[beside] + 1e-12  # where nothing is trusted, all are trusted alike
    weight = weight / weight.sum()
    cells = STRIDE * (np.arange(score.shape[1]) - (score.shape[1] - 1) / 2)
    across, down = cells[None, beside[1]], cells[beside[0], None]
    left, top, right, bottom = distances
    x1, x2 = (float((weight * side).sum()) for side in (across - left[beside], across + right[beside]))
    y1, y2 = (float((weight * side).sum()) for side in (down - top[beside], down + bottom[beside]))
    certain = float(np.clip(score[row, column], _CERTAIN, 1 - _CERTAIN))
    value, gap = float(np.log(certain / (1 - certain))), peak_gap_numpy(response.response, row, column)
    return Offer((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, float(trusted[row, column]), value, gap)


def _penalties(distances: NDArray[Any], size_wh: Pair, size_penalty: float) -> Any:
    """Factor on each cell (n, n) for what its box would change."""
    left, top, right, bottom = distances.astype(np.float64)
    width, height = left + right, top + bottom
    growth = _extent(width, height) / _extent(*size_wh)
    turn = (width / height) / (size_wh[0] / size_wh[1])
    change = np.maximum(growth, 1 / growth) * np.maximum(turn, 1 / turn)
    return np.exp(-size_penalty * (change - 1))


def _extent(width: Any, height: Any) -> Any:
    """Side of the context square: what the search region follows, hence what must not jump."""
    context = (width + height) / 2
    return np.sqrt((width + context) * (height + context))


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(logits, -_LOGIT_LIMIT, _LOGIT_LIMIT)))


def choose_cell(
    response: BoxResponse, size_wh: Pair, window: NDArray[np.float32], influence: float, size_penalty: float
) -> Cell:
    """As `choose_cell_numpy`, compiled."""
    row, column = _choose_cell(response.response, response.distances, *size_wh, window, influence, size_penalty)
    return row, column


def offer_at(response: BoxResponse, size_wh: Pair, cell: Cell, size_penalty: float, reach: int = 1) -> Offer:
    """As `offer_at_numpy`, compiled."""
    return Offer(*_offer_at(*response, *size_wh, *cell, size_penalty, reach))


@compiled
def _penalty(distances, y, x, present_w, present_h, size_penalty):  # type: ignore[no-untyped-def]
    width = np.float64(distances[0, y, x]) + np.float64(distances[2, y, x])
    height = np.float64(distances[1, y, x]) + np.float64(distances[3, y, x])
    context, present = (width + height) / 2, (present_w + present_h) / 2
    growth = np.sqrt((width + context) * (height + context)) / np.sqrt((present_w + present) * (present_h + present))
    turn = width / height / (present_w / present_h)
    return np.exp(-size_penalty * (max(growth, 1 / growth) * max(turn, 1 / turn) - 1))


@compiled
def _score(target, quality, y, x):  # type: ignore[no-untyped-def]
    seen = min(max(np.float64(target[y, x]), -_LOGIT_LIMIT), _LOGIT_LIMIT)
    good = min(max(np.float64(quality[y, x]), -_LOGIT_LIMIT), _LOGIT_LIMIT)
    return 1 / (1 + np.exp(-seen)) * (1 / (1 + np.exp(-good)))


@compiled
def _choose_cell(logits, distances, present_w, present_h, window, influence, size_penalty):  # type: ignore[no-untyped-def]
    size = logits.shape[0]
    lowest, total = np.float64(logits[0, 0]), 0.0
    for y in range(size):
        for x in range(size):
            lowest = min(lowest, np.float64(logits[y, x]))
    for y in range(size):
        for x in range(size):
            total += np.float64(logits[y, x]) - lowest
    gain = (1 - influence) / max(total, 1e-12)
    row, column, highest = 0, 0, -np.inf
    for y in range(size):
        for x in range(size):
            likely = gain * (np.float64(logits[y, x]) - lowest) * _penalty(distances, y, x, present_w, present_h, size_penalty)
            mixed = likely + influence * np.float64(window[y, x])
            if mixed > highest:
                row, column, highest = y, x, mixed
    return row, column


@compiled
def _offer_at(logits, target, quality, distances, present_w, present_h, row, column, size_penalty, reach):  # type: ignore[no-untyped-def]
    size = logits.shape[0]
    mass, x1, y1, x2, y2 = 0.0, 0.0, 0.0, 0.0, 0.0
    for y in range(max(0, row - reach), min(size, row + reach + 1)):
        for x in range(max(0, column - reach), min(size, column + reach + 1)):
            penalty = _penalty(distances, y, x, present_w, present_h, size_penalty)
            weight = _score(target, quality, y, x) * penalty + 1e-12
            across, down = STRIDE * (x - (size - 1) / 2), STRIDE * (y - (size - 1) / 2)
            mass += weight
            x1 += weight * (across - np.float64(distances[0, y, x]))
            y1 += weight * (down - np.float64(distances[1, y, x]))
            x2 += weight * (across + np.float64(distances[2, y, x]))
            y2 += weight * (down + np.float64(distances[3, y, x]))
    x1, y1, x2, y2 = x1 / mass, y1 / mass, x2 / mass, y2 / mass
    score = _score(target, quality, row, column)
    certain = min(max(score, _CERTAIN), 1 - _CERTAIN)
    value = np.log(certain / (1 - certain))
    trust = score * _penalty(distances, row, column, present_w, present_h, size_penalty)
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, trust, value, peak_gap(logits, row, column)
