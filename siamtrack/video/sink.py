"""Where frames go: videos that play everywhere, with the source's own times, pixel shape and sound.

While frames are written they are in `NAME.partial.mp4`, a fragmented MP4, which plays as far as it came if the process is
killed. `VideoSink.close` copies its packets and the sound into an MP4 with the index in front, and renames that.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.packet import Packet
from av.video import VideoStream
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from siamtrack.errors import OutputError
from siamtrack.frames import Image
from siamtrack.system import network_threads
from siamtrack.video.sound import Sound
from siamtrack.video.source import Audio

MAX_SIDE = 4096
"""Longest side of a video, pixels: what H.264 decoders in graphics chips and phones take. Larger frames are scaled down."""

TICKS = 90_000
"""Time stamps a second: frames of all usual rates last a whole number of them. A slow time lapse has 1000."""

_LONGEST = 2_000_000_000
"""Ticks that a frame lasts at most, six hours: an MP4 counts them in 31 bits."""

_TO_YUV = np.array(
    [
        [0.0722 * 219 / 255, 0.7152 * 219 / 255, 0.2126 * 219 / 255, 16],
        [0.5 * 224 / 255, -0.7152 / 1.8556 * 224 / 255, -0.2126 / 1.8556 * 224 / 255, 128],
        [-0.0722 / 1.5748 * 224 / 255, -0.7152 / 1.5748 * 224 / 255, 0.5 * 224 / 255, 128],
    ],
    np.float32,
)
"""Y, Cb and Cr of BGR, 0 to 255, by BT.709 in limited range."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Encoder(NamedTuple):
    """What frames are encoded with.

    Attributes:
        name: FFmpeg's. codec: the codec's name.
        options: for speed: the tracker needs the processor too, and waits for an encoder that is slower.
    """

    name: str
    codec: str
    options: dict[str, str]


_ENCODERS = (
    Encoder("libx264", "H.264", {"preset": "ultrafast", "crf": "25"}),
    Encoder("libvpx-vp9", "VP9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "32", "b": "0"}),
)
"""In order of preference: H.264 plays everywhere, VP9 in browsers. Not every build of FFmpeg has x264, which is GPL."""


def choose_encoder() -> Encoder:
    """The encoder of every video.

    Raises:
        OutputError: FFmpeg was built without all of them.
    """
    for encoder in _ENCODERS:
        if encoder.name in av.codecs_available:
            return encoder
    raise OutputError("PyAV's FFmpeg encodes neither H.264 nor VP9; get a build that does: pip install --force-reinstall av")


class VideoSink:
    """Writes frames to an .mp4: H.264 (see `choose_encoder`), 4:2:0, BT.709, its index in front.

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
        self._encoded: _Encoded | None = None
        self._size_wh = (0, 0)
        self._begin_s, self._last = 0.0, 0
        self._steps: deque[int] = deque(maxlen=32)
        self._error: OutputError | None = None
        self._ticks = TICKS if fps >= 1 else 1000

    def write(self, image: Image, time_s: float | None = None) -> None:
        """Append one frame. All frames must have the first one's size.

        Args:
            image: (H, W, 3) BGR uint8.
            time_s: when it is shown, seconds from the source's first frame; default 1 / `fps` after the frame before. One
                that is not later than the frame before is shown right after it.

        Raises:
            OutputError: it cannot be written. `partial` holds the frames before, and nothing can be written any more.
        """
        if self._error is not None:
            raise self._error
        size_wh = (image.shape[1], image.shape[0])
        try:
            if self._encoded is None:
                self._size_wh, self._begin_s = size_wh, time_s or 0.0
                self._encoded = _Encoded(self.partial, size_wh, self.fps, self._ticks, self._pixel)
            elif size_wh == self._size_wh:
                usual = max(1, round(self._ticks / self.fps))
                step = usual if time_s is None else round((time_s - self._begin_s) * self._ticks) - self._last
                self._steps.append(min(max(1, step), _LONGEST))
                self._last += self._steps[-1]
            else:
                (w, h), (width, height) = size_wh, self._size_wh
                raise OutputError(f"{self.path}: frame of {w}x{h} in a video of {width}x{height}")
            self._encoded.add(image, self._last)
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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _failed(self, error: Exception) -> OutputError:
        self._error = OutputError(f"{self.path} cannot be written ({_reason(error)})")
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
        last_s = median(self._steps) / self._ticks if self._steps else 1 / self.fps
        whole = self.path.with_name(f"{name}.part")
        problem: Exception | None = None
        for sound in self._sounds(self._last / self._ticks + last_s):
            try:
                _join(self.partial, sound, whole, last_s, self._pixel)
            except Exception as error:  # whatever is wrong with the sound: the pictures are there
                whole.unlink(missing_ok=True)
                problem = error
                if getattr(error, "errno", None) in _FULL:
                    break
                continue
            if sound is None and problem is not None:
                self.notes.append(f"{name} has no sound: the source's cannot be read ({_reason(problem)})")
            elif sound is not None and sound.gaps:
                self.notes.append(f"{name} is silent where {sound.gaps} packets of the source's sound cannot be decoded")
            os.replace(whole, self.path)
            self.partial.unlink()
            return
        assert problem is not None
        self.notes.append(f"{name} has no sound, and its length is not in front: it could not be finished ({_reason(problem)})")
        os.replace(self.partial, self.path)

    def _sounds(self, length_s: float) -> Iterator[Sound | None]:
        """What to try in turn: packets as they are, encoded anew, no sound."""
        if self._audio is not None:
            begin_s = self._audio.origin_s + self._begin_s
            for copy in (True, False):
                yield Sound(self._audio, begin_s, begin_s + length_s, copy)
        yield None


class _Encoded:
    """Frames, encoded into a fragmented MP4.

    Attributes:
        wh: width and height as encoded, even.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be written; by every method.
    """

    def __init__(self, path: Path, size_wh: tuple[int, int], fps: float, ticks: int, pixel: Fraction) -> None:
        encoder = choose_encoder()
        scale = min(1.0, MAX_SIDE / max(size_wh))
        w, h = (side + side % 2 if scale == 1 else max(2, 2 * round(side * scale / 2)) for side in size_wh)
        self.wh = w, h
        self._border = (0, h - size_wh[1], 0, w - size_wh[0]) if scale == 1 and self.wh != size_wh else None
        # A fragment a second, each written at once. Absolute: FFmpeg takes what stands before a colon for a protocol.
        options = {
            "movflags": "frag_keyframe+empty_moov+default_base_moof",
            "frag_duration": "1000000",
            "flush_packets": "1",
        }
        self._file = av.open(os.path.abspath(path), "w", format="mp4", container_options=options)
        self._stream: VideoStream = self._file.add_stream(encoder.name, rate=_rate(fps), options=encoder.options)  # type: ignore[assignment]
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = w, h, "yuv420p"
        self._time_base = context.time_base = Fraction(1, ticks)
        context.sample_aspect_ratio = pixel
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.gop_size = min(250, max(12, round(2 * fps)))  # two seconds: players seek to key frames
        context.thread_count = max(1, min(4, network_threads() // 2))
        self._file.start_encoding()

    def add(self, image: Image, ticks: int) -> None:
        if self._border is not None:
            image = cv2.copyMakeBorder(image, *self._border, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        elif image.shape[1::-1] != self.wh:
            image = cv2.resize(image, self.wh, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        frame = _yuv(image)
        frame.pts, frame.time_base = ticks, self._time_base
        self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        try:
            self._file.mux(self._stream.encode(None))
        finally:
            self._file.close()


def _yuv(image: Image) -> av.VideoFrame:
    """A BGR frame of even sides as 4:2:0 of BT.709, limited range. FFmpeg's own conversion takes as long, and rounds down."""
    height, width = image.shape[:2]
    frame = av.VideoFrame(width, height, "yuv420p")
    full = cv2.transform(image, _TO_YUV)
    half = cv2.transform(cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA), _TO_YUV)
    for channel, (plane, values) in enumerate(zip(frame.planes, (full, half, half), strict=True)):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        cv2.extractChannel(values, channel, rows[: plane.height, : plane.width])
    return frame


def _join(partial: Path, sound: Sound | None, whole: Path, last_s: float, pixel: Fraction) -> None:
    """Copy the packets of a video, the last of which lasts so long, and of its sound into an MP4 of such pixels."""
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
            out.mux(packet)
        while waiting is not None:
            out.mux(waiting[1])
            waiting = next(heard, None)
    with whole.open("rb") as file:
        os.fsync(file.fileno())  # renamed before it is on the disk, it could be empty after a power cut


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


def _rate(fps: float) -> Fraction:
    return Fraction(fps).limit_denominator(1001) or Fraction(1, 1001)


def _reason(error: BaseException) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
