"""Packets of a video stream in, numbered pictures out: what cannot be decoded leaves a gap, interlaced ones are made whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import av
from av.filter import Graph

from siamtrack.video.frame_source import MOST_NAMED, FrameCounts, left_out

_MOST_PENDING = 128
"""Packets that may wait for their picture: threads and reordering hold back some 32."""
_EACH_IS_A_PICTURE = ("hevc", "av1", "vp9", "vp8")
"""Codecs in whose containers every packet has a picture to show, as far as `_is_hidden` does not say otherwise."""
_MOST_REFERENCES = 16


@dataclass(frozen=True)
class Decoded:
    """A decoded picture.

    Attributes:
        index: its number, from 0 for the first that can be decoded; a later one that cannot leaves a gap.
        stamp: its time stamp, in units of the stream's time base; None if nothing tells it.
        time_s: seconds from picture 0: by the stamps, or counted where they are missing or do not grow.
        duration_s: how long it is shown, if the container says it.
        picture: as the decoder gave it.
    """

    index: int
    stamp: int | None
    time_s: float
    duration_s: float | None
    picture: av.VideoFrame


@dataclass(slots=True, eq=False)
class _Sent:
    """A packet that the decoder got; suspect is whether a missing picture is a loss."""

    number: int
    stamp: int | None
    suspect: bool


class PacketDecoder:
    """The decoder of one stream.

    Some packets have no picture of their own: the second field of an interlaced one, hidden references, repeats. So a
    packet without a picture counts as lost only where something speaks for it: the decoder complained, or every packet
    of this codec is a picture.

    Args:
        stream: an open video stream; nothing of it was decoded yet.
        counts: counted here.
        fps: by which pictures without a stamp are counted.
        threads: pictures are decoded side by side, which is faster. It may lose intact pictures after one that is
            damaged at the very end; then `incomplete` is True.

    Attributes:
        lost_at_end: packets after the last picture that could not be decoded; known after the end.
        hidden: packets that an edit list cuts away.
        starved: whether memory or threads were missing: then nothing is said of the packets.
    """

    def __init__(self, stream: av.VideoStream, counts: FrameCounts, fps: float, threads: bool = True) -> None:
        self.lost_at_end = self.hidden = 0
        self.starved = False
        self._gaps: list[str] = []
        self._context, self._counts, self._threads = stream.codec_context, counts, threads
        self._context.thread_type = "AUTO" if threads else "SLICE"  # type: ignore[assignment]
        self._context.copy_opaque = True
        counts.decoded = counts.skipped = counts.duplicated = counts.damaged = 0
        # There it says that a packet of the network was lost somewhere; elsewhere, that the file ends within this one.
        self._torn_is_lost = "mpegts" not in stream.container.format.name
        codec = self._context.codec
        self._intra, self._codec = codec.intra_only, codec.canonical_name
        self._each_is_a_picture = codec.intra_only or self._codec in _EACH_IS_A_PICTURE
        self._pending: dict[int, _Sent] = {}
        self._sent = self._silent = self._next = 0
        self._index = stream.index_entries
        self._keyed = self._tainted = False
        self._torn: _Sent | None = None
        self._held: list[av.VideoFrame] = []
        self._hold = 0
        self._doubt_until: int | None = None
        self._unit = stream.time_base or Fraction(1)
        self._clock = _Clock(self._unit, fps)

    @property
    def incomplete(self) -> bool:
        """Whether intact pictures may be missing at the end, which a decoder without `threads` gives."""
        return self._threads and bool(self._pending) and not self._silent

    def notes(self) -> Iterator[str]:
        """What was wrong up to now, each in one line."""
        if self._gaps:
            yield left_out(self._gaps)
        if self._counts.damaged:
            yield f"frames that were decoded with errors, so that parts of them are guessed: {self._counts.damaged}"

    def pictures(self, packets: Iterable[av.Packet[Any]]) -> Iterator[Decoded]:
        """Decode to the end of the packets."""
        for packet in packets:
            if packet.size:  # one without data would end the decoding
                yield from self._decode(packet)
        yield from self._decode(None)
        yield from map(self._number, self._held)
        self.lost_at_end = sum(sent.suspect for sent in self._pending.values())
        self._counts.skipped += self.lost_at_end

    def _decode(self, packet: av.Packet[Any] | None) -> Iterator[Decoded]:
        if packet is not None:
            self._note(packet)
            if packet.is_corrupt and self._torn_is_lost:
                self._torn = packet.opaque  # type: ignore[assignment]
                return
            self._torn = None
        try:
            pictures = self._context.decode(packet)
        except av.EOFError:
            return
        except av.FFmpegError as error:
            self.starved |= isinstance(error, (MemoryError, BlockingIOError))
            # With threads the packet that failed is an earlier one.
            for sent in self._pending.values():
                sent.suspect = True
            self._doubt_until = self._sent
            # After a lost key frame H.264 pictures come in the wrong order, until the next one.
            self._hold = self._context.reorder_depth and self._context.reorder_depth + 2
            return
        for picture in pictures:
            self._arrive(picture)
            if self._is_behind_end(picture):
                continue
            self._held.append(picture)
            if self._hold and all(one.pts is not None for one in self._held):
                self._held.sort(key=lambda one: one.pts)  # type: ignore[arg-type, return-value]
            while len(self._held) > self._hold:
                yield self._number(self._held.pop(0))

    def _note(self, packet: av.Packet[Any]) -> None:
        """Remember a packet, until its picture comes."""
        self._keyed = self._keyed or packet.is_keyframe or (not self._sent and self._begins_with(packet))
        suspect = self._each_is_a_picture or packet.is_corrupt or self._doubt_until is not None
        sent = _Sent(self._sent, packet.pts, suspect)
        self._sent += 1
        packet.opaque = sent
        # Before a key frame nothing can be decoded; what an edit list cuts away is decoded and not shown.
        self.hidden += packet.is_discard
        if self._keyed and not packet.is_discard and not (self._codec == "vp8" and _is_hidden(packet)):
            self._pending[sent.number] = sent
            if len(self._pending) > _MOST_PENDING:
                del self._pending[next(iter(self._pending))]

    def _begins_with(self, packet: av.Packet[Any]) -> bool:
        """Whether the container calls its first packet a key frame, damaged or not."""
        first = next(iter(self._index), None)
        return first is not None and first.is_keyframe and first.timestamp in (packet.pts, packet.dts)

    def _arrive(self, picture: av.VideoFrame) -> None:
        """A packet's picture came: it waits no longer, and if it was sent after an error the decoder is well again."""
        sent: _Sent | None = picture.opaque  # type: ignore[assignment]
        if sent is not None:
            self._pending.pop(sent.number, None)
            if self._doubt_until is not None and sent.number >= self._doubt_until:
                self._doubt_until = None

    def _is_behind_end(self, picture: av.VideoFrame) -> bool:
        """Whether a picture comes after the one where the file ends: nobody knows how many between the two are missing."""
        return self._torn is not None and picture.opaque is not None and self._comes_before(self._torn, picture.opaque)  # type: ignore[arg-type]

    def _number(self, picture: av.VideoFrame) -> Decoded:
        sent: _Sent | None = picture.opaque  # type: ignore[assignment]
        lost = 0
        if sent is not None:
            for earlier in [other for other in self._pending.values() if self._comes_before(other, sent)]:
                del self._pending[earlier.number]
                lost += earlier.suspect
                self._silent += not earlier.suspect
        self._counts.skipped += lost
        self._counts.decoded += 1
        # What was decoded from a damaged picture shows its damage too, up to the next key frame.
        self._tainted = picture.is_corrupt or ((self._tainted or lost > 0) and not (picture.key_frame or self._intra))
        self._counts.damaged += self._tainted
        index = self._next + lost
        if index > self._next and len(self._gaps) <= MOST_NAMED:
            self._gaps.append(str(self._next) if lost == 1 else f"{self._next} to {index - 1}")
        self._next = index + 1
        stamp, time_s = self._clock.tell(index, picture.pts, picture.dts)
        self._counts.duplicated = self._clock.repeats
        duration_s = float(picture.duration * self._unit) if picture.duration else None
        return Decoded(index, stamp, time_s, duration_s, picture)

    def _comes_before(self, one: _Sent, other: _Sent) -> bool:
        if one.stamp is None or other.stamp is None:
            # A picture may be decoded before as many as it is made of: 16 at most. Decoders tell how many they hold, not that.
            return one.number < other.number - (_MOST_REFERENCES if self._context.reorder_depth else 0)
        return one.stamp < other.stamp


def _is_hidden(packet: av.Packet[Any]) -> bool:
    """Whether a VP8 packet is only looked up by later ones."""
    return not memoryview(packet)[0] >> 4 & 1  # type: ignore[arg-type]


class _Clock:
    """When pictures are shown.

    A picture has two time stamps: when it is shown, and when its packet was to be decoded. Old containers have only one of
    them right: the one that went backwards less often is taken.

    Args:
        unit: of the stamps, in seconds. fps: by which pictures are counted.

    Attributes:
        repeats: how many had the stamp of the one before.
    """

    def __init__(self, unit: Fraction, fps: float) -> None:
        self._unit, self._fps = unit, fps
        self._pts, self._dts = _Stamps(), _Stamps()
        self._origin: int | None = None
        self._last: tuple[int, int | None, float] | None = None
        self.repeats = 0

    def tell(self, index: int, pts: int | None, dts: int | None) -> tuple[int | None, float]:
        """Stamp and seconds of the next picture."""
        self._dts.add(pts if dts is None else dts, counts=dts is not None)
        self._pts.add(dts if pts is None else pts, counts=pts is not None)
        stamp = pts if dts is None or (pts is not None and self._pts.faults <= self._dts.faults) else dts
        time_s = self._seconds(index, stamp)
        self._last = index, stamp, time_s
        return stamp, time_s

    def _seconds(self, index: int, stamp: int | None) -> float:
        last_index, last_stamp, last_s = self._last or (0, None, 0.0)
        counted_s = last_s + (index - last_index) / self._fps
        if stamp is None:
            return counted_s
        self.repeats += stamp == last_stamp
        if self._origin is None:
            self._origin = stamp - round(counted_s / self._unit)
        stamp_s = float((stamp - self._origin) * self._unit)
        return stamp_s if stamp_s > last_s else counted_s


class _Stamps:
    """One kind of time stamps, and how often it did not grow."""

    def __init__(self) -> None:
        self.faults = 0
        self._last: int | None = None

    def add(self, stamp: int | None, counts: bool) -> None:
        if stamp is not None:
            self.faults += counts and self._last is not None and stamp <= self._last
            self._last = stamp


def deinterlaced(decoded: Iterable[Decoded]) -> Iterator[Decoded]:
    """The same pictures with the same numbers and times; those that the decoder calls interlaced are deinterlaced.

    Of an interlaced picture's two fields, which were filmed at different times, the first is kept, and the lines between
    are interpolated from it and from its neighbours in time (FFmpeg's bwdif filter). Others stay as they are.
    """
    deinterlacer: _Deinterlacer | None = None
    for one in decoded:
        if deinterlacer is not None and not deinterlacer.fits(one.picture):
            yield from deinterlacer.flush()
            deinterlacer = None
        if deinterlacer is None and one.picture.interlaced_frame:
            deinterlacer = _Deinterlacer(one.picture)
        if deinterlacer is None:
            yield one
        else:
            yield from deinterlacer.push(one)
    if deinterlacer is not None:
        yield from deinterlacer.flush()


class _Deinterlacer:
    """The filter, for pictures of one size and format. It needs the next picture for each, so it is one behind."""

    def __init__(self, picture: av.VideoFrame) -> None:
        self._form = _form(picture)
        self._waiting: deque[Decoded] = deque()
        graph = Graph()
        self._input = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base or Fraction(1, 1000)
        )
        self._output = graph.add("buffersink")
        graph.link_nodes(self._input, graph.add("bwdif", mode="send_frame", deint="interlaced"), self._output)
        graph.configure()
        self._graph = graph

    def fits(self, picture: av.VideoFrame) -> bool:
        return _form(picture) == self._form

    def push(self, one: Decoded) -> Iterator[Decoded]:
        self._waiting.append(one)
        self._input.push(one.picture)
        yield from self._pull()

    def flush(self) -> Iterator[Decoded]:
        self._input.push(None)
        yield from self._pull()

    def _pull(self) -> Iterator[Decoded]:
        while self._waiting:
            try:
                picture = cast(av.VideoFrame, self._output.pull())
            except (av.BlockingIOError, av.EOFError):
                return
            # Numbers and times are those that went in: the filter counts in a unit of its own.
            yield replace(self._waiting.popleft(), picture=picture)


def _form(picture: av.VideoFrame) -> tuple[int, int, str]:
    return picture.width, picture.height, picture.format.name
