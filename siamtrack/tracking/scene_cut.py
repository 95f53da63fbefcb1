"""Camera cuts, frame by frame: where a new shot begins, where the target was last says nothing of where it is.

Two frames are of one shot if they share their colours or their structure: a flash keeps the structure, motion blur
and a turn keep the colours, and a cut keeps neither. Hence the product of the two distances.

The figures are of thumbnails of 203 training sequences: 21,819 natural pairs of frames (consecutive, no cut), 8,000
made cuts from one sequence to another, 4,000 to and from black, and 1,500 flashes (the second frame of a pair dimmed).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.frames import Image

Colors = NDArray[np.float32]

SAMPLES_WH, THUMBNAIL_WH = (64, 36), (32, 18)
"""Pixels that are read out of a frame, and what each four average to. Averaging all of 1280x720 takes 100 times as long."""

REACH_XY = (4, 2)
"""Shift between frames at which structure is still recognised, thumbnail pixels; with (8, 4), 0.9 % of made cuts show a
resemblance too, with this 0.4 %."""

COLOR_BINS = 8
"""Bins by channel. With 4, 2.9 % of made cuts are missed; with 16, natural pairs reach 0.188."""

MAX_GAIN = 2.0
"""Exposure may change by this factor within a shot. Flashes (x 0.5) taken for cuts: 4 % with 1, 1 % with 1.5, none with 2.
Cuts to black missed, those of the darkest scenes: 0.7 % with 2, 2.6 % with 3."""

FLAT_VARIANCE = 0.25
"""Variance at which structure counts half: what rounding makes in three channels. Black has none; the sky may have 5."""

CUT_CHANGE = 0.15
"""Smallest change that is a cut: natural pairs reach 0.111, and 99.6 % of made cuts exceed 0.15."""

CUT_RATIO = 2.5
"""A cut changes that many times more than the frames before it. Of 7,203 pairs, every third frame alone being read, 3
are taken for cuts rather than 9, at the cost of 0.1 % of the made cuts."""

DECAY = 0.9
"""What is left of the recent change a frame later: a jolt is half forgotten after seven frames."""


class _Thumbnail(NamedTuple):
    """What is remembered of a frame."""

    pixels: Image  # (18, 32, 3) BGR uint8
    colors: Colors  # (8, 8, 8), how many pixels have each colour
    mean: float  # of all channels, gray levels
    contrast: float  # 0..1; 0 = all pixels are equal


class SceneCut:
    """Says where a new shot begins. Pure arithmetic on thumbnails; the same frames give the same answers.

    Fades and dissolves are no cuts: no frame of theirs is far from the one before.

    Args:
        image: (H, W, 3) BGR uint8, the first frame; any size, and later frames may differ in it.
    """

    def __init__(self, image: Image) -> None:
        self._last = _thumbnail(image)
        self._recent_change = 0.0

    def is_cut(self, image: Image) -> bool:
        """Whether a new shot begins with this frame: (H, W, 3) BGR uint8. Remembers the frame."""
        before, self._last = self._last, _thumbnail(image)
        change = _change(before, self._last)
        if change > max(CUT_CHANGE, CUT_RATIO * self._recent_change):
            return True
        self._recent_change = max(change, DECAY * self._recent_change)
        return False


def _thumbnail(image: Image) -> _Thumbnail:
    samples = cv2.resize(image, SAMPLES_WH, interpolation=cv2.INTER_NEAREST)
    pixels: Image = cv2.resize(samples, THUMBNAIL_WH, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    mean, deviation = cv2.meanStdDev(pixels)
    variance = cv2.norm(deviation) ** 2
    return _Thumbnail(pixels, _colors(pixels), cv2.mean(mean)[0], math.sqrt(variance / (variance + FLAT_VARIANCE)))


def _colors(pixels: Image) -> Colors:
    return cv2.calcHist([pixels], [0, 1, 2], None, [COLOR_BINS] * 3, [0, 256] * 3)  # type: ignore[return-value]


def _change(before: _Thumbnail, now: _Thumbnail) -> float:
    """0..1: the share of pixels whose colours are new, times how little the structure resembles what it was."""
    recolored = _recolored(before.colors, now.colors)
    if recolored <= CUT_CHANGE / CUT_RATIO:
        return recolored  # neither a cut nor enough to raise the bar for one: 64 % of natural pairs end here
    x, y = REACH_XY
    match = cv2.matchTemplate(before.pixels, now.pixels[y:-y, x:-x], cv2.TM_CCOEFF_NORMED)
    likeness = min(max(cv2.minMaxLoc(match)[1], 0.0), 1.0) * before.contrast * now.contrast
    change = (1 - likeness) * recolored
    if change <= CUT_CHANGE:
        return change  # few frames get further, so the allowance for exposure costs next to nothing
    ratio = (before.mean + 1) / (now.mean + 1)
    return min(change, (1 - likeness) * _recolored(_dimmed(before, 1 / ratio), _dimmed(now, ratio)))


def _recolored(before: Colors, now: Colors) -> float:
    return cv2.norm(before, now, cv2.NORM_L1) / (2 * THUMBNAIL_WH[0] * THUMBNAIL_WH[1])


def _dimmed(thumbnail: _Thumbnail, gain: float) -> Colors:
    """The colours of a frame under a gain below one; the darker of two frames keeps its own."""
    if gain >= 1:
        return thumbnail.colors
    return _colors(cv2.convertScaleAbs(thumbnail.pixels, alpha=max(gain, 1 / MAX_GAIN)))  # type: ignore[arg-type]
