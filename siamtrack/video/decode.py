"""Packets of a video stream in, numbered pictures out; what cannot be decoded leaves a gap in the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import av

from siamtrack.video.source import FrameCounts

_MOST_PENDING = 128
"""Packets that may wait for their picture: threads and reordering hold back some 32."""


@dataclass(frozen=True)
class Decoded:
    """A decoded picture.

    Attributes:
        index: its number, from 0 for the first that can be decoded; a later one that cannot leaves a gap.
        stamp: its time stamp, in units of the stream's time base; None if nothing tells it.
        picture: as the decoder gave it.
    """

    index: int
    stamp: int | None
    picture: av.VideoFrame


@dataclass(slots=True, eq=False)
class _Sent:
    """A packet that the decoder got; suspect is whether a missing picture is a loss."""

    number: int
    stamp: int | None
    suspect: bool


class Decoder:
    """The decoder of one stream.

    Some packets have no picture of their own: the second field of an interlaced one, hidden references, repeats. So a
    packet without a picture counts as lost only where something speaks for it: the decoder complained, or every packet
    of this codec is a picture.

    Args:
        stream: an open video stream; nothing of it was decoded yet.
        counts: counted here.
        threads: pictures are decoded side by side, which is faster. It may lose intact pictures behind one that is
            damaged at the very end; then `incomplete` is True.

    Attributes:
        lost_at_end: packets behind the last picture that could not be decoded; known after the end.
        damaged: pictures that were decoded with errors, with parts of them guessed.
    """

    def __init__(self, stream: av.VideoStream, counts: FrameCounts, threads: bool = True) -> None:
        self.lost_at_end = self.damaged = 0
        self._context, self._counts, self._threads = stream.codec_context, counts, threads
        self._context.thread_type = "AUTO" if threads else "SLICE"  # type: ignore[assignment]
        self._context.copy_opaque = True
        codec = self._context.codec
        self._each_is_a_picture = codec.intra_only or codec.name == "hevc"
        self._pending: dict[int, _Sent] = {}
        self._sent = self._silent = self._next = 0
        self._keyed = False
        self._doubt_until: int | None = None
        self._stamps = _Stamps()

    @property
    def incomplete(self) -> bool:
        """Whether intact pictures may be missing at the end, which a decoder without `threads` gives."""
        return self._threads and bool(self._pending) and not self._silent

    def pictures(self, packets: Iterable[av.Packet[Any]]) -> Iterator[Decoded]:
        """Decode to the end of the packets."""
        for packet in packets:
            if packet.size:  # one without data would end the decoding
                yield from self._decode(packet)
        yield from self._decode(None)
        self.lost_at_end = sum(sent.suspect for sent in self._pending.values())
        self._counts.skipped += self.lost_at_end

    def _decode(self, packet: av.Packet[Any] | None) -> Iterator[Decoded]:
        if packet is not None:
            self._note(packet)
        try:
            pictures = self._context.decode(packet)
        except av.EOFError:
            return
        except av.FFmpegError:
            # With threads the packet that failed is an earlier one.
            for sent in self._pending.values():
                sent.suspect = True
            self._doubt_until = self._sent
            return
        for picture in pictures:
            yield self._number(picture)

    def _note(self, packet: av.Packet[Any]) -> None:
        """Remember a packet, until its picture comes."""
        self._keyed = self._keyed or packet.is_keyframe
        suspect = self._each_is_a_picture or packet.is_corrupt or self._doubt_until is not None
        sent = _Sent(self._sent, packet.dts if packet.pts is None else packet.pts, suspect)
        self._sent += 1
        packet.opaque = sent
        # Before a key frame nothing can be decoded; what an edit list cuts away is decoded and not shown.
        if self._keyed and not packet.is_discard:
            self._pending[sent.number] = sent
            if len(self._pending) > _MOST_PENDING:
                del self._pending[next(iter(self._pending))]

    def _number(self, picture: av.VideoFrame) -> Decoded:
        sent: _Sent | None = picture.opaque  # type: ignore[assignment]
        lost = 0
        if sent is not None:
            self._pending.pop(sent.number, None)
            for earlier in [other for other in self._pending.values() if self._comes_before(other, sent)]:
                del self._pending[earlier.number]
                lost += earlier.suspect
                self._silent += not earlier.suspect
            if self._doubt_until is not None and sent.number >= self._doubt_until:
                self._doubt_until = None
        self._counts.skipped += lost
        self._counts.decoded += 1
        self.damaged += picture.is_corrupt
        index = self._next + lost if self._next else 0
        self._next = index + 1
        return Decoded(index, self._stamps.best(picture.pts, picture.dts), picture)

    def _comes_before(self, one: _Sent, other: _Sent) -> bool:
        if one.stamp is None or other.stamp is None:
            return one.number < other.number - self._context.reorder_depth
        return one.stamp < other.stamp


class _Stamps:
    """The better of a picture's two time stamps: when it is shown, or when its packet was to be decoded.

    Old containers have only one of them right. The one that went backwards less often wins.
    """

    def __init__(self) -> None:
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._faulty_pts = self._faulty_dts = 0

    def best(self, pts: int | None, dts: int | None) -> int | None:
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        return pts if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts) else dts
