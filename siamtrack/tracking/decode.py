"""From the network's maps to a candidate: where the target is seen, and how large.

The kernels are compiled by numba on their first call. They are loops over cells: so they read as what they do, compile fast,
and sum in a fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from siamtrack.errors import WeightsError
from siamtrack.models import STRIDE
from siamtrack.system import compiled
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.network import NOT_FINITE, Floats, Response

Pair = tuple[float, float]

NEAR = 2
"""Cells to each side of the peak that belong to it; the cells beyond are its sidelobes."""

UPSAMPLING = 16
"""Places a cell along each axis that `find_peak_upsampled` tells apart."""

LEAST_PX = 1e-6  # a box of no extent, as damaged weights make it, divides by zero
LOGIT_LIMIT = 50.0  # beyond it a sigmoid is 0 or 1 to the last bit


class Candidate(NamedTuple):
    """What was seen in one search region.

    Attributes:
        center_xy: frame pixels; may lie outside the frame.
        scale_wh: scale change of the target's width and height, damping included.
        logit: SiamFC's response in the chosen cell.
        margin: the response there less the highest sidelobe: how far the second-best place is behind.
        quality: log-odds by which the box head says that its box there overlaps the target well; 0 without a box head.
        aspects: width over height of the target as it was known, and of the box that is seen; the same without a box head.
    """

    center_xy: Pair
    scale_wh: Pair
    logit: float
    margin: float
    quality: float = 0.0
    aspects: Pair = (1.0, 1.0)


class Decoder:
    """Reads response maps: by the box head, or by the scale whose peak is highest.

    Args:
        config: the tracker's constants. has_boxes: whether the network has a box head.
    """

    def __init__(self, config: TrackerConfig, has_boxes: bool) -> None:
        self._config, self._has_boxes = config, has_boxes
        self._windows: dict[int, Floats] = {}
        self._scales, self._penalties = config.scales, config.penalties

    def crops(self, region: SearchRegion) -> list[SearchRegion]:
        """What to crop for a search region: itself where a box head says how large the target is, else one region a scale."""
        if self._has_boxes:
            return [region]
        return [SearchRegion(region.center_xy, region.side * float(scale), region.size) for scale in self._scales]

    def decode(self, region: SearchRegion, responses: Sequence[Response], size_wh: Pair, influence: float) -> Candidate:
        """The candidate in a search region.

        Args:
            region: where. responses: to each of its `crops`. size_wh: of the target as it is known, frame pixels.
            influence: share of the Hann window in the choice of the peak: how firmly the target is expected in the middle.

        Raises:
            WeightsError: the network's answer is not finite where the candidate is read from it.
        """
        cells = responses[0].response.shape[-1]
        if self._has_boxes:
            found = self._by_box(region, responses[0], size_wh, self._window(cells), influence)
        else:
            window = self._window(UPSAMPLING * cells if self._config.peaks == "bicubic" else cells)
            found = self._by_scale(region, np.stack([each.response for each in responses]), size_wh, window, influence)
        numbers = (*found.center_xy, *found.scale_wh, found.logit, found.margin, found.quality, *found.aspects)
        if not math.isfinite(sum(numbers)):
            raise WeightsError(f"the network's answer is not finite; {NOT_FINITE}")
        return found

    def _by_scale(self, region: SearchRegion, response: Floats, size_wh: Pair, window: Floats, influence: float) -> Candidate:
        """The peak says where, its scale how large (arXiv 1606.09549, section 3.2). `response` is (K, n, n)."""
        raw = self._config.penalty_from == "zero"
        find = find_peak_upsampled if self._config.peaks == "bicubic" else find_peak
        scale, row, column, dx, dy = find(response, self._penalties, window, influence, raw)
        seen = self.crops(region)[scale]
        middle, damping = seen.size / 2, self._config.scale_damping
        change = (1 - damping) + damping * float(self._scales[scale])
        center_xy = seen.to_frame(middle + dx * STRIDE, middle + dy * STRIDE)
        logit = float(response[scale, row, column])
        aspect = size_wh[0] / size_wh[1]
        margin = peak_margin(response[scale], row, column)
        return Candidate(center_xy, (change, change), logit, margin, aspects=(aspect, aspect))

    def _by_box(self, region: SearchRegion, seen: Response, size_wh: Pair, window: Floats, influence: float) -> Candidate:
        """The correlation says where, the head how large (arXiv 1911.06188, section 3). A size is followed as it is trusted."""
        assert seen.boxes is not None
        response, boxes, penalty = seen.response, seen.boxes, self._config.size_penalty
        width, height = size_wh[0] / region.scale, size_wh[1] / region.scale
        row, column = find_cell(response, boxes.distances, width, height, window, influence, penalty)
        if row < 0:
            return Candidate((math.nan, math.nan), (1.0, 1.0), math.nan, math.nan)
        x, y, w, h, trust = box_at(*boxes, width, height, row, column, penalty)
        share = self._config.scale_damping * trust
        change_w, change_h = (
            1 - share + share * length / (known / region.scale) for length, known in zip((w, h), size_wh, strict=True)
        )
        center_xy = region.to_frame(region.size / 2 + x, region.size / 2 + y)
        logit, quality = float(response[row, column]), float(boxes.quality[row, column])
        aspects = (width / height, max(w, LEAST_PX) / max(h, LEAST_PX))
        return Candidate(center_xy, (change_w, change_h), logit, peak_margin(response, row, column), quality, aspects)

    def _window(self, size: int) -> Floats:
        if size not in self._windows:
            self._windows[size] = hann_window(size)
        return self._windows[size]


def hann_window(size: int) -> Floats:
    """(size, size) Hann window that sums to one.

    Its end points lie one cell outside the map: a plain Hann window is zero along the border, and forbids a target there.
    """
    line = np.hanning(size + 2)[1:-1]
    window = np.outer(line, line)
    return (window / window.sum()).astype(np.float32)


@compiled
def find_peak(response, penalty, window, influence, raw):  # type: ignore[no-untyped-def]
    """Choose scale and cell, then fit the peak between cells.

    1. The scale wins whose highest response, counted from the lowest of any and times its penalty, is highest. (The shift
       makes the penalty a penalty for negative logits too.) With `raw` it counts from zero.
    2. Its map is normalised to sum to one and mixed with the window; the highest cell is the peak.
    3. A parabola through the cell and its two neighbours, along each axis, places the peak between cells.

    Args:
        response: (K, n, n) float32. penalty: (K,). window: (n, n), sums to one. influence: the window's share, 0..1.
        raw: see 1.

    Returns:
        scale, row, column, and the displacement (dx, dy) from the middle of the map, in cells.
    """
    scales, size, _ = response.shape
    lowest = np.float32(0) if raw else response.min()
    scale, highest = 0, -np.inf
    for k in range(scales):
        value = (response[k].max() - lowest) * penalty[k]
        if value > highest:
            scale, highest = k, value

    floor = np.float64(response[scale].min())
    total = 0.0
    for y in range(size):
        for x in range(size):
            total += np.float64(response[scale, y, x]) - floor
    gain = (1 - influence) / total if total > 0 else 0.0
    if not np.isfinite(total):  # else the first cell would be chosen
        return scale, 0, 0, np.nan, np.nan
    mixed = np.empty((size, size), np.float64)
    row, column = 0, 0
    for y in range(size):
        for x in range(size):
            mixed[y, x] = gain * (np.float64(response[scale, y, x]) - floor) + influence * window[y, x]
            if mixed[y, x] > mixed[row, column]:
                row, column = y, x

    middle = (size - 1) / 2
    dx = column + vertex(mixed[row], column) - middle
    dy = row + vertex(mixed[:, column], row) - middle
    return scale, row, column, dx, dy


def find_peak_upsampled(
    response: Floats, penalty: Floats, window: Floats, influence: float, raw: bool
) -> tuple[int, int, int, float, float]:
    """`find_peak` as in the paper: maps are upsampled by `UPSAMPLING`, bicubic, and their highest place is the peak.

    `window` is as large as an upsampled map; everything else is as for `find_peak`.
    """
    cells = response.shape[1]
    side = UPSAMPLING * cells
    fine = np.stack([cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC) for each in response])
    if not np.isfinite(fine).all():
        return 0, 0, 0, math.nan, math.nan
    lowest = 0.0 if raw else fine.min()
    scale = int(np.argmax((fine.max(axis=(1, 2)) - lowest) * penalty))
    likely = fine[scale].astype(np.float64) - fine[scale].min()
    total = likely.sum()
    mixed = likely * ((1 - influence) / total if total > 0 else 0.0) + influence * window
    row, column = divmod(int(mixed.argmax()), side)
    dx, dy = ((place - (side - 1) / 2) / UPSAMPLING for place in (column, row))
    return scale, row // UPSAMPLING, column // UPSAMPLING, dx, dy


@compiled
def vertex(line, i):  # type: ignore[no-untyped-def]
    """Where the parabola through cell `i` of a line and its neighbours is highest, relative to the cell; 0 at the border."""
    if i == 0 or i == len(line) - 1:
        return 0.0
    curvature = line[i - 1] - 2 * line[i] + line[i + 1]
    return 0.5 * (line[i - 1] - line[i + 1]) / curvature if curvature < 0 else 0.0


@compiled
def find_cell(response, distances, known_w, known_h, window, influence, size_penalty):  # type: ignore[no-untyped-def]
    """Say in which cell the target is.

    SiamFC's response, shifted to begin at 0 and normalised to sum to one, is mixed with the window. (The class map is no
    better judge: on quickly moving targets it lost more of them.) A cell counts less the more its box changes scale or
    shape: see `change_penalty`.

    Args:
        response: (n, n) logits. distances: (4, n, n) of the box head. known_w, known_h: of the target, crop pixels.
        window: (n, n), sums to one. influence: its share, 0..1. size_penalty: 0 for none.

    Returns:
        Row and column; -1 and -1 if the response is not finite.
    """
    size = response.shape[0]
    lowest, total = np.float64(response.min()), 0.0
    for y in range(size):
        for x in range(size):
            total += np.float64(response[y, x]) - lowest
    if not np.isfinite(total):
        return -1, -1
    gain = (1 - influence) / max(total, 1e-12)
    row, column, highest = 0, 0, -np.inf
    for y in range(size):
        for x in range(size):
            likely = gain * (np.float64(response[y, x]) - lowest)
            likely *= change_penalty(distances, y, x, known_w, known_h, size_penalty)
            mixed = likely + influence * np.float64(window[y, x])
            if mixed > highest:
                row, column, highest = y, x, mixed
    return row, column


@compiled
def box_at(target, quality, distances, known_w, known_h, row, column, size_penalty):  # type: ignore[no-untyped-def]
    """The mean of the boxes of a cell and of those within `NEAR` of it, weighed by class times quality times penalty.

    They saw the same target from a step aside: their mean is steadier than any one of them.

    Returns:
        Centre x, y from the crop's middle; width, height, crop pixels; how much of the new size is to be believed, 0..1.
    """
    size = target.shape[0]
    mass, x1, y1, x2, y2 = 0.0, 0.0, 0.0, 0.0, 0.0
    for y in range(max(0, row - NEAR), min(size, row + NEAR + 1)):
        for x in range(max(0, column - NEAR), min(size, column + NEAR + 1)):
            weight = likelihood(target, quality, y, x) * change_penalty(distances, y, x, known_w, known_h, size_penalty)
            weight += 1e-12  # where nothing is trusted, all are trusted alike
            across, down = STRIDE * (x - (size - 1) / 2), STRIDE * (y - (size - 1) / 2)
            mass += weight
            x1 += weight * (across - np.float64(distances[0, y, x]))
            y1 += weight * (down - np.float64(distances[1, y, x]))
            x2 += weight * (across + np.float64(distances[2, y, x]))
            y2 += weight * (down + np.float64(distances[3, y, x]))
    x1, y1, x2, y2 = x1 / mass, y1 / mass, x2 / mass, y2 / mass
    trust = likelihood(target, quality, row, column)
    trust *= change_penalty(distances, row, column, known_w, known_h, size_penalty)
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, trust


@compiled
def change_penalty(distances, y, x, known_w, known_h, size_penalty):  # type: ignore[no-untyped-def]
    """`exp(-size_penalty * (scale change * shape change - 1))` of a cell's box: between two frames a target hardly changes.

    Source: SiamRPN (Li et al., CVPR 2018), section 4.3. Scale is that of the context square, which the search region follows.
    """
    width = np.float64(distances[0, y, x]) + np.float64(distances[2, y, x])
    height = np.float64(distances[1, y, x]) + np.float64(distances[3, y, x])
    width, height = max(width, LEAST_PX), max(height, LEAST_PX)
    context, known = (width + height) / 2, (known_w + known_h) / 2
    scale = np.sqrt((width + context) * (height + context)) / np.sqrt((known_w + known) * (known_h + known))
    shape = width / height / (known_w / known_h)
    return np.exp(-size_penalty * (max(scale, 1 / scale) * max(shape, 1 / shape) - 1))


@compiled
def likelihood(target, quality, y, x):  # type: ignore[no-untyped-def]
    """Class times quality of a cell, 0..1; NaN where they are not finite."""
    if not np.isfinite(target[y, x] + quality[y, x]):
        return np.nan
    seen = min(max(np.float64(target[y, x]), -LOGIT_LIMIT), LOGIT_LIMIT)
    good = min(max(np.float64(quality[y, x]), -LOGIT_LIMIT), LOGIT_LIMIT)
    return 1 / (1 + np.exp(-seen)) * (1 / (1 + np.exp(-good)))


@compiled
def peak_margin(response, row, column):  # type: ignore[no-untyped-def]
    """The response (n, n) at a cell less the highest more than `NEAR` cells away; 0 in a map with none so far away."""
    size = response.shape[0]
    highest = -np.inf
    for y in range(size):
        for x in range(size):
            if max(abs(y - row), abs(x - column)) > NEAR:
                highest = max(highest, np.float64(response[y, x]))
    return np.float64(response[row, column]) - highest if highest > -np.inf else 0.0
