"""Decoded pictures as upright BGR frames of 8 bits.

What is written of a picture's colours is followed: matrix, range, bit depth, display matrix. The rest is by rule:

- A matrix that FFmpeg's scaler does not know is replaced by the nearest that it does (YCgCo by BT.601, ICtCp and BT.2020
  with constant luminance by BT.2020), and that is told.
- Pictures of high dynamic range (transfers PQ and HLG) become ones of standard range. Each channel is taken to light,
  where 1 is the white of a page (203 cd/m2 of PQ, three quarters of HLG's signal, as in BT.2408), then to 8 bits by
  `x * (1 + x / 25) / (1 + x)` and a gamma of 2.2; colours of BT.2020 are taken to BT.709 afterwards.
- Transparency is ignored: the colour beneath is seen. Wide gamuts of standard range are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from siamtrack.frames import Image

# Numbers of ISO/IEC 23091-2: matrices, primaries, transfers.
_BT601, _BT2020 = 6, 9
_UNSPECIFIED, _BT2020_PRIMARIES, _PQ, _HLG = 2, 9, 16, 18
_NEAREST = {
    8: _BT601,  # YCgCo
    10: _BT2020,  # BT.2020 with constant luminance
    11: _BT601,  # Y'D'zD'x
    12: _BT2020,  # derived from the primaries
    13: _BT2020,
    14: _BT2020,  # ICtCp
    15: _BT2020,  # IPT-PQ-C2
    16: _BT601,  # reversible YCgCo
    17: _BT601,
}
_BT2020_TO_BT709 = np.array(  # of B, G, R
    [[1.1187297, -0.1005789, -0.0181508], [-0.0083494, 1.1328999, -0.1245505], [-0.0728499, -0.5876411, 1.6604910]]
)


class Converter:
    """Turns pictures into frames.

    Args:
        tell: called once for each thing that a user should know, with one line.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell_user, self._told = tell, set[str]()
        self._scaler = VideoReformatter()
        self._curves: dict[int, NDArray[np.uint8]] = {}

    def frame(self, picture: av.VideoFrame) -> Image:
        """A picture as (H, W, 3) BGR uint8, upright. What describes its colours is changed."""
        transfer, primaries = picture.color_trc, picture.color_primaries
        picture.color_trc = picture.color_primaries = _UNSPECIFIED  # the scaler would refuse those that it does not know
        if transfer in (_PQ, _HLG):
            image = self._standard_range(picture, transfer, primaries)
        else:
            image = self._scaled(picture, "bgr24")
        return np.ascontiguousarray(_upright(image, _turn(picture)))

    def _scaled(self, picture: av.VideoFrame, form: str) -> Any:
        matrix = picture.colorspace
        if matrix in _NEAREST:
            self._tell(f"its colours are coded by a matrix that is not known (number {matrix}); the nearest is taken")
            picture.colorspace = _NEAREST[matrix]
        try:
            return self._convert(picture, form)
        except av.FFmpegError:
            self._tell(f"its colours are described in a way that is not known (matrix {matrix}); BT.601 is taken")
            picture.colorspace = _BT601
            return self._convert(picture, form)

    def _convert(self, picture: av.VideoFrame, form: str) -> Any:
        # Bicubic, with the rounding that OpenCV's reader takes: its frames and these are the same to the bit.
        return self._scaler.reformat(picture, format=form, interpolation=Interpolation.BICUBIC, threads=1).to_ndarray()

    def _standard_range(self, picture: av.VideoFrame, transfer: int, primaries: int) -> Image:
        self._tell("its pictures of high dynamic range are shown in standard range")
        if transfer not in self._curves:
            self._curves[transfer] = _curve(transfer)
        curve, wide = self._curves[transfer], self._scaled(picture, "bgr48le")
        try:
            image = cast(Image, cv2.LUT(wide, curve))
        except cv2.error:  # OpenCV 4 looks up 8 bits only
            image = curve[wide]
        if primaries == _BT2020_PRIMARIES:
            image = cast(Image, cv2.transform(image, _BT2020_TO_BT709))
        return image

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._tell_user(line)


def _curve(transfer: int) -> NDArray[np.uint8]:
    """8-bit values in standard range of the 65536 values of a channel in high dynamic range."""
    signal = np.linspace(0, 1, 1 << 16)
    if transfer == _PQ:
        power = signal ** (1 / 78.84375)
        light = (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125) * 10000 / 203
    else:
        light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        light = (light / light[round(0.75 * 65535)]) ** 1.2
    shown = light * (1 + light / 25) / (1 + light)
    return np.round(255 * np.minimum(shown, 1) ** (1 / 2.2)).astype(np.uint8)


def turns_sideways(picture: av.VideoFrame) -> bool:
    """Whether a picture's width is the height of its frame."""
    return _turn(picture)[0] == 0


def _turn(picture: av.VideoFrame) -> tuple[int, int, int, int]:
    """Which way up a picture is shown: (a, b, c, d), where the point (x, y) goes to (ax + cy, bx + dy).

    The nearest of the eight turns and mirrorings; players do no others either.
    """
    # Not `picture.side_data`, which the picture keeps and which keeps the picture: each would wait for the garbage collector,
    # that counts objects and not their megabytes.
    data: Any = SideDataContainer(picture).get("DISPLAYMATRIX")  # type: ignore[call-arg]
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(float).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1), 0, 0, (-1 if d < 0 else 1)
    return 0, (-1 if b < 0 else 1), (-1 if c < 0 else 1), 0


def _upright(image: Image, matrix: tuple[int, int, int, int]) -> Image:
    a, b, c, d = matrix
    if a == 0:  # the diagonal is the axis of a mirroring: what is left is one along x, y or both
        image, a, d = cast(Image, cv2.transpose(image)), c, b
    if (a, d) == (1, 1):
        return image
    return cast(Image, cv2.flip(image, {(-1, 1): 1, (1, -1): 0, (-1, -1): -1}[a, d]))
