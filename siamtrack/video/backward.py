"""Pictures of a video from one back to the first, in memory that does not grow with their number.

A decoder only goes forward, from one key frame on. So the pictures are decoded in chunks: the last ones that fit
`KEEP_BYTES`, then those before, decoded again from a key frame before them. The first pass goes from the beginning of the
video, as reading forward does, for only that tells which number a picture has; it notes a checksum of every picture. A
picture that is decoded again and differs was decoded from the wrong key frame, or its container cannot seek: then its chunk
is decoded from the beginning.
"""

from __future__ import annotations

import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import av
import numpy as np

from siamtrack.errors import SourceError
from siamtrack.video.frame_source import Moment, is_reached
from siamtrack.video.packets import Decoded, deinterlaced

KEEP_BYTES = 256 * 2**20
"""Bytes of the pictures that wait: 80 at 1080p, as the decoder gives them."""

CONTEXT = 2
"""Pictures before one that deinterlacing it takes; after it takes one."""

Decode = Callable[[int | None], Iterator[Decoded]]
"""Decodes from the key frame of a time stamp on, or, without one, from the beginning. Only stamps and pictures count."""


def pictures_backward(forward: Iterator[Decoded], again: Decode, start: Moment) -> Iterator[Decoded]:
    """Pictures from the first that is at or after a moment, back to the very first; those of interlaced frames whole.

    Args:
        forward: all pictures, from the beginning. again: decodes some once more.
        start: the moment.

    Yields:
        The same pictures as `deinterlaced(forward)`; none if the video ends before the moment.
    """
    notes = _Notes()
    chunk = _Chunk()
    newest = -1
    for one in forward:
        notes.add(one)
        chunk.add(len(notes) - 1, one)
        if newest >= 0:
            break  # one more, for deinterlacing
        if is_reached(start, one.index, one.time_s):
            newest = len(notes) - 1
    if newest < 0:
        return
    while True:
        wanted = chunk.whole(newest)
        yield from reversed(wanted)
        newest -= len(wanted)
        if newest < 0:
            return
        chunk = notes.decode_again(again, newest, len(chunk))


class _Chunk:
    """The last pictures that were added, by place, as many as may be kept."""

    def __init__(self) -> None:
        self._bytes = 0
        self._kept: deque[tuple[int, Decoded, int]] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, place: int, one: Decoded) -> None:
        size = sum(plane.buffer_size for plane in one.picture.planes)
        self._kept.append((place, one, size))
        self._bytes += size
        # Fewer could not be deinterlaced.
        while self._bytes > KEEP_BYTES and len(self._kept) > CONTEXT + 2:
            self._bytes -= self._kept.popleft()[2]

    def whole(self, newest: int) -> list[Decoded]:
        """Pictures up to a place that need none before the chunk."""
        places = {one.index: place for place, one, _ in self._kept}
        first = self._kept[0][0]
        interlaced = any(one.picture.interlaced_frame for _, one, _ in self._kept)
        least = first + CONTEXT if interlaced and first else first
        made = deinterlaced(one for _, one, _ in self._kept)
        return [one for one in made if least <= places[one.index] <= newest]


class _Notes:
    """What the first pass noted of each picture, by place: 28 bytes each. Numbers may have gaps, places have none."""

    def __init__(self) -> None:
        self._indices, self._checksums = array("q"), array("I")
        self._times_s, self._durations_s = array("d"), array("d")
        self._keys: dict[int, int] = {}
        """Places of key frames by their time stamps, in order."""

    def __len__(self) -> int:
        return len(self._indices)

    def add(self, one: Decoded) -> None:
        if one.picture.key_frame and one.stamp is not None:
            self._keys.setdefault(one.stamp, len(self))
        self._indices.append(one.index)
        self._checksums.append(_checksum(one.picture))
        self._times_s.append(one.time_s)
        self._durations_s.append(np.nan if one.duration_s is None else one.duration_s)

    def decode_again(self, again: Decode, newest: int, size: int) -> _Chunk:
        """About so many pictures up to a place, and the one after it.

        Raises:
            SourceError: they cannot be decoded any more.
        """
        stamps = [stamp for stamp, place in self._keys.items() if place <= max(0, newest - size)]
        # Where a container seeks badly, it may do so less badly further ahead.
        for stamp in dict.fromkeys([*stamps[-1:], *stamps[-4:-3], None]):
            chunk = _Chunk()
            if self._fill(again(stamp), chunk, newest, seeking=stamp is not None):
                return chunk
        raise SourceError(f"frame {self._indices[newest]} cannot be decoded a second time; does the file change?")

    def _fill(self, pictures: Iterator[Decoded], chunk: _Chunk, newest: int, seeking: bool) -> bool:
        """Add pictures up to one after a place; False if they are not those of the first pass."""
        place = -1
        for one in pictures:
            if place < 0 and seeking:
                place = self._keys.get(one.stamp, -1) if one.stamp is not None else -1
                if place < 0:
                    continue  # before the key frame, and decoded without what it is made of
                if place > max(0, newest - CONTEXT):
                    return False
            else:
                place += 1
            if seeking and (place >= len(self) or _checksum(one.picture) != self._checksums[place]):
                return False
            duration_s = self._durations_s[place]
            told = replace(
                one,
                index=self._indices[place],
                time_s=self._times_s[place],
                duration_s=None if np.isnan(duration_s) else duration_s,
            )
            chunk.add(place, told)
            if place > newest or place == len(self) - 1:
                return True
        return False


def _checksum(picture: av.VideoFrame) -> int:
    """Of every eighth line of the first plane: what was decoded from other pictures differs all over."""
    plane = picture.planes[0]
    lines = np.frombuffer(plane, np.uint8).reshape(-1, abs(plane.line_size))  # type: ignore[call-overload]
    return zlib.crc32(lines[::8, : plane.width].tobytes())
