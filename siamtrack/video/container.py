"""What a container says of a video: its rate, about how many frames, and its end, which a file that was cut does not reach.

Decoders read a cut file to its end and call it whole. Fewer frames than counted prove nothing: a phone that trims a video
without re-encoding leaves all frames in the file, and an edit list that skips those before the cut.
"""

from __future__ import annotations

import math
import re
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import av

from siamtrack.video.frame_source import FOLDER_FPS
from siamtrack.video.packets import Decoded
from siamtrack.video.pages import find_pages

_TAIL_BYTES, _TAIL_SHARE = 4096, 0.1
"""An index and tags after the last packet are smaller. After a hole, from which no demuxer found back, lies more."""

_MAX_BOXES = 10_000  # a hostile file could hold millions of empty ones
_ASF_HEAD = bytes.fromhex("3026b2758e66cf11")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_MATROSKA_HEAD = b"\x1a\x45\xdf\xa3"
_MATROSKA_SEGMENT = b"\x18\x53\x80\x67"


@dataclass
class Reading:
    """How far a file was read.

    Attributes:
        until: the first byte after its packets.
        stamps: of the last two packets of the video, as they are decoded.
        last: the picture with the highest number.
    """

    until: int = 0
    stamps: deque[int] = field(default_factory=lambda: deque(maxlen=2))
    last: Decoded | None = None

    @property
    def frames(self) -> int:
        """How many there were, those included that could not be decoded."""
        return self.last.index + 1 if self.last else 0


def breaks_off(path: Path, container: Any, stream: av.VideoStream, count: int | None, read: Reading) -> bool:
    """Whether a file that was read to its end promises more: each container says it in a way of its own.

    Args:
        count: of frames, as `frame_count` gave it before anything was read.

    Raises:
        OSError: the file cannot be read.
    """
    if container.format.name in ("gif", "apng"):
        with path.open("rb") as file:
            pages = find_pages(file)
        return not pages.whole or read.frames < len(pages.numbers)
    if count is not None and read.frames == count:
        return False
    # By its own account it ends here: what is cut off holds no frames.
    ended = count is None and _is_at_end(container, stream, read)
    if "mov" in container.format.name:
        return _mov_breaks_off(path, stream, read, ended)
    if ended:
        return False
    size = path.stat().st_size
    if size - read.until > max(_TAIL_BYTES, _TAIL_SHARE * size):
        return True
    if container.format.name == "avi" and read.stamps and stream.frames:
        return _avi_breaks_off(stream, read)
    return is_cut(path)


def is_whole(container: Any, count: int | None, read: Reading) -> bool:
    """Whether all frames that a container counts were given: what comes after them may be anything.

    A fragmented MP4 does not count those of its fragments, and those of a GIF are counted as they are found.
    """
    return count is not None and read.frames >= count and not {"mov", "gif"} & set(container.format.name.split(","))


def _is_at_end(container: Any, stream: av.VideoStream, read: Reading) -> bool:
    """Whether the last frame lies where the container says that it ends."""
    if read.last is None or container.duration is None:
        return False
    return bool(read.last.time_s + 2 / frame_rate(stream) >= 0.98 * container.duration / av.time_base)


def _mov_breaks_off(path: Path, stream: av.VideoStream, read: Reading, ended: bool) -> bool:
    """MP4 and MOV: count and length of a fragmented one are those of the fragments that were found."""
    if has_fragment(path, read.until):
        return True
    size = path.stat().st_size
    # The index names every frame's bytes; an edit list may leave some out.
    return not ended and (is_cut(path) or any(entry.pos + entry.size > size for entry in stream.index_entries))


def _avi_breaks_off(stream: av.VideoStream, read: Reading) -> bool:
    """AVI: by its last stamps, for frames that are repeated have some, too, and no picture."""
    step = max(1, read.stamps[-1] - read.stamps[0])
    return read.stamps[-1] + 3 * step < 0.98 * stream.frames


def is_cut(path: str | Path) -> bool:
    """Whether a file is shorter than it says at its head: an MP4, MOV, AVI, Matroska, WebM, WMV or ASF; others say nothing.

    Raises:
        OSError: the file cannot be read.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as stream:
        head = stream.read(4096)
        if head[:4] == b"RIFF" and len(head) >= 12:
            return 8 + int(struct.unpack("<I", head[4:8])[0]) > size
        if head[:4] == _MATROSKA_HEAD:
            return _matroska_end(head) > size
        if head[:8] == _ASF_HEAD:
            at = head.find(_ASF_PROPERTIES) + 40
            return at >= 40 and len(head) >= at + 8 and int(struct.unpack("<Q", head[at : at + 8])[0]) > size
        if head[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return False
        return any(end > size for end in _box_ends(stream, size))


def whole_boxes(path: str | Path) -> int:
    """Up to which byte an MP4 or MOV file consists of whole boxes: in front of the one in which it was cut."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as stream:
        if stream.read(8)[4:] != b"ftyp":
            return 0
        return max((end for end in _box_ends(stream, size) if end <= size), default=0)


def has_fragment(path: str | Path, begin: int) -> bool:
    """Whether a fragment of an MP4 begins after a byte, as after a hole."""
    with Path(path).open("rb") as stream:
        stream.seek(begin)
        before = b""
        while block := stream.read(2**20):
            if b"moof" in before + block:
                return True
            before = block[-3:]
    return False


def _box_ends(stream: BinaryIO, size: int) -> Iterator[int]:
    """The first byte after each top-level box of an ISO 14496-12 file."""
    begin = 0
    for _ in range(_MAX_BOXES):
        stream.seek(begin)
        head = stream.read(16)
        if begin + 8 > size or len(head) < 8:
            return
        length = int(struct.unpack(">I", head[:4])[0])
        if length == 1 and len(head) == 16:  # a 64-bit length follows
            length = int(struct.unpack(">Q", head[8:])[0])
        elif length == 0:  # up to the end of the file
            return
        if length < 8:
            return
        begin += length
        yield begin


def _matroska_end(head: bytes) -> int:
    """The first byte after the segment; 0 if that is not said, as in a recording that was not closed."""
    at = head.find(_MATROSKA_SEGMENT) + 4
    if at < 4 or at >= len(head) or not head[at]:
        return 0
    length = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    unknown = value == (1 << 7 * length) - 1
    return 0 if unknown or at + length > len(head) else at + length + value


def frame_rate(stream: av.VideoStream) -> float:
    """Nominal frames per second."""
    average, guessed = stream.average_rate, stream.guessed_rate
    # A guess far above the average is the unit of the time stamps, not a rate.
    rate = average if average and (not guessed or guessed > 4 * average) else guessed
    return float(rate) if rate else FOLDER_FPS


def frame_count(container: Any, stream: av.VideoStream) -> int | None:
    """How many frames a stream is said to hold; None if nothing says it."""
    # An AVI counts the units of its stamps, of which a frame may last several.
    share = frame_rate(stream) * float(stream.time_base or 0) if container.format.name == "avi" else 1.0
    return math.ceil(stream.frames * min(share, 1.0) - 0.01) or None


def frames_about(stream: av.VideoStream) -> float:
    """About how many frames a stream holds, to tell a poster from a film; 0 if nothing says it."""
    if stream.frames:
        return stream.frames
    tag = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))  # Matroska's way to say it
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    else:
        seconds = 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3]) if tag else 0.0
    return max(0.0, seconds * frame_rate(stream))  # a damaged length may be negative
