"""What a video file's own container says of its length: the only way to tell a cut file from a trimmed one.

A phone that trims a video without re-encoding leaves all frames in the file and adds an edit list; decoders then
skip the frames before the cut. OpenCV's frame count still counts them, so fewer frames than counted is no proof
of damage. The container's duration, and boxes that reach behind the end of the file, are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MAX_BOXES = 10_000  # a hostile file could hold millions of empty ones


@dataclass(frozen=True)
class Container:
    """What is declared.

    Attributes:
        cut: the file ends before its last top-level part does.
        duration_s: declared duration; None if unknown.
    """

    cut: bool
    duration_s: float | None


def inspect(path: str | Path) -> Container:
    """Look into an MP4 or MOV (ISO 14496-12) or AVI file; of others nothing is known.

    Raises:
        OSError: the file cannot be read.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as stream:
        head = stream.read(12)
        if head[:4] == b"RIFF" and len(head) == 12:
            return Container(8 + struct.unpack("<I", head[4:8])[0] > size, None)
        if head[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return Container(False, None)
        cut, duration_s = False, None
        for kind, begin, end in _boxes(stream, 0, size):
            cut = cut or end > size
            if kind == b"moov":
                duration_s = next(
                    (_duration(stream, at) for name, at, _ in _boxes(stream, begin, end) if name == b"mvhd"), None
                )
        return Container(cut, duration_s)


def _boxes(stream: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, first byte of the content, and first byte behind it, of each box between two offsets."""
    for _ in range(_MAX_BOXES):
        stream.seek(begin)
        head = stream.read(16)
        if begin + 8 > end or len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        content = begin + 8
        if length == 1 and len(head) == 16:  # a 64-bit length follows
            length, content = struct.unpack(">Q", head[8:])[0], begin + 16
        elif length == 0:  # up to the end of the file
            length = end - begin
        if length < content - begin:
            return
        yield kind, content, begin + length
        begin += length


def _duration(stream: BinaryIO, begin: int) -> float | None:
    stream.seek(begin)
    data = stream.read(32)
    try:
        if data[0] == 1:  # 64-bit times
            scale, duration = struct.unpack(">IQ", data[20:32])
        else:
            scale, duration = struct.unpack(">II", data[12:20])
    except (IndexError, struct.error):
        return None
    return duration / scale if scale else None
