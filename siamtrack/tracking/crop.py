"""The context crop: a float-exact affine warp from frame to network input, and its exact inverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from siamtrack.frames import Image


@dataclass(frozen=True)
class SearchRegion:
    """A square region of the frame, resampled to `size` pixels.

    Attributes:
        center_xy: centre of the region, continuous frame coordinates.
        side: side of the region in frame pixels; any positive float.
        size: side of the crop in pixels.
    """

    center_xy: tuple[float, float]
    side: float
    size: int

    @property
    def scale(self) -> float:
        """Frame pixels per crop pixel."""
        return self.side / self.size

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        """Frame coordinates of a point of the crop, both continuous."""
        half = self.size / 2
        return self.center_xy[0] + (x - half) * self.scale, self.center_xy[1] + (y - half) * self.scale

    def to_crop(self, x: float, y: float) -> tuple[float, float]:
        """Crop coordinates of a point of the frame, both continuous; the inverse of `to_frame`."""
        half = self.size / 2
        return (x - self.center_xy[0]) / self.scale + half, (y - self.center_xy[1]) / self.scale + half

    def extract(self, frame: Image, pad_color: Sequence[float]) -> Image:
        """Resample the region out of a frame (H, W, 3) into (size, size, 3), BGR uint8; outside the frame is `pad_color`."""
        image, corner_xy, factor = frame, (0, 0), max(1, int(self.scale))
        if factor > 1:
            image, corner_xy = self._reduced(frame, factor)
        # OpenCV counts from the centre of a pixel, the boxes of this package from its corner: hence the halves.
        x, y = self.to_frame(0.5, 0.5)
        x, y = (x - corner_xy[0]) / factor - 0.5, (y - corner_xy[1]) / factor - 0.5
        step = self.scale / factor
        return cv2.warpAffine(  # type: ignore[return-value]
            image,
            np.array([[step, 0, x], [0, step, y]], dtype=np.float64),
            (self.size, self.size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=tuple(float(value) for value in pad_color),
        )

    def _reduced(self, frame: Image, factor: int) -> tuple[Image, tuple[int, int]]:
        """The part of the frame that the region sees, averaged over blocks of `factor` pixels, and its corner.

        A bilinear warp reads four pixels however many lie under one of its own: large targets would come out
        as noise that differs from frame to frame. Whole blocks keep the geometry exact; what is left over at the
        right and lower edge of the frame is less than a pixel of the crop.
        """
        (left, top), (right, bottom) = self.to_frame(0, 0), self.to_frame(self.size, self.size)
        height, width = frame.shape[:2]
        x, y = (min(max(math.floor(value) - factor, 0), limit - 1) for value, limit in ((left, width), (top, height)))
        columns = (min(math.ceil(right) + factor, width) - x) // factor
        rows = (min(math.ceil(bottom) + factor, height) - y) // factor
        if columns < 1 or rows < 1:
            return frame[:1, :1], (-factor * 10**6, 0)  # the region lies outside the frame: pad colour alone
        seen = frame[y : y + rows * factor, x : x + columns * factor]
        return cv2.resize(seen, (columns, rows), interpolation=cv2.INTER_AREA), (x, y)  # type: ignore[return-value]


def context_side(size_wh: Sequence[float]) -> float:
    """Side of the exemplar's square in frame pixels: the box with a margin of half its mean side, `p = (w + h) / 2`.

    Source: arXiv 1606.09549, equation 7: `(w + p)(h + p)` is the area of the square.
    """
    w, h = size_wh
    context = (w + h) / 2
    return math.sqrt((w + context) * (h + context))


def mean_color(frame: Image) -> tuple[float, float, float]:
    """Mean colour of a frame by channel. `cv2.mean` takes a hundredth of `np.mean`'s time on a large frame."""
    blue, green, red, _ = cv2.mean(frame)
    return blue, green, red
