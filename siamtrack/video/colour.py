"""Decoded pictures as upright BGR frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from siamtrack.frames import Image

_NEAREST = {
    # ISO/IEC 23091-2 numbers of matrices that the scaler does not know, and the nearest of those that it does.
    8: Colorspace.SMPTE170M,
    10: Colorspace.BT2020,
    11: Colorspace.SMPTE170M,
    12: Colorspace.BT2020,
    13: Colorspace.BT2020,
    14: Colorspace.BT2020,
    15: Colorspace.BT2020,
    16: Colorspace.SMPTE170M,
    17: Colorspace.SMPTE170M,
}


class Converter:
    """Turns pictures into frames.

    Args:
        tell: called once for each thing that a user should know, with one line.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._scaler = VideoReformatter()

    def frame(self, picture: av.VideoFrame) -> Image:
        """A picture as (H, W, 3) BGR uint8."""
        matrix = _NEAREST.get(picture.colorspace)
        # Bicubic, with the rounding that OpenCV's reader takes: its frames and these are the same to the bit.
        bgr = self._scaler.reformat(
            picture,
            format="bgr24",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            interpolation=Interpolation.BICUBIC,
            threads=1,
        )
        return np.ascontiguousarray(_upright(cast(Image, bgr.to_ndarray()), _turn(picture)))


def turns_sideways(picture: av.VideoFrame) -> bool:
    """Whether a picture's width is the height of its frame."""
    return _turn(picture)[0] == 0


def _turn(picture: av.VideoFrame) -> tuple[int, int, int, int]:
    """Which way up a picture is shown: (a, b, c, d), where the point (x, y) goes to (ax + cy, bx + dy).

    The nearest of the eight turns and mirrorings; players do no others either.
    """
    data: Any = picture.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(float).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1), 0, 0, (-1 if d < 0 else 1)
    return 0, (-1 if b < 0 else 1), (-1 if c < 0 else 1), 0


def _upright(image: Image, matrix: tuple[int, int, int, int]) -> Image:
    a, b, c, d = matrix
    if a == 0:  # the diagonal is the axis of a mirroring: what is left is one along x, y or both
        image, a, d = cv2.transpose(image), c, b  # type: ignore[assignment]
    if (a, d) == (1, 1):
        return image
    return cv2.flip(image, {(-1, 1): 1, (1, -1): 0, (-1, -1): -1}[a, d])  # type: ignore[return-value]
