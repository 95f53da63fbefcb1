"""Image files that hold several pictures: the pages of a TIFF stack, the frames of an animation."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO, Literal, NamedTuple

MOST_PAGES = 1_000_000

_TIFF = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
_SUBFILE = 254
_COPY_OR_MASK = 1 | 4
"""Bits of TIFF's tag `_SUBFILE`: the page is a smaller copy of another one, or a mask."""


class Pages(NamedTuple):
    """What an image file holds.

    Attributes:
        kind: `tiff`, `webp`, `apng` or `gif`; empty for a file of one picture.
        numbers: of the pages that are pictures of their own; smaller copies and masks of others are left out.
        whole: False if the directory names more pages behind them, which are not there, or a GIF lacks its end.
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
        count = sum(name == b"ANMF" for name in _webp_chunks(stream))
        if count > 1:
            return Pages("webp", range(count))
    elif head[:8] == b"\x89PNG\r\n\x1a\n":
        count = _apng_frames(stream)
        if count > 1:
            return Pages("apng", range(count))
    elif head[:6] in (b"GIF87a", b"GIF89a") and len(head) > 10:
        count, whole = _gif_frames(stream, head)
        if count > 1 or not whole:
            return Pages("gif", range(count), whole)
    return Pages("", range(1))


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


def _webp_chunks(stream: BinaryIO) -> list[bytes]:
    names: list[bytes] = []
    stream.seek(12)
    while len(header := stream.read(8)) == 8 and len(names) < MOST_PAGES:
        name, size = struct.unpack("<4sI", header)
        names.append(name)
        stream.seek(size + size % 2, 1)
    return names


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
    return count, kind != b"" or count == MOST_PAGES  # some other byte stands at its end


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** (flags % 8 + 1) if flags & 128 else 0
