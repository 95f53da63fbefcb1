"""JPEG pictures from clients: checked before they are decoded, because a few bytes can claim gigabytes of pixels."""

from __future__ import annotations

import cv2
import numpy as np

from siamtrack.errors import SiamtrackError
from siamtrack.frames import Image, encoded

MAX_SIDE = 4096
MAX_PIXELS = 12_000_000
"""Largest picture that is decoded: 36 MB of pixels."""

MAX_SCANS = 32
"""Scans of one picture: each goes over all its pixels, so a small file with thousands would keep a core busy for minutes."""

_SAME_SHAPE_PX = 2  # whole pixels of a smaller picture are not quite in proportion

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_HUFFMAN_8_BIT = (0xC0, 0xC1, 0xC2)
_OTHER_FRAMES = (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_BARE = (0x01, *range(0xD0, 0xD8))
_TABLES_AND_NOTES = (0xC4, 0xCC, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE)
"""Segments that may stand before the size. Others are refused: a decoder may skip them otherwise, and read another size."""


class PictureError(SiamtrackError, ValueError):
    """Bytes that are no picture, or none that is accepted here."""


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG, read from its header alone.

    Raises:
        PictureError: no JPEG, one of a kind that cameras and browsers do not make, or one without pixels.
    """
    if data[:2] != bytes((0xFF, _START)):
        raise PictureError(f"the picture is no JPEG ({len(data)} bytes that begin otherwise); send JPEG")
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:  # any number of fill bytes may precede a marker
            at += 1
            continue
        if marker in _BARE:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _OTHER_FRAMES:
            raise PictureError("the picture is a lossless, arithmetic or hierarchical JPEG; send a baseline or progressive one")
        if marker in _HUFFMAN_8_BIT:
            header = data[at + 4 : at + 10]
            if len(header) < 6:
                break
            height, width = int.from_bytes(header[1:3], "big"), int.from_bytes(header[3:5], "big")
            if header[0] != 8 or header[5] not in (1, 3):
                raise PictureError(f"the picture has {header[5]} channels of {header[0]} bits; send 1 or 3 of 8 bits")
            if not width or not height:
                raise PictureError(f"the picture is {width}x{height}; it must have pixels")
            return width, height
        if marker not in _TABLES_AND_NOTES or length < 2:
            break
        at += 2 + length
    raise PictureError("the picture is a JPEG without a size; it is damaged or cut off")


def decode_jpeg(data: bytes, size_wh: tuple[int, int] | None = None) -> Image:
    """Pixels of a JPEG as (H, W, 3) BGR uint8, as stored: a rotation flag is ignored.

    Args:
        data: the JPEG. size_wh: size to which a smaller picture of the same shape is enlarged.

    Raises:
        PictureError: not a whole JPEG, or larger than `MAX_SIDE`, `MAX_PIXELS` or `MAX_SCANS`; it was not decoded then.
    """
    width, height = jpeg_size(data)
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise PictureError(f"the picture is {width}x{height}; send at most {MAX_SIDE} px a side and {MAX_PIXELS} pixels")
    if data[-2:] != bytes((0xFF, _END)):
        raise PictureError(f"the picture of {len(data)} bytes is cut off; send it whole")
    if data.count(bytes((0xFF, _SCAN))) > MAX_SCANS:
        raise PictureError(f"the picture has more than {MAX_SCANS} scans; send a baseline JPEG")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise PictureError("the picture cannot be decoded; it is damaged") from error
    if image is None or image.shape[:2] != (height, width):
        raise PictureError("the picture cannot be decoded; it is damaged")
    if size_wh is not None and width < size_wh[0] and abs(width * size_wh[1] / size_wh[0] - height) < _SAME_SHAPE_PX:
        return cv2.resize(image, size_wh, interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
    return image  # type: ignore[return-value]


def encode_jpeg(image: Image, longest_side: int, quality: int) -> bytes:
    """A JPEG of a frame, made smaller if its longest side is above a limit."""
    height, width = image.shape[:2]
    share = longest_side / max(height, width)
    if share < 1:
        image = cv2.resize(image, (round(width * share), round(height * share)), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return encoded(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, quality)
