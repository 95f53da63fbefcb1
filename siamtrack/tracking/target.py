"""One target on its way through a video: where it is, how large, and how a sighting changes that."""

from __future__ import annotations

import math
from collections.abc import Iterable

from siamtrack.boxes import Box, check_box, clip_box, from_center
from siamtrack.tracking.crop import Image, context_side, mean_color
from siamtrack.tracking.locator import Sighting, View
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.settings import TrackerConfig

MIN_TRACKED_PX = 2.0
"""Shortest side that a tracked box may shrink to, frame pixels."""


class Target:
    """The state of one tracked target; pure arithmetic, no network.

    Args:
        image: (H, W, 3) BGR uint8, the first frame.
        box: `(x, y, w, h)` of the target, 0-based pixels; the part inside the frame is used.
        config: the tracker's constants.

    Raises:
        ValueError: a box that cannot be used; the message says why.
    """

    def __init__(self, image: Image, box: Iterable[float], config: TrackerConfig) -> None:
        self.config = config
        self.frame_wh = (image.shape[1], image.shape[0])
        self.first = TrackResult(check_box(box, self.frame_wh), 1.0, State.TRACKING)
        self._center_xy, self._size_wh = self.first.box.center_xy, self.first.box.size_wh
        self._fill = mean_color(image)
        side = self.search_side
        self._side_limits = (side * config.search_side_min, side * config.search_side_max)

    @property
    def search_side(self) -> float:
        """Side of the search region in frame pixels: to the exemplar's square what 255 px are to 127."""
        return context_side(self._size_wh) * self.config.search_size / self.config.exemplar_size

    def exemplar_view(self, image: Image) -> View:
        """The exemplar's square in the first frame."""
        return View(image, self._center_xy, self._size_wh, context_side(self._size_wh), self._fill)

    def search_view(self, image: Image) -> View:
        """The search region in the next frame.

        Raises:
            ValueError: the frame's size is not that of the first.
        """
        if (image.shape[1], image.shape[0]) != self.frame_wh:
            width, height = self.frame_wh
            raise ValueError(
                f"frame is {image.shape[1]}x{image.shape[0]}, the first one was {width}x{height}; "
                "a track needs frames of one size: call init() again after a change"
            )
        return View(image, self._center_xy, self._size_wh, self.search_side, self._fill)

    def follow(self, sighting: Sighting) -> TrackResult:
        """Go where the target was seen."""
        self._move(sighting)
        self._resize(sighting)
        score = self._score(sighting)
        return TrackResult(self._box(), score, self._state(score))

    def _move(self, sighting: Sighting) -> None:
        """The centre goes where the target was seen, but not out of the frame."""
        (x, y), (width, height) = sighting.center_xy, self.frame_wh
        self._center_xy = (min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height)))

    def _resize(self, sighting: Sighting) -> None:
        """Grow or shrink the target, within the limits of the search side (0.2 to 5 times its first value)."""
        (width, height), (wider, higher) = self._size_wh, sighting.growth_wh
        # A side that shrinks to nothing would never grow again: its box head sees no target in it.
        self._size_wh = (max(width * wider, MIN_TRACKED_PX), max(height * higher, MIN_TRACKED_PX))
        low, high = self._side_limits
        side = self.search_side
        factor = min(max(side, low), high) / side
        self._size_wh = (self._size_wh[0] * factor, self._size_wh[1] * factor)

    def _box(self) -> Box:
        """The target's box, clipped to the frame; never thinner than a pixel or so, even at the very edge."""
        box = clip_box(from_center(self._center_xy, self._size_wh), self.frame_wh)
        width, height = self.frame_wh
        w, h = max(box.w, min(1.0, width)), max(box.h, min(1.0, height))
        return Box(min(box.x, width - w), min(box.y, height - h), w, h)

    def _score(self, sighting: Sighting) -> float:
        """Probability that the box overlaps the target by more than one half, as far as the response can tell."""
        logit = self.config.score_slope * sighting.value + self.config.score_offset
        return 1 / (1 + math.exp(-min(max(logit, -50.0), 50.0)))

    def _state(self, score: float) -> State:
        if score >= self.config.tracking_score:
            return State.TRACKING
        return State.UNCERTAIN if score >= self.config.lost_score else State.LOST
