"""The tracker: `init` and `update` read like section 3.1 of the SiamFC paper (arXiv 1606.09549)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import torch

from siamtrack.boxes import Box, check_box, clip_box, from_center
from siamtrack.frames import as_bgr
from siamtrack.model.backbone import STRIDE
from siamtrack.tracking.crop import CropWindow, Image, context_side, mean_color
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.peak import Peak, find_peak, hann_window
from siamtrack.tracking.settings import TrackerConfig


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
        >>> tracker = siamtrack.load("siamfc")                      # doctest: +SKIP
        >>> tracker.init(first_frame, (120, 80, 64, 48))            # doctest: +SKIP
        >>> tracker.update(next_frame).box                          # doctest: +SKIP
        Box(x=122.4, y=80.9, w=64.3, h=48.2)
    """

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        self.engine = engine
        self.config = config
        self._window = hann_window((config.search_size - config.exemplar_size) // STRIDE + 1)
        self._scales, self._penalties = config.scales, config.penalties
        self._exemplar: torch.Tensor | None = None

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

        # The search region is to the exemplar what 255 px are to 127, and stays within 0.2 to 5 times its first side.
        exemplar_side = context_side(self._size_wh)
        self._search_side = exemplar_side * self.config.search_size / self.config.exemplar_size
        self._side_limits = (
            self._search_side * self.config.search_side_min,
            self._search_side * self.config.search_side_max,
        )
        self._exemplar = self._embed_exemplar(image, exemplar_side)
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
        if self._exemplar is None:
            raise RuntimeError("update() before init(): call init(frame, box) with the first frame and the target's box")
        image = as_bgr(frame)
        if (image.shape[1], image.shape[0]) != self._frame_wh:
            width, height = self._frame_wh
            raise ValueError(
                f"frame is {image.shape[1]}x{image.shape[0]}, the first one was {width}x{height}; "
                "a track needs frames of one size: call init() again after a change"
            )
        # Where is the target, and how large? The response says both.
        response = self._respond(self._exemplar, image)
        peak = find_peak(response, self._penalties, self._window, self.config.window_influence)
        self._move(peak)
        self._resize(peak)
        score = self._score(peak)
        return TrackResult(self._box(), score, self._state(score))

    def _embed_exemplar(self, image: Image, side: float) -> torch.Tensor:
        """Exemplar embeddings (1, K, C, 6, 6): one a scale, or one alone in the paper's form."""
        # A target grown by s looks like the exemplar cut s times tighter.
        scales = self._scales if self.config.scale_search == "exemplar" else np.ones(1)
        crops = [
            CropWindow(self._center_xy, side / scale, self.config.exemplar_size).extract(image, self._fill) for scale in scales
        ]
        with torch.inference_mode():
            embedding = self.engine.embed(crops)
            # Equal norms: else the busiest crop, not the best match, would win the scale search.
            norm = embedding.flatten(1).norm(dim=1)[:, None, None, None]
            return (embedding * (norm[len(scales) // 2] / norm.clamp(min=1e-12)))[None]

    def _respond(self, exemplar: torch.Tensor, image: Image) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Response maps (K, n, n), one a scale."""
        if self.config.scale_search == "exemplar":
            search = self.engine.embed([self._search_window(1.0).extract(image, self._fill)])
            return self.engine.match(exemplar, search)[0]
        crops = [self._search_window(scale).extract(image, self._fill) for scale in self._scales]
        search = self.engine.embed(crops)
        return self.engine.match(exemplar.expand(len(crops), -1, -1, -1, -1), search)[:, 0]

    def _search_window(self, scale: float) -> CropWindow:
        return CropWindow(self._center_xy, self._search_side * scale, self.config.search_size)

    def _move(self, peak: Peak) -> None:
        """Shift the centre by the peak's displacement: cells to crop pixels to frame pixels; it stays in the frame."""
        scale = self._scales[peak.scale] if self.config.scale_search == "search" else 1.0
        window = self._search_window(scale)
        middle = window.size / 2
        x, y = window.to_frame(middle + peak.dx * STRIDE, middle + peak.dy * STRIDE)
        width, height = self._frame_wh
        self._center_xy = (min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height)))

    def _resize(self, peak: Peak) -> None:
        """Grow or shrink target and search region together, damped, within the limits of the search side."""
        damping = self.config.scale_damping
        factor = (1 - damping) + damping * float(self._scales[peak.scale])
        low, high = self._side_limits
        side = min(max(self._search_side * factor, low), high)
        factor = side / self._search_side
        self._search_side = side
        self._size_wh = (self._size_wh[0] * factor, self._size_wh[1] * factor)

    def _box(self) -> Box:
        """The target's box, clipped to the frame; never thinner than a pixel or so, even at the very edge."""
        box = clip_box(from_center(self._center_xy, self._size_wh), self._frame_wh)
        width, height = self._frame_wh
        w, h = max(box.w, min(1.0, width)), max(box.h, min(1.0, height))
        return Box(min(box.x, width - w), min(box.y, height - h), w, h)

    def _score(self, peak: Peak) -> float:
        """Probability that the box overlaps the target by more than one half, as far as the response can tell."""
        logit = self.config.score_slope * peak.value + self.config.score_offset
        return 1 / (1 + math.exp(-min(max(logit, -50.0), 50.0)))

    def _state(self, score: float) -> State:
        if score >= self.config.tracking_score:
            return State.TRACKING
        return State.UNCERTAIN if score >= self.config.lost_score else State.LOST
