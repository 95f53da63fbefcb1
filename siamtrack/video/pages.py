"""Image files that hold several pictures: the pages of a TIFF stack, the frames of an animation."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import SourceError
from siamtrack.system import open_file
from siamtrack.video import quiet_opencv
from siamtrack.video.frame_source import FOLDER_FPS
from siamtrack.video.image_file import DECODING, MOST_BYTES, DecodedImage, refusal
from siamtrack.video.names import printable

MOST_PAGES = 1_000_000

_CHUNK_BYTES = 256 * 2**20
"""Pages are decoded so many bytes at a time: OpenCV goes over all pages before the first that is asked for."""

_GIF_TAIL = 4096
"""Bytes behind the last block of a GIF that are looked at: of a whole one few are there, or none."""

_TIFF = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
_SUBFILE = 254
_COPY_OR_MASK = 1 | 4
"""Bits of TIFF's tag `_SUBFILE`: the page is a smaller copy of another one, or a mask."""


class Pages(NamedTuple):
    """What an image file holds.

    Attributes:
        kind: `tiff`, `webp`, `apng` or `gif`; empty for a file of one picture.
        numbers: of the pages that are pictures of their own; smaller copies and masks of others are left out.
        whole: False if the directory names more pages behind them, which are not there, or the file ends within one.
    """

    kind: Literal["tiff", "webp", "apng", "gif", ""]
    numbers: Sequence[int]
    whole: bool = True


def find_pages(stream: BinaryIO) -> Pages:
    """What an image file holds by its directory; no picture is decoded. A damaged directory counts as far as it goes."""
    head = stream.read(32)
    if head[:4] in _TIFF:
        numbers, whole = _tiff_pages(stream, head, _TIFF[head[:4]])
        if numbers and (len(numbers) > 1 or numbers[0] or not whole):
            return Pages("tiff", numbers, whole)
    elif head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and head[20:21] > b"" and head[20] & 2:
        count, end = _webp_frames(stream)
        whole = end >= 8 + int.from_bytes(head[4:8], "little")
        if count > 1 or (count and not whole):
            return Pages("webp", range(count), whole)
    elif head[:8] == b"\x89PNG\r\n\x1a\n":
        count = _apng_frames(stream)
        if count > 1:
            return Pages("apng", range(count))
    elif head[:6] in (b"GIF87a", b"GIF89a") and len(head) > 10:
        count, whole = _gif_frames(stream, head)
        if count > 1 or not whole:
            return Pages("gif", range(count), whole)
    return Pages("", range(1))


def read_pages(path: Path, pages: Pages, start: int) -> Iterator[DecodedImage]:
    """Pages from `start` on; a few at a time, so that memory does not grow with their number."""
    time_s, index, count = 0.0, 0, 1
    if pages.kind == "tiff":
        index, time_s = start, start / FOLDER_FPS
    while index < len(pages.numbers):
        images, durations_s = _decode_pages(path, pages, index, count)
        for image, duration_s in zip(images, durations_s, strict=True):
            if index >= start:
                yield DecodedImage(index, time_s, image, duration_s if pages.kind == "webp" else None)
            time_s, index = time_s + duration_s, index + 1
        count = max(1, _CHUNK_BYTES // images[0].nbytes)
    if not pages.whole:
        raise SourceError(f"{printable(str(path))} breaks off after {index} pages; the file is cut or damaged")


def read_pages_backward(path: Path, pages: Pages, start: int) -> Iterator[DecodedImage]:
    """Pages from `start` back to the first, a few at a time."""
    places: list[tuple[float, float | None]] = []
    count = 1
    for page in read_pages(path, pages, 0):  # how long each is shown is known once it is decoded
        places.append((page.time_s, page.duration_s))
        count = max(1, _CHUNK_BYTES // page.pixels.nbytes)
        if page.index == start:
            break
    for end in range(start + 1, 0, -count):
        first = max(0, end - count)
        images, _ = _decode_pages(path, pages, first, end - first)
        for index in range(end - 1, first - 1, -1):
            yield DecodedImage(index, places[index][0], images[index - first], places[index][1])


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
                whole, found = cv2.imreadmulti(place, first, wanted[-1] - first + 1, flags=DECODING)
                images = [found[number - first] for number in wanted if number - first < len(found)]
                durations_s = [1 / FOLDER_FPS] * len(images)
            else:
                if pages.whole:
                    whole, animation = cv2.imreadanimation(place, first, len(wanted))
                else:
                    whole, animation = cv2.imdecodeanimation(_mended_webp(stream), first, len(wanted))
                images = list(animation.frames)
                # Browsers, too, show a frame that is said to last for no time.
                durations_s = [max(1, int(milliseconds)) / 1000 for milliseconds in animation.durations]
    except (cv2.error, MemoryError) as error:
        raise SourceError(f"page {index} of {name} {refusal(error)}; the pages before it are done") from error
    if not whole or len(images) < min(len(wanted), 1):
        raise SourceError(f"page {index} of {name} cannot be decoded; the file is cut or damaged, the pages before it are done")
    return images, durations_s[: len(images)]


def _mended_webp(stream: BinaryIO) -> NDArray[np.uint8]:
    """An animation that was cut, without the frame in which it ends: as it is OpenCV decodes nothing of it."""
    _, end = _webp_frames(stream)
    data = np.frombuffer(_read_at(stream, 0, end), np.uint8).copy()
    data[4:8] = np.frombuffer(struct.pack("<I", end - 8), np.uint8)
    return data


def _tiff_pages(stream: BinaryIO, head: bytes, order: str) -> tuple[list[int], bool]:
    big = head[2:4] in (b"+\0", b"\0+")
    counts, entry, offsets = (f"{order}{form}" for form in (("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")))
    found: list[int] = []
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(offsets, head, 8 if big else 4)
        while offset and offset not in seen and len(seen) < MOST_PAGES:
            stream.seek(offset)
            (count,) = struct.unpack(counts, stream.read(struct.calcsize(counts)))
            entries = stream.read(min(count, 4096) * struct.calcsize(entry))
            (following,) = struct.unpack(offsets, stream.read(struct.calcsize(offsets)))
            kinds = [
                struct.unpack_from(f"{order}{'H' if form == 3 else 'I'}", value)[0]
                for tag, form, _, value in struct.iter_unpack(entry, entries)
                if tag == _SUBFILE
            ]
            if not any(kind & _COPY_OR_MASK for kind in kinds):
                found.append(len(seen))
            seen.add(offset)
            offset = following
    except (struct.error, OSError, OverflowError, ValueError):
        return found, False
    return found, not offset


def _webp_frames(stream: BinaryIO) -> tuple[int, int]:
    """How many frames are there as a whole, and where the last whole chunk ends."""
    size = stream.seek(0, 2)
    count, end = 0, 12
    while count < MOST_PAGES and len(header := _read_at(stream, end, 8)) == 8:
        following = end + 8 + (length := int.from_bytes(header[4:], "little")) + length % 2
        if following > size:
            break
        count, end = count + (header[:4] == b"ANMF"), following
    return count, end


def _read_at(stream: BinaryIO, place: int, count: int) -> bytes:
    stream.seek(place)
    return stream.read(count)


def _apng_frames(stream: BinaryIO) -> int:
    stream.seek(8)
    while len(header := stream.read(8)) == 8:
        size, name = struct.unpack(">I4s", header)
        if name in (b"acTL", b"IDAT"):
            return int.from_bytes(stream.read(4), "big") if name == b"acTL" else 1
        stream.seek(size + 4, 1)
    return 1


def _gif_frames(stream: BinaryIO, head: bytes) -> tuple[int, bool]:
    count = 0
    stream.seek(13 + _palette_bytes(head[10]))
    while (kind := stream.read(1)) in (b",", b"!") and count < MOST_PAGES:
        if kind == b",":
            count += 1
            place = stream.read(9)
            stream.seek(1 + (_palette_bytes(place[8]) if len(place) == 9 else 0), 1)
        else:
            stream.seek(1, 1)
        while size := stream.read(1):  # blocks, up to an empty one
            if size == b"\0":
                break
            stream.seek(size[0], 1)
    # FFmpeg reads no further at any other byte. The end is a ";"; some programs write zeros in its place, or before it.
    ended = kind == b";" or (kind != b"" and stream.read(_GIF_TAIL).strip(b"\0;") == b"")
    return count, ended or count == MOST_PAGES


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** (flags % 8 + 1) if flags & 128 else 0
