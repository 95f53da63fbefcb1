"""Video files and network streams, read by PyAV: whatever FFmpeg's libraries can decode.

PyAV takes 50 ms to import, so this module is imported where a video is opened, and not before.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.stream import Disposition

from siamtrack.errors import SourceError
from siamtrack.system import open_file, usable_cores
from siamtrack.video.backward import CONTEXT, pictures_backward
from siamtrack.video.colour import Converter, turns_sideways
from siamtrack.video.container import Reading, breaks_off, frame_count, frame_rate, frames_about, is_cut, is_whole, whole_boxes
from siamtrack.video.frame_source import Audio, Frame, FrameCounts, Moment, Seconds, Source, asked_for, is_reached
from siamtrack.video.names import printable, source_name
from siamtrack.video.packets import Decoded, PacketDecoder, deinterlaced

_MOST_FAULTS = 16
"""Reads of a damaged file that may fail one after the other; then nothing more comes."""
_LIVE_THREADS = 4
"""Each thread more holds a frame back: with one for each of 16 cores a camera would be shown half a second late."""


class MediaSource(Source):
    """What FFmpeg's libraries open.

    The first key frame is number 0. A frame that cannot be decoded is left out, counted in `counts.skipped` and told in
    `notes`; later ones keep their numbers. Interlaced frames are deinterlaced.

    Args:
        name: as the user gave it. address: what FFmpeg opens, or a file that PyAV reads.
        problem: what follows the name in the error of one that cannot be opened.
        options: of FFmpeg.
        timeout_s: silence after which an opening or a read fails; None waits for ever.
        hwaccel: device that decodes, of those that PyAV has (`cuda`, `qsv`, ...); None is the CPU, which is taken, and that
            told, where the device is missing or does not know the codec.

    Raises:
        ValueError: PyAV has no such device.
        SourceError: it cannot be opened, or holds no video that can be decoded.
    """

    def __init__(
        self,
        name: str,
        address: Any,
        problem: str,
        options: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        hwaccel: str | None = None,
    ) -> None:
        self.name, self._address = source_name(name), address
        self._problem, self._options, self._timeout_s = problem, dict(options or {}), timeout_s
        self._told: list[str] = []
        if hwaccel is not None and hwaccel not in hwdevices_available():
            raise ValueError(f"hwaccel is {hwaccel!r}; this PyAV has {', '.join(hwdevices_available())}")
        self._hwaccel = hwaccel
        self._decoder: PacketDecoder | None = None
        self._reading = Reading()
        self._broken: av.FFmpegError | None = None
        self._container = self._open()
        try:
            self._stream = self._choose()
        except SourceError:
            self._container.close()
            raise
        self.fps = frame_rate(self._stream)
        self.frame_count = frame_count(self._container, self._stream)
        self.sample_aspect = self._stream.sample_aspect_ratio or Fraction(1)

    @property
    def notes(self) -> list[str]:  # type: ignore[override]
        """What a user should know of how the frames were read, up to now."""
        return [*self._told, *(self._decoder.notes() if self._decoder else ())]

    def read(self, start: Moment = 0) -> Iterator[Frame]:
        """Frames with the source's own time stamps, counted from the first; see `Source.read`."""
        # Frames before `start` are decoded, not sought: seeking lands on key frames, and then numbers are guesses. The
        # deinterlacer looks at the two before.
        before = Seconds(start - max(1, 4 / self.fps)) if isinstance(start, Seconds) else start - CONTEXT
        made = deinterlaced(one for one in self._pictures() if is_reached(before, one.index, one.time_s))
        yield from self._frames(start, (one for one in made if is_reached(start, one.index, one.time_s)))
        self._check_end(start)

    def _frames(self, start: Moment, pictures: Iterator[Decoded]) -> Iterator[Frame]:
        """Pictures as frames; the first is that of `start`."""
        converter = Converter(self._tell)
        for place, one in enumerate(pictures):
            if not place and not isinstance(start, Seconds) and one.index > start:
                raise SourceError(f"frame {start} of {self.name} cannot be decoded; the next that can is {one.index}")
            yield Frame(one.index, one.time_s, converter.frame(one.picture), duration_s=one.duration_s)

    def close(self) -> None:
        """Let go of the file or connection."""
        # The decoder's threads need Python's lock to let go of their packets. Whoever freed them would hold it, and wait.
        self._stream.codec_context.flush_buffers()
        self._container.close()

    def _open(self) -> Any:
        try:
            container = self._open_on(self._hwaccel)
            if container.format.name == "avi":  # PyAV has missing stamps made up; of B frames in an AVI they are wrong
                container.flags &= ~av.container.Flags.gen_pts.value
            return container
        except (av.FFmpegError, OSError, ValueError) as error:
            # FFmpeg has no memory either for a table whose length a damaged file invents.
            hint = "; or there is too little memory for it" if isinstance(error, MemoryError) else ""
            raise SourceError(f"{self.name} {self._problem}{hint}") from error

    def _open_on(self, hwaccel: str | None) -> Any:
        options: dict[str, Any] = {"options": self._options, "timeout": self._timeout_s, "metadata_errors": "replace"}
        if hwaccel is None:
            return av.open(self._address, **options)
        try:
            return av.open(self._address, hwaccel=HWAccel(hwaccel, allow_software_fallback=True), **options)
        except (av.FFmpegError, ValueError):
            return self._open_on(None)

    def _choose(self) -> av.VideoStream:
        """The stream to read: the one with the most frames; of several with about as many the default, or the first."""
        streams = [one for one in self._container.streams.video if not one.disposition & Disposition.attached_pic]
        if not self._container.streams:
            raise SourceError(f"{self.name} {self._problem}")
        if not streams:
            raise SourceError(f"{self.name} holds no video, only sound or a cover picture")
        known = [one for one in streams if one.codec_context is not None]
        if not known:
            raise SourceError(
                f"{self.name} is coded as {self._codec_name(streams[0])}, for which PyAV {av.__version__} has no decoder; "
                "convert it, to H.264 for instance"
            )
        frames = {one.index: frames_about(one) for one in known}
        long = [one for one in known if 2 * frames[one.index] >= max(frames.values())]
        chosen = next((one for one in long if one.disposition & Disposition.default), long[0])
        if len(streams) > 1:
            self._tell(f"it holds {len(streams)} videos; number {streams.index(chosen) + 1} is read")
        if self._hwaccel is not None and not chosen.codec_context.is_hwaccel:
            self._tell(f"{self._hwaccel} cannot decode it here; the CPU does")
        return chosen

    def _codec_name(self, stream: av.VideoStream) -> str:
        """What FFmpeg or the container calls a codec that cannot be decoded."""
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)
        try:
            told = self._container.dumps_format()
        finally:
            av.logging.set_level(level)
        found = re.search(rf"Stream #0:{stream.index}\b.*?: Video: (\w+)(?: \(([ -~]{{4}}) /)?", told)
        if found and found[1] != "none":
            return found[1]
        return f"'{found[2]}'" if found and found[2] else "an unknown codec"

    def _pictures(self) -> Iterator[Decoded]:
        """All pictures, decoded side by side; where that may have lost some at the end, once more without."""
        if self._decoder is not None and not self._reopen():
            raise SourceError(f"{self.name} can be read once; its frames are gone")
        read = self._reading = Reading()
        for threads in (True, False):
            if self.live:
                self._stream.codec_context.thread_count = min(_LIVE_THREADS, usable_cores())
            decoder = self._decoder = PacketDecoder(self._stream, self.counts, self.fps, threads)
            for decoded in decoder.pictures(self._packets()):
                if read.last is None:
                    self._see_first(decoded)
                if read.last is None or decoded.index > read.last.index:
                    read.last = decoded
                    yield decoded
            if read.last is None and decoder.hidden:
                # An edit list that cuts everything away: too short for the unit in which it is counted.
                self._options["ignore_editlist"] = "1"
            elif not decoder.incomplete:
                return
            if not self._reopen():
                return

    def _packets(self) -> Iterator[av.Packet[Any]]:
        faults = 0
        while True:
            try:
                for packet in self._container.demux():  # all streams, to know how far the file was read
                    faults = 0
                    self._reading.until = max(self._reading.until, (packet.pos or 0) + packet.size)
                    if packet.stream_index == self._stream.index:
                        if packet.dts is not None:
                            self._reading.stamps.append(packet.dts)
                        yield packet
                return
            except av.FFmpegError as error:
                faults += 1
                # A damaged file may be intact further on. A connection that broke is not mended by asking again.
                if not isinstance(error, av.InvalidDataError) or self.live or faults == _MOST_FAULTS:
                    self._broken = error
                    return

    def _see_first(self, decoded: Decoded) -> None:
        """Learn what only pictures tell."""
        if turns_sideways(decoded.picture):
            self.sample_aspect = 1 / self.sample_aspect
        if self._container.streams.audio and not self.live and isinstance(self._address, str):
            origin = (decoded.stamp or 0) * (self._stream.time_base or Fraction(1))
            self.audio = Audio(self._address, float(origin))

    def _reopen(self) -> bool:
        """Begin again, if that is possible."""
        return False

    def _check_end(self, start: Moment) -> None:
        """Say what was wrong, now that all frames were given."""
        count, last = self._reading.frames, self._reading.last
        if not count and self._decoder is not None and self._decoder.starved:
            raise MemoryError("FFmpeg gets no memory, or no threads, to decode with")
        if self._broken and (self.live or not count):
            raise SourceError(f"{self.name} cannot be read any further ({self._broken.strerror})")
        if not count and not self._breaks_off():
            raise SourceError(f"{self.name} holds no frame that can be decoded; it is empty or damaged")
        if last and not is_reached(start, last.index, last.time_s):
            raise SourceError(f"{self.name} ended after {count} frames; {asked_for(start)}")
        lost = self._decoder.lost_at_end if self._decoder and not self.live else 0
        whole = is_whole(self._container, self.frame_count, self._reading)
        if not whole and (self._broken or lost or self._breaks_off()):
            of = f" of {self.frame_count}" if self.frame_count and self.frame_count > count else ""
            raise SourceError(f"{self.name} breaks off after {count}{of} frames; the file is cut or damaged")

    def _breaks_off(self) -> bool:
        """Whether the container promises more frames than were read."""
        return False

    def _tell(self, note: str) -> None:
        if note not in self._told:  # as often as it is read
            self._told.append(note)


class VideoSource(MediaSource):
    """A video file. See `MediaSource` for `hwaccel`."""

    def __init__(self, path: Path, hwaccel: str | None = None) -> None:
        self._path, self._cut_short = path, False
        with open_file(path, sys.maxsize, SourceError) as file:
            empty = not file.read(1)
        if empty:
            raise SourceError(f"{printable(str(path))} is empty (0 bytes); get the file again")
        problem = "cannot be opened as a video; it is damaged, cut off, or of an unknown format"
        # With the scheme, no name is taken for an address: `10:30.mp4` is a file.
        super().__init__(str(path), f"file:{path.absolute()}", problem, hwaccel=hwaccel)

    def _choose(self) -> av.VideoStream:
        try:
            return super()._choose()
        except SourceError as error:
            if is_cut(self._path):  # of half an index nobody knows what is missing
                raise SourceError(f"{error}; the file is cut or damaged") from error
            raise

    def _open(self) -> Any:
        try:
            return super()._open()
        except SourceError:
            # Of a fragmented MP4 that was cut within the head of a fragment, those before can be read.
            end = whole_boxes(self._path)
            if self._cut_short or not 0 < end < self._path.stat().st_size:
                raise
            self._cut_short, self._address = True, f"subfile,,start,0,end,{end},,:{self._address}"
            return super()._open()

    def read_backward(self, start: Moment) -> Iterator[Frame]:
        """See `Source.read_backward`."""
        found = False
        for frame in self._frames(start, pictures_backward(self._pictures(), self._pictures_from, start)):
            found = True
            yield frame
        if not found:
            self._check_end(start)

    def _pictures_from(self, stamp: int | None) -> Iterator[Decoded]:
        """Pictures once more, from the key frame of a time stamp or from the beginning; nothing of them is counted."""
        self._reopen()
        if stamp is not None:
            try:
                self._container.seek(stamp, stream=self._stream)
            except av.FFmpegError:
                return
        yield from PacketDecoder(self._stream, FrameCounts(), self.fps).pictures(self._packets())

    def _reopen(self) -> bool:
        self.close()
        self._container = self._open()
        self._stream = self._choose()
        return True

    def _breaks_off(self) -> bool:
        return self._cut_short or breaks_off(self._path, self._container, self._stream, self.frame_count, self._reading)


class StreamSource(MediaSource):
    """A network stream, or a video file on a web server (then it is not `live`). See `MediaSource`.

    Args:
        url: its address.
        timeout_s: a server that is silent for so many seconds counts as gone.
    """

    def __init__(self, url: str, timeout_s: float = 10.0, hwaccel: str | None = None) -> None:
        problem = "cannot be opened; check the address and that the server is up"
        options = {"rtsp_transport": "tcp"} if url.lower().startswith("rtsp") else {}
        super().__init__(url, url, problem, options, timeout_s, hwaccel)
        # Who sends what is being filmed cannot know how long it will be.
        known = self._container.duration is not None or self._container.size > 0
        self.live = not (url.lower().startswith("http") and known)
