"""Images as a source of frames: many files in order, or one file of many pages.

In a folder or glob every file is one frame; a file that holds several pictures is refused there, and read page by page
when it is all there is. Images carry no times and come at `FOLDER_FPS`; an animation has its own.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import SourceError
from siamtrack.frames import Image, as_bgr, used_bits
from siamtrack.system import open_file, read_file
from siamtrack.video import quiet_opencv
from siamtrack.video.frame_source import FOLDER_FPS, TOLERANCE_S, Frame, Moment, Seconds, Source, asked_for, is_reached
from siamtrack.video.names import printable, source_name
from siamtrack.video.pages import Pages, find_pages

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

MOST_BYTES = 8 * 2**30
"""Bytes of an image file; one of several pages is not read at once."""

_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH

_CHUNK_BYTES = 256 * 2**20
"""Pages are decoded so many bytes at a time: OpenCV goes over all pages before the first that is asked for."""


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
            image = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except (cv2.error, MemoryError) as error:
        raise ValueError(_refusal(error)) from error
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


@dataclass(frozen=True)
class _Decoded:
    """An image as its file has it; the rest as of `Frame`."""

    index: int
    time_s: float
    pixels: NDArray[Any]
    duration_s: float | None = None


class ImageSource(Source):
    """Image files as frames, in natural order (`9.png` before `10.png`), or the pages of one file.

    Images of 16 bits become frames by `DepthRange`, which `notes` tells.

    Args:
        name: as the user gave it. paths: the files.

    Raises:
        FileNotFoundError: the only file is not there.
        SourceError: no files, or the only one cannot be opened.
    """

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        self.name = source_name(name)
        if not paths:
            known = ", ".join(IMAGE_SUFFIXES)
            raise SourceError(f"{self.name} holds no images; known endings: {known}; many videos are for siamtrack batch")
        self._paths = paths
        self._pages: Pages | None = None
        if len(paths) == 1:
            with open_file(paths[0], MOST_BYTES, SourceError) as stream:
                pages = find_pages(stream)
            self._pages = pages if pages.kind else None
        self.fps = FOLDER_FPS
        self.frame_count: int = len(self._pages.numbers if self._pages else paths)
        self._range = DepthRange(lambda: next(self._decoded(0)).pixels)

    @property
    def notes(self) -> list[str]:  # type: ignore[override]
        """What a user should know of how the images were read, up to now."""
        return self._range.notes()

    @property
    def files(self) -> Sequence[Path]:
        """The file of each frame; none if the frames are pages of one file."""
        return () if self._pages else self._paths

    def read(self, start: Moment = 0) -> Iterator[Frame]:
        """Images as frames; see `Source.read`."""
        yield from self._frames(self._decoded(self._place(start)))

    def read_backward(self, start: Moment) -> Iterator[Frame]:
        """See `Source.read_backward`."""
        yield from self._frames(self._decoded_backward(self._place(start)))

    def _place(self, start: Moment) -> int:
        """The image at a moment, or the first behind it."""
        if not isinstance(start, Seconds):
            place = start
        elif self._pages is None or self._pages.kind != "webp":
            place = math.ceil((start - TOLERANCE_S) * self.fps)
        else:  # only a film has times of its own
            pages = self._decoded(0)
            place = next((page.index for page in pages if is_reached(start, page.index, page.time_s)), self.frame_count)
        if place >= self.frame_count:
            raise SourceError(f"{self.name} holds {self.frame_count} images; {asked_for(start)}")
        return max(0, place)

    def _frames(self, images: Iterator[_Decoded]) -> Iterator[Frame]:
        for page in images:
            try:
                frame = Frame(page.index, page.time_s, self._range.frame(page.pixels), duration_s=page.duration_s)
            except SourceError:  # of the first image, which says the range
                raise
            except ValueError as error:
                raise SourceError(
                    f"image {page.index} of {self.name} cannot be used ({error}); save it with 8 or 16 bits"
                ) from error
            self.counts.decoded += 1
            yield frame

    def _decoded(self, start: int) -> Iterator[_Decoded]:
        """Images from `start` on."""
        if self._pages is not None:
            yield from _read_pages(self._paths[0], self._pages, start)
            return
        for index, path in enumerate(self._paths[start:], start):
            yield _Decoded(index, index / self.fps, _read_image(path))

    def _decoded_backward(self, start: int) -> Iterator[_Decoded]:
        """Images from `start` back to the first."""
        if self._pages is not None:
            yield from _read_pages_backward(self._paths[0], self._pages, start)
            return
        for index in range(start, -1, -1):
            yield _Decoded(index, index / self.fps, _read_image(self._paths[index]))


def _read_image(path: Path) -> NDArray[Any]:
    try:
        data = read_file(path, MOST_BYTES, SourceError)
    except FileNotFoundError as error:  # a link to what is not there, or removed since
        raise SourceError(f"{error}; the frames before it are done") from error
    count = len(find_pages(io.BytesIO(data)).numbers)
    if count > 1:
        raise SourceError(f"{printable(str(path))} holds {count} pictures; among others an image is one frame: give it alone")
    try:
        return decode_image(data)
    except ValueError as error:
        raise SourceError(f"{printable(str(path))} cannot be read: it {error}; the frames before it are done") from error


def _read_pages(path: Path, pages: Pages, start: int) -> Iterator[_Decoded]:
    """Pages from `start` on; a few at a time, so that memory does not grow with their number."""
    time_s, index, count = 0.0, 0, 1
    if pages.kind == "tiff":
        index, time_s = start, start / FOLDER_FPS
    while index < len(pages.numbers):
        images, durations_s = _decode_pages(path, pages, index, count)
        for image, duration_s in zip(images, durations_s, strict=True):
            if index >= start:
                yield _Decoded(index, time_s, image, duration_s if pages.kind == "webp" else None)
            time_s, index = time_s + duration_s, index + 1
        count = max(1, _CHUNK_BYTES // images[0].nbytes)
    if not pages.whole:
        raise SourceError(f"{printable(str(path))} breaks off after {index} pages; the file is cut or damaged")


def _read_pages_backward(path: Path, pages: Pages, start: int) -> Iterator[_Decoded]:
    """Pages from `start` back to the first, a few at a time."""
    places: list[tuple[float, float | None]] = []
    count = 1
    for page in _read_pages(path, pages, 0):  # how long each is shown is known once it is decoded
        places.append((page.time_s, page.duration_s))
        count = max(1, _CHUNK_BYTES // page.pixels.nbytes)
        if page.index == start:
            break
    for end in range(start + 1, 0, -count):
        first = max(0, end - count)
        images, _ = _decode_pages(path, pages, first, end - first)
        for index in range(end - 1, first - 1, -1):
            yield _Decoded(index, places[index][0], images[index - first], places[index][1])


def _decode_pages(path: Path, pages: Pages, index: int, count: int) -> tuple[Sequence[NDArray[Any]], list[float]]:
    """At most so many pages from one on, and how long each is shown, in seconds."""
    name = printable(str(path))
    first = pages.numbers[index]
    wanted = pages.numbers[index : index + count]
    try:
        # Given the bytes, OpenCV would need all of them in memory. A name that is not UTF-8 ends the process.
        with open_file(path, MOST_BYTES, SourceError) as stream, quiet_opencv():
            place = str(path.absolute()) if name == str(path) else f"/dev/fd/{stream.fileno()}"
            if pages.kind == "tiff":
                whole, found = cv2.imreadmulti(place, first, wanted[-1] - first + 1, flags=_FLAGS)
                images = [found[number - first] for number in wanted if number - first < len(found)]
                durations_s = [1 / FOLDER_FPS] * len(images)
            else:
                whole, animation = cv2.imreadanimation(place, first, len(wanted))
                images = list(animation.frames)
                # Browsers, too, show a frame that is said to last for no time.
                durations_s = [max(1, int(milliseconds)) / 1000 for milliseconds in animation.durations]
    except (cv2.error, MemoryError) as error:
        raise SourceError(f"page {index} of {name} {_refusal(error)}; the pages before it are done") from error
    if not whole or len(images) < min(len(wanted), 1):
        raise SourceError(f"page {index} of {name} cannot be decoded; the file is cut or damaged, the pages before it are done")
    return images, durations_s[: len(images)]


def _unsigned(image: NDArray[Any]) -> NDArray[Any]:
    """16 bits with a sign are as good as those without where no value is negative."""
    return image.view(np.uint16) if image.dtype == np.int16 and image.min() >= 0 else image


def _refusal(error: Exception) -> str:
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
