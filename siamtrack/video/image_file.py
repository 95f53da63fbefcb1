"""One image file: decoded, refused if it is cut off, and what its 16 bits mean."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.frames import Image, as_bgr, used_bits
from siamtrack.video import quiet_opencv

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

MOST_BYTES = 8 * 2**30
"""Bytes of an image file; one of several pages is not read at once."""

DECODING = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
"""How OpenCV decodes: to BGR, of the depth that the file has."""


@dataclass(frozen=True)
class DecodedImage:
    """An image as its file has it; the rest as of `Frame`."""

    index: int
    time_s: float
    pixels: NDArray[Any]
    duration_s: float | None = None


def is_image_name(name: str) -> bool:
    """Whether a file is an image by its name.

    Hidden files are none: macOS leaves `._1.jpg` beside `1.jpg` on foreign disks.
    """
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def decode_image(data: bytes) -> NDArray[Any]:
    """Decode an image file's bytes.

    Returns:
        (H, W, 3) BGR, upright as its EXIF says, of the type that the file has; `DepthRange` makes it a frame.

    Raises:
        ValueError: it cannot be decoded, or not to its end; the text goes on behind the image's name.
    """
    # Of these OpenCV would decode a part, or libraries would say their own words on stderr.
    if not data or _is_cut_jpeg(data) or _is_cut_png(data):
        raise ValueError(f"is cut off after {len(data)} bytes, or damaged; get the file again")
    try:
        with quiet_opencv():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), DECODING)
    except (cv2.error, MemoryError) as error:
        raise ValueError(refusal(error)) from error
    if image is None:
        raise ValueError("cannot be decoded as an image")
    return image


class DepthRange:
    """How a sequence's images become frames: of 16 bits as many count as the first image uses (`frames.used_bits`).

    It is the first image of the sequence wherever reading starts, so a frame looks the same in every run. A later image
    that is brighter is clipped, and counted.

    Args:
        first: decodes the first image; called if there is one of 16 bits.

    Attributes:
        bits: that are used; None until an image of 16 bits came.
        clipped: images so far that were brighter.
    """

    def __init__(self, first: Callable[[], NDArray[Any]]) -> None:
        self._first = first
        self.bits: int | None = None
        self.clipped = 0

    def frame(self, image: NDArray[Any]) -> Image:
        """A decoded image as a frame.

        Raises:
            ValueError: it has neither 8 nor 16 bits.
        """
        image = _unsigned(image)
        if image.dtype != np.uint16:
            return as_bgr(image)
        if self.bits is None:
            first = _unsigned(self._first())
            self.bits = used_bits(first) if first.dtype == np.uint16 else 16
        self.clipped += self.bits < 16 and used_bits(image) > self.bits
        return as_bgr(image, self.bits)

    def notes(self) -> list[str]:
        """What a user should know of it."""
        if self.bits is None or self.bits == 16:
            return []
        told = [f"the first image uses {self.bits} of 16 bits, so 0 to {(1 << self.bits) - 1} is taken for black to white"]
        more = f"{self.clipped} images are brighter than the first image's range, and were clipped"
        return [*told, more] if self.clipped else told


def _unsigned(image: NDArray[Any]) -> NDArray[Any]:
    """16 bits with a sign are as good as those without where no value is negative."""
    return image.view(np.uint16) if image.dtype == np.int16 and image.min() >= 0 else image


def refusal(error: Exception) -> str:
    """What follows the name of an image that OpenCV does not decode."""
    if "CV_IO_MAX" in str(error):
        return "is larger than OpenCV takes (2^30 pixels, 2^20 a side); save it smaller, or cut it into parts"
    return f"cannot be decoded as an image ({getattr(error, 'err', '') or 'out of memory'})"


def _is_cut_jpeg(data: bytes) -> bool:
    """Whether a JPEG has no end marker behind its first scan: OpenCV may fill what is missing with grey, and say nothing.

    The header is stepped over segment by segment: a thumbnail in it has an end marker of its own.
    """
    if data[:2] != b"\xff\xd8":
        return False
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.rfind(b"\xff\xd9", at) < 0


def _is_cut_png(data: bytes) -> bool:
    """Whether a PNG lacks its end, or a chunk that is needed has a wrong checksum."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return False
    view, at = memoryview(data), 8
    while at + 12 <= len(data):
        size, name = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        end = at + 8 + size
        needed = not name[0] & 0x20  # others may be wrong: they are passed over
        if end + 4 > len(data) or (needed and zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big")):
            return True
        if name == b"IEND":
            return False
        at = end + 4
    return True
