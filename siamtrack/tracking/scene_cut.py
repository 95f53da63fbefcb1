"""Camera cuts, frame by frame: where a new shot begins, where the target was last says nothing of where it is.

Two frames are of one shot if they share their colours or their structure: a flash keeps the structure, motion blur
and a turn keep the colours, and a cut keeps neither. Hence the product of the two distances.

The figures in this file are of thumbnails of 203 training sequences: 21,819 pairs of consecutive frames without a cut,
and 8,000 made cuts from one sequence to another.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.tracking.crop import Image

SAMPLES_WH = (64, 36)
"""Pixels read out of a frame. All of a frame would take some ten times as long as all the rest here."""

THUMBNAIL_WH = (32, 18)
"""Each pixel averages four samples, which halves the noise and softens what falls between the samples."""

REACH_XY = (4, 2)
"""Shift that structure may have, thumbnail pixels: an eighth of the width, a ninth of the height."""

COLOR_BINS = 8
"""Bins by channel. With 4, 3 in 1,000 made cuts change no more colours than 30 natural pairs do; with 8, 1."""

MAX_GAIN = 2.0
"""Exposure may change by this factor within a shot. Half as bright (x 0.5), 4 % of natural pairs look like cuts without
any allowance, 0.6 % with 1.5, none with 2; 3 would cost 2 % of the cuts to and from black, 2 costs 0.2 %."""

FLAT_VARIANCE = 1.0
"""Variance (all channels, squared gray levels) at which structure counts half: rounding alone makes 0.25, black has
none. With 16 the sky is flat too, and dimming it by a half looks like a cut in 6 % of pairs rather than 0.3 %."""

CUT_CHANGE = 0.15
"""Smallest change that is a cut. Natural pairs reach 0.111, and 99.6 % of made cuts exceed 0.15."""

CUT_RATIO = 2.5
"""A cut changes that much more than the frames before it did: of 10 false cuts where only every third frame is read
(7,203 pairs), 3 are left, for 0.1 % of the cuts made there."""

DECAY = 0.9
"""What is left of the usual change a frame later: it halves in seven frames, so one jolt is soon forgotten."""


class _Look(NamedTuple):
    """What is remembered of a frame.

    Attributes:
        pixels: (18, 32, 3) BGR uint8.
        colors: (8, 8, 8) float32, how many pixels have each colour.
        mean: mean of all channels, gray levels.
        contrast: 0..1; 0 = all pixels are equal.
    """

    pixels: Image
    colors: NDArray[np.float32]
    mean: float
    contrast: float


class SceneCut:
    """Says where a new shot begins. Pure arithmetic on thumbnails; the same frames give the same answers.

    Fades and dissolves are no cuts: no frame of theirs is far from the one before.

    Args:
        image: (H, W, 3) BGR uint8, the first frame; any size, and later frames may differ in it.
    """

    def __init__(self, image: Image) -> None:
        self._last = _look(image)
        self._usual = 0.0

    def is_cut(self, image: Image) -> bool:
        """Whether a new shot begins with this frame: (H, W, 3) BGR uint8. Remembers the frame."""
        before, self._last = self._last, _look(image)
        change = _change(before, self._last)
        if change > max(CUT_CHANGE, CUT_RATIO * self._usual):
            return True
        self._usual = max(change, DECAY * self._usual)
        return False


def _look(image: Image) -> _Look:
    samples = cv2.resize(image, SAMPLES_WH, interpolation=cv2.INTER_NEAREST)
    pixels: Image = cv2.resize(samples, THUMBNAIL_WH, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    mean, deviation = cv2.meanStdDev(pixels)
    variance = cv2.norm(deviation) ** 2
    return _Look(pixels, _colors(pixels), cv2.mean(mean)[0], math.sqrt(variance / (variance + FLAT_VARIANCE)))


def _colors(pixels: Image) -> NDArray[np.float32]:
    return cv2.calcHist([pixels], [0, 1, 2], None, [COLOR_BINS] * 3, [0, 256] * 3)  # type: ignore[return-value]


def _change(before: _Look, now: _Look) -> float:
    """0..1: the share of pixels whose colours are new, times how little the structure resembles what it was."""
    x, y = REACH_XY
    match = cv2.matchTemplate(before.pixels, now.pixels[y:-y, x:-x], cv2.TM_CCOEFF_NORMED)
    likeness = min(max(cv2.minMaxLoc(match)[1], 0.0), 1.0) * before.contrast * now.contrast
    change = (1 - likeness) * _recolored(before.colors, now.colors)
    if change <= CUT_CHANGE:
        return change  # few frames get further, so the allowance for exposure costs next to nothing
    ratio = (before.mean + 1) / (now.mean + 1)
    return min(change, (1 - likeness) * _recolored(_dimmed(before, 1 / ratio), _dimmed(now, ratio)))


def _recolored(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    return cv2.norm(before, now, cv2.NORM_L1) / (2 * THUMBNAIL_WH[0] * THUMBNAIL_WH[1])


def _dimmed(look: _Look, gain: float) -> NDArray[np.float32]:
    """The colours of a frame under a gain below one; the darker of two frames keeps its own."""
    if gain >= 1:
        return look.colors
    return _colors(cv2.convertScaleAbs(look.pixels, alpha=max(gain, 1 / MAX_GAIN)))  # type: ignore[arg-type]
