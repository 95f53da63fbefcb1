"""The tracker: `init` and `update` read like section 3.1 of the SiamFC paper (arXiv 1606.09549)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch

from siamtrack.boxes import Box, check_box, clip_box, from_center
from siamtrack.frames import as_bgr
from siamtrack.tracking.box_locator import BoxLocator
from siamtrack.tracking.crop import Image, context_side, mean_color
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.locator import Locator, Sighting, View
from siamtrack.tracking.scale_locator import ScaleLocator
from siamtrack.tracking.settings import TrackerConfig

MIN_TRACKED_PX = 2.0
"""Shortest side that a tracked box may shrink to, frame pixels."""


class State(str, Enum):
    """What the tracker knows of its target."""

    TRACKING = "TRACKING"
    UNCERTAIN = "UNCERTAIN"
    LOST = "LOST"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class TrackResult:
    """What one frame gave.

    Attributes:
        box: `(x, y, w, h)`, 0-based float, within the frame.
        score: 0..1, the estimated probability that the box overlaps the target by more than one half; the box
            given to `init` scores 1.
        state: TRACKING, UNCERTAIN or LOST, by the score.
    """

    box: Box
    score: float
    state: State


class Tracker:
    """Follows one target from the box it is given.

    Use `siamtrack.load` to get one with weights.

    Args:
        engine: runs the network.
        config: the tracker's constants.

    Example:
        >>> tracker = siamtrack.load("siamfc-box")                  # doctest: +SKIP
        >>> tracker.init(first_frame, (120, 80, 64, 48))            # doctest: +SKIP
        >>> tracker.update(next_frame).box                          # doctest: +SKIP
        Box(x=122.4, y=80.9, w=64.3, h=48.2)
    """

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        self.engine = engine
        self.config = config
        self._locator: Locator = (BoxLocator if config.scale_search == "box" else ScaleLocator)(engine, config)
        self._learned = False

    def init(self, frame: Any, box: Iterable[float]) -> TrackResult:
        """Learn the target from the first frame. May be called again at any time, for a new target or video.

        Args:
            frame: (H, W, 3) BGR uint8; gray, BGRA and 16-bit frames are converted (`siamtrack.frames`).
            box: `(x, y, w, h)` of the target, 0-based pixels; the part inside the frame is used.

        Returns:
            The box as it is used, with score 1.

        Raises:
            ValueError: a frame or box that cannot be used; the message says why.
        """
        image = as_bgr(frame)
        self._frame_wh = (image.shape[1], image.shape[0])
        target = check_box(box, self._frame_wh)
        self._center_xy, self._size_wh = target.center_xy, target.size_wh
        self._fill = mean_color(image)

        side = self._search_side()
        self._side_limits = (side * self.config.search_side_min, side * self.config.search_side_max)
        self._locator.learn(self._view(image, context_side(self._size_wh)))
        self._learned = True
        return TrackResult(target, 1.0, State.TRACKING)

    @torch.inference_mode()
    def update(self, frame: Any) -> TrackResult:
        """Find the target in the next frame.

        Args:
            frame: as for `init`, and of the same size.

        Raises:
            RuntimeError: `init` was not called.
            ValueError: the frame cannot be used, or its size is not that of the first.
        """
        if not self._learned:
            raise RuntimeError("update() before init(): call init(frame, box) with the first frame and the target's box")
        image = as_bgr(frame)
        if (image.shape[1], image.shape[0]) != self._frame_wh:
            width, height = self._frame_wh
            raise ValueError(
                f"frame is {image.shape[1]}x{image.shape[0]}, the first one was {width}x{height}; "
                "a track needs frames of one size: call init() again after a change"
            )
        sighting = self._locator.find(self._view(image, self._search_side()))
        self._move(sighting)
        self._resize(sighting)
        score = self._score(sighting)
        return TrackResult(self._box(), score, self._state(score))

    def _view(self, image: Image, side: float) -> View:
        return View(image, self._center_xy, self._size_wh, side, self._fill)

    def _search_side(self) -> float:
        """Side of the search region in frame pixels: to the exemplar's square what 255 px are to 127."""
        return context_side(self._size_wh) * self.config.search_size / self.config.exemplar_size

    def _move(self, sighting: Sighting) -> None:
        """The centre goes where the target was seen, but not out of the frame."""
        (x, y), (width, height) = sighting.center_xy, self._frame_wh
        self._center_xy = (min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height)))

    def _resize(self, sighting: Sighting) -> None:
        """Grow or shrink the target, within the limits of the search side (0.2 to 5 times its first value)."""
        (width, height), (wider, higher) = self._size_wh, sighting.growth_wh
        # A side that shrinks to nothing would never grow again: its box head sees no target in it.
        self._size_wh = (max(width * wider, MIN_TRACKED_PX), max(height * higher, MIN_TRACKED_PX))
        low, high = self._side_limits
        side = self._search_side()
        factor = min(max(side, low), high) / side
        self._size_wh = (self._size_wh[0] * factor, self._size_wh[1] * factor)

    def _box(self) -> Box:
        """The target's box, clipped to the frame; never thinner than a pixel or so, even at the very edge."""
        box = clip_box(from_center(self._center_xy, self._size_wh), self._frame_wh)
        width, height = self._frame_wh
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
