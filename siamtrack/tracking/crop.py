"""The context crop: one float-exact affine warp from frame to network input, and its exact inverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class CropWindow:
    """A square window of the frame, resampled to `size` pixels.

    Attributes:
        center_xy: centre of the window, continuous frame coordinates.
        side: side of the window in frame pixels; any positive float.
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

    def extract(self, frame: Image, fill: Sequence[float]) -> Image:
        """Resample the window out of a frame.

        Args:
            frame: (H, W, 3) BGR uint8.
            fill: the colour of whatever lies outside the frame, by channel.

        Returns:
            (size, size, 3) BGR uint8.
        """
        # OpenCV counts from the centre of a pixel, the boxes of this package from its corner: hence the halves.
        x, y = self.to_frame(0.5, 0.5)
        crop_to_frame = np.array([[self.scale, 0, x - 0.5], [0, self.scale, y - 0.5]], dtype=np.float64)
        return cv2.warpAffine(  # type: ignore[return-value]
            frame,
            crop_to_frame,
            (self.size, self.size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=tuple(float(value) for value in fill),
        )


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
