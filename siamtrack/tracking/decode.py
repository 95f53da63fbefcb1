"""From the network's maps to a candidate: where the target is seen, and how large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from siamtrack.errors import WeightsError
from siamtrack.models import STRIDE, response_size
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.network import NOT_FINITE, Floats, Response
from siamtrack.tracking.peaks import UPSAMPLING, box_at, find_cell, find_peak, find_peak_upsampled, peak_margin

Pair = tuple[float, float]


class Candidate(NamedTuple):
    """What was seen in one search region.

    Attributes:
        center_xy: frame pixels; may lie outside the frame.
        scale_wh: scale change of the target's width and height, damping included.
        logit: SiamFC's response in the chosen cell.
        margin: the response there less the highest sidelobe: how far the second-best place is behind.
        quality: log-odds by which the box head says that its box there overlaps the target well; 0 without a box head.
    """

    center_xy: Pair
    scale_wh: Pair
    logit: float
    margin: float
    quality: float = 0.0


class Decoder:
    """Reads response maps: by the box head, or by the scale whose peak is highest. Args: the tracker's constants."""

    def __init__(self, config: TrackerConfig) -> None:
        self._config = config
        self._windows: dict[int, Floats] = {}
        self._scales, self._penalties = config.scales, config.penalties

    def crops(self, region: SearchRegion) -> list[SearchRegion]:
        """What to crop for a search region: itself, or one region a scale in the paper's form."""
        if self._config.scale_search != "search":
            return [region]
        return [SearchRegion(region.center_xy, region.side * float(scale), region.size) for scale in self._scales]

    def decode(self, region: SearchRegion, responses: Sequence[Response], size_wh: Pair, influence: float) -> Candidate:
        """The candidate in a search region.

        Args:
            region: where. responses: to each of its `crops`.
            size_wh: of the target as it is known, frame pixels.
            influence: share of the Hann window in the choice of the peak, 0..1: how firmly the target is expected in the
                middle.

        Raises:
            WeightsError: the network's answer is not finite where the candidate is read from it.
        """
        cells = response_size(region.size)
        window = self._window(UPSAMPLING * cells if self._config.peaks == "bicubic" else cells)
        if self._config.scale_search == "box":
            found = self._by_box(region, responses[0], size_wh, window, influence)
        else:
            found = self._by_scale(region, np.concatenate([each.response for each in responses]), window, influence)
        if not math.isfinite(sum((*found.center_xy, *found.scale_wh, found.logit, found.margin, found.quality))):
            raise WeightsError(f"the network's answer is not finite; {NOT_FINITE}")
        return found

    def _by_scale(self, region: SearchRegion, response: Floats, window: Floats, influence: float) -> Candidate:
        """The peak says where, its scale how large (arXiv 1606.09549, section 3.2). `response` is (K, n, n)."""
        raw = self._config.penalty_from == "zero"
        find = find_peak_upsampled if self._config.peaks == "bicubic" else find_peak
        scale, row, column, dx, dy = find(response, self._penalties, window, influence, raw)
        seen = self.crops(region)[scale] if self._config.scale_search == "search" else region
        middle, damping = seen.size / 2, self._config.scale_damping
        change = (1 - damping) + damping * float(self._scales[scale])
        center_xy = seen.to_frame(middle + dx * STRIDE, middle + dy * STRIDE)
        logit = float(response[scale, row, column])
        return Candidate(center_xy, (change, change), logit, peak_margin(response[scale], row, column))

    def _by_box(self, region: SearchRegion, seen: Response, size_wh: Pair, window: Floats, influence: float) -> Candidate:
        """The correlation says where, the head how large (arXiv 1911.06188, section 3). A size is followed as it is trusted."""
        if seen.boxes is None:
            raise ValueError("scale_search is 'box', and the network has no box head; use 'exemplar'")
        response, boxes, penalty = seen.response[0], seen.boxes, self._config.size_penalty
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
        return Candidate(center_xy, (change_w, change_h), logit, peak_margin(response, row, column), quality)

    def _window(self, size: int) -> Floats:
        if size not in self._windows:
            self._windows[size] = hann_window(size)
        return self._windows[size]


def hann_window(size: int) -> Floats:
    """(size, size) Hann window that sums to one.

    The end points lie one cell outside the map: a plain Hann window is zero along the border, where it would forbid a target
    to be found rather than doubt it.
    """
    line = np.hanning(size + 2)[1:-1]
    window = np.outer(line, line)
    return (window / window.sum()).astype(np.float32)
