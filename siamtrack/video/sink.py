"""Where frames go: videos that play everywhere, with the source's own times, pixel shape and sound.

While frames are written they are in `NAME.partial.mp4`, a fragmented MP4, which plays as far as it came if the process is
killed. `VideoSink.close` copies its packets and the sound into an MP4 with the index in front, and renames that.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
from av.packet import Packet
from av.video import VideoStream

from siamtrack.errors import OutputError, system_reason
from siamtrack.frames import Image
from siamtrack.video.encode import MAX_SIDE, EncodedFile
from siamtrack.video.frame_source import Audio
from siamtrack.video.sound import Sound

TICKS = 90_000
"""Time stamps a second: frames of all usual rates last a whole number of them. A slow time lapse has 1000."""

_LONGEST = 2_000_000_000
"""Ticks that a frame lasts at most, six hours: an MP4 counts them in 31 bits."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ROOM = 2**20
"""Bytes that must be left on a disk that is full, so that a video may stay: other results need some."""


class VideoSink:
    """Writes frames to an .mp4: H.264 (see `encode.choose_encoder`), 4:2:0, BT.709, its index in front.

    An odd width or height is made even by repeating the last column or row: pixels stay where they are. Frames larger than
    `MAX_SIDE` are scaled down.

    Args:
        path: the finished file's name, .mp4.
        fps: nominal frame rate: of frames that are written without a time, and how long a single frame lasts.
        sample_aspect: shape of a pixel, width over height.
        audio: sound that belongs to the frames; the part from the first one written to the end of the last is taken.

    Attributes:
        partial: the file while it is written.
        notes: what a user should know of the finished file, each in one line: scaled down, without its sound.
    """

    def __init__(self, path: str | Path, fps: float, sample_aspect: Fraction = Fraction(1), audio: Audio | None = None) -> None:
        self.path = Path(path)
        self.partial = self.path.with_name(f"{self.path.stem}.partial.mp4")
        self.fps = fps
        self.notes: list[str] = []
        self._pixel, self._audio = sample_aspect.limit_denominator(1000), audio
        self._encoded: EncodedFile | None = None
        self._size_wh = (0, 0)
        self._begin_s, self._last, self._frames = 0.0, 0, 0
        self._duration_s: float | None = None
        self._steps: deque[int] = deque(maxlen=32)
        self._error: OutputError | None = None
        self._ticks = TICKS if fps >= 1 else 1000

    def write(self, image: Image, time_s: float | None = None, duration_s: float | None = None) -> None:
        """Append one frame. All frames must have the first one's size.

        Args:
            image: (H, W, 3) BGR uint8.
            time_s: when it is shown, seconds from the source's first frame; default 1 / `fps` after the frame before. One
                that is not later than the frame before is shown right after it.
            duration_s: how long it is shown if no other follows; default as long as most of the frames before.

        Raises:
            OutputError: it cannot be written. `partial` holds the frames before, and nothing can be written any more.
        """
        if self._error is not None:
            raise self._error
        size_wh = (image.shape[1], image.shape[0])
        try:
            if self._encoded is None:
                self._size_wh, self._begin_s = size_wh, time_s or 0.0
                self._encoded = EncodedFile(self.partial, size_wh, self.fps, self._ticks, self._pixel)
            elif size_wh == self._size_wh:
                usual = max(1, round(self._ticks / self.fps))
                step = usual if time_s is None else round((time_s - self._begin_s) * self._ticks) - self._last
                self._steps.append(min(max(1, step), _LONGEST))
                self._last += self._steps[-1]
            else:
                (w, h), (width, height) = size_wh, self._size_wh
                raise OutputError(f"{self.path}: frame of {w}x{h} in a video of {width}x{height}")
            self._encoded.add(image, self._last)
            self._frames += 1
            self._duration_s = duration_s
        except (av.FFmpegError, OSError, ValueError) as error:
            if isinstance(error, OutputError):
                raise
            raise self._failed(error) from error

    def close(self) -> None:
        """Finish the file; nothing is left behind if no frame was written.

        Raises:
            OutputError: it cannot be finished; `partial` holds the frames.
        """
        encoded, self._encoded = self._encoded, None
        if encoded is None or self._error is not None:
            return
        try:
            encoded.close()
            self._finish(encoded.wh)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._failed(error) from error

    def drop(self) -> None:
        """Leave nothing behind."""
        encoded, self._encoded = self._encoded, None
        if encoded is not None:
            with suppress(av.FFmpegError, OSError, ValueError):
                encoded.close()
        with suppress(OSError):
            self.partial.unlink(missing_ok=True)

    def __enter__(self) -> VideoSink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _failed(self, error: Exception) -> OutputError:
        self._error = OutputError(f"{self.path} cannot be written ({system_reason(error)})")
        if self._encoded is not None:
            with suppress(av.FFmpegError, OSError, ValueError):
                self._encoded.close()
            self._encoded = None
        return self._error

    def _finish(self, written_wh: tuple[int, int]) -> None:
        """Copy all packets into a file with its index in front, together with the sound, and give it its name."""
        name = self.path.name
        if max(self._size_wh) > MAX_SIDE:
            (w, h), (width, height) = written_wh, self._size_wh
            self.notes.append(f"{name} is {w}x{h}: frames of {width}x{height} are larger than decoders take")
        usual_s = median(self._steps) / self._ticks if self._steps else 1 / self.fps
        last_s = self._duration_s or usual_s
        whole = self.path.with_name(f"{name}.part")
        problem: Exception | None = None
        for sound in self._sounds(self._last / self._ticks + last_s):
            try:
                joined = _join(self.partial, sound, whole, last_s, self._pixel)
                _check_written(whole)
            except Exception as error:  # whatever is wrong with the sound: the pictures are there
                whole.unlink(missing_ok=True)
                problem = error
                if getattr(error, "errno", None) in _FULL:
                    break
                continue
            if joined < self._frames:  # what `_check_written` finds, in the partial file
                whole.unlink()
                raise OSError(errno.ENOSPC, f"the last {self._frames - joined} frames are missing; is the disk full?")
            if sound is None and problem is not None:
                self.notes.append(f"{name} has no sound: the source's cannot be read ({system_reason(problem)})")
            elif sound is not None and sound.gaps:
                self.notes.append(f"{name} is silent where {sound.gaps} packets of the source's sound cannot be decoded")
            os.replace(whole, self.path)
            self.partial.unlink()
            return
        assert problem is not None
        if shutil.disk_usage(self.partial.parent).free < _ROOM:
            raise problem
        told = f"{name} could not be finished ({system_reason(problem)}): it has no sound, and players may not know its length"
        self.notes.append(told)
        os.replace(self.partial, self.path)

    def _sounds(self, length_s: float) -> Iterator[Sound | None]:
        """What to try in turn: packets as they are, encoded anew, no sound."""
        if self._audio is not None:
            begin_s = self._audio.origin_s + self._begin_s
            for copy in (True, False):
                yield Sound(self._audio, begin_s, begin_s + length_s, copy)
        yield None


def _join(partial: Path, sound: Sound | None, whole: Path, last_s: float, pixel: Fraction) -> int:
    """Copy the packets of a video, the last of which lasts so long, and of its sound into an MP4 of such pixels.

    Returns:
        Frames that are whole.
    """
    frames = 0
    with (
        av.open(os.path.abspath(partial)) as written,
        av.open(os.path.abspath(whole), "w", format="mp4", container_options={"movflags": "faststart"}) as out,
    ):
        video = written.streams.video[0]
        stream = out.add_stream_from_template(video, opaque=True)
        stream.codec_context.sample_aspect_ratio = pixel  # it is not read back where the codec itself does not hold it
        heard = sound.packets(out) if sound is not None else iter(())
        waiting = next(heard, None)
        for at, packet in _lasting(written.demux(video), last_s):
            while waiting is not None and waiting[0] <= at * packet.time_base:
                out.mux(waiting[1])
                waiting = next(heard, None)
            packet.stream = stream
            frames += not packet.is_corrupt
            out.mux(packet)
        while waiting is not None:
            out.mux(waiting[1])
            waiting = next(heard, None)
    with whole.open("rb") as file:
        os.fsync(file.fileno())  # renamed before it is on the disk, it could be empty after a power cut
    return frames


def _check_written(whole: Path) -> None:
    """Raise an error if bytes of a file are missing: at its end FFmpeg does not always tell that it could not write."""
    size = whole.stat().st_size
    with av.open(os.path.abspath(whole)) as container:
        # Entries are gone when the file is closed.
        last = [index[len(index) - 1] for index in (stream.index_entries for stream in container.streams) if len(index)]
        end = max((entry.pos + entry.size for entry in last), default=size + 1)
    if end > size:
        raise OSError(errno.ENOSPC, "the end is missing; is the disk full?")


def _lasting(packets: Iterator[Packet[VideoStream]], last_s: float) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """The same packets with their times, each lasting until the next one."""
    before: tuple[int, Packet[VideoStream]] | None = None
    for packet in packets:
        if packet.pts is None:
            continue
        if before is not None:
            before[1].duration = packet.pts - before[0]
            yield before
        before = packet.pts, packet
    if before is not None:
        before[1].duration = max(1, round(last_s / before[1].time_base))
        yield before
