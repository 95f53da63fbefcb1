"""Video files and network streams, read by PyAV: whatever FFmpeg's libraries can decode.

PyAV takes 50 ms to import, so this module is imported where a video is opened, and not before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from siamtrack.errors import SourceError
from siamtrack.video.colour import Converter
from siamtrack.video.container import inspect
from siamtrack.video.decode import Decoded, Decoder
from siamtrack.video.names import printable, source_name
from siamtrack.video.source import FOLDER_FPS, Frame, Source

_MOST_FAULTS = 16
"""Reads that may fail one after the other; then nothing more comes."""


class MediaSource(Source):
    """What FFmpeg's libraries open.

    Args:
        name: as the user gave it. address: what FFmpeg opens, or a file that PyAV reads.
        problem: what follows the name in the error of one that cannot be opened.
        options: of FFmpeg. timeout_s: of each read.
    """

    def __init__(
        self,
        name: str,
        address: Any,
        problem: str,
        options: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.name = source_name(name)
        try:
            self._container = av.open(address, options=dict(options or {}), timeout=timeout_s)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(f"{self.name} {problem}") from error
        self._stream = self._container.streams.video[0]
        rate = self._stream.guessed_rate or self._stream.average_rate
        self.fps = float(rate) if rate else FOLDER_FPS
        self.frame_count = self._stream.frames or None
        self.sample_aspect = self._stream.sample_aspect_ratio or self.sample_aspect

    def read(self, start: int = 0) -> Iterator[Frame]:
        """Frames with the source's own time stamps, counted from the first; see `Source.read`."""
        decoder = Decoder(self._stream, self.counts)
        converter = Converter(self.notes.append)
        clock = _Clock(self._stream.time_base or Fraction(1), self.fps)
        last = -1
        # Frames before `start` are decoded, not sought: seeking lands on key frames, and then numbers are guesses.
        for decoded in decoder.pictures(self._packets()):
            last, time_s = decoded.index, clock.time_s(decoded)
            self.counts.duplicated += clock.repeated
            if decoded.index >= start:
                yield Frame(decoded.index, time_s, converter.frame(decoded.picture))
        self._check_end(last + 1, start, decoder)

    def close(self) -> None:
        """Let go of the device or file."""
        self._container.close()

    def _packets(self) -> Iterator[av.Packet[Any]]:
        faults = 0
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    faults = 0
                    yield packet
                return
            except av.FFmpegError as error:
                faults += 1
                if self.live or faults == _MOST_FAULTS:
                    raise SourceError(f"{self.name} cannot be read any further: {error.strerror}") from error

    def _check_end(self, count: int, start: int, decoder: Decoder) -> None:
        if count <= start:
            raise SourceError(f"{self.name} ended after {count} frames; frame {start} was asked for (counting from 0)")


class _Clock:
    """Seconds of pictures from the first: by their stamps, or counted where those are missing or do not grow.

    Args:
        unit: of the stamps, in seconds. fps: by which pictures are counted.
    """

    def __init__(self, unit: Fraction, fps: float) -> None:
        self._unit, self._fps = unit, fps
        self._time_s = 0.0
        self._origin: int | None = None
        self._last: Decoded | None = None
        self.repeated = False

    def time_s(self, decoded: Decoded) -> float:
        """The time of the next picture; `repeated` is then whether it has the stamp of the one before."""
        last, self._last = self._last, decoded
        if self._origin is None and decoded.stamp is not None:
            self._origin = decoded.stamp - (round(self._time_s / self._unit) if last else 0)
        known = decoded.stamp is not None and self._origin is not None
        stamp_s = float((decoded.stamp - self._origin) * self._unit) if known else 0.0  # type: ignore[operator]
        if last is None:
            return 0.0
        self.repeated = decoded.stamp is not None and decoded.stamp == last.stamp
        self._time_s = stamp_s if stamp_s > self._time_s else self._time_s + (decoded.index - last.index) / self._fps
        return self._time_s


class VideoSource(MediaSource):
    """A video file. Times are the file's own time stamps, rotation flags are applied."""

    def __init__(self, path: Path) -> None:
        if path.is_file() and path.stat().st_size == 0:
            raise SourceError(f"{printable(str(path))} is empty (0 bytes); get the file again")
        problem = "cannot be opened as a video; it is damaged, cut off, or of an unknown format"
        super().__init__(str(path), f"file:{path.absolute()}", problem)
        self._path = path

    def _check_end(self, count: int, start: int, decoder: Decoder) -> None:
        if count == 0:
            raise SourceError(f"{self.name} holds no frame that can be decoded; it is empty or damaged")
        super()._check_end(count, start, decoder)
        missing = self.frame_count is not None and count < self.frame_count
        if decoder.lost_at_end or (missing and self._is_cut()):
            of = f" of {self.frame_count}" if self.frame_count else ""
            raise SourceError(f"{self.name} breaks off after {count}{of} frames; the file is cut or damaged")

    def _is_cut(self) -> bool:
        """Whether the container's own index names bytes behind the end of the file."""
        size = self._path.stat().st_size
        return inspect(self._path).cut or any(entry.pos + entry.size > size for entry in self._stream.index_entries)


class StreamSource(MediaSource):
    """A network stream, or a video file on a web server (then it is not `live`).

    Args:
        url: its address.
        timeout_s: a server that is silent for so many seconds counts as gone.
    """

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        problem = "cannot be opened; check the address and that the server is up"
        options = {"rtsp_transport": "tcp"} if url.lower().startswith("rtsp") else {}
        super().__init__(url, url, problem, options, timeout_s)
        # Who sends what is being filmed cannot know how long it will be.
        known = self._container.duration is not None or self._stream.frames > 0
        self.live = not (url.lower().startswith("http") and known)
