"""Frames into H.264 (or VP9), in a file that plays also when its process is killed."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.video import VideoStream
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from siamtrack.errors import OutputError
from siamtrack.frames import Image
from siamtrack.system import network_threads

MAX_SIDE = 4096
"""Longest side of a video, pixels: what H.264 decoders in graphics chips and phones take. Larger frames are scaled down."""

_TO_YUV = np.array(
    [
        [0.0722 * 219 / 255, 0.7152 * 219 / 255, 0.2126 * 219 / 255, 16],
        [0.5 * 224 / 255, -0.7152 / 1.8556 * 224 / 255, -0.2126 / 1.8556 * 224 / 255, 128],
        [-0.0722 / 1.5748 * 224 / 255, -0.7152 / 1.5748 * 224 / 255, 0.5 * 224 / 255, 128],
    ],
    np.float32,
)
"""Y, Cb and Cr of BGR, 0 to 255, by BT.709 in limited range."""


class Encoder(NamedTuple):
    """What frames are encoded with.

    Attributes:
        name: FFmpeg's. codec: the codec's name.
        options: for speed: the tracker needs the processor too, and waits for an encoder that is slower. A constant
            quantiser takes a tenth less time than a constant quality, for which the encoder must estimate each frame.
    """

    name: str
    codec: str
    options: dict[str, str]


_ENCODERS = (
    Encoder("libx264", "H.264", {"preset": "ultrafast", "qp": "26"}),
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


class EncodedFile:
    """Frames, encoded into a fragmented MP4, which plays as far as it is written.

    Args:
        path: its name. size_wh: of the frames. fps: nominal frame rate.
        ticks: unit of time stamps, parts of a second. pixel: shape of a pixel, width over height.

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
        """Append a frame that is shown from `ticks` on."""
        if self._border is not None:
            image = cv2.copyMakeBorder(image, *self._border, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        elif image.shape[1::-1] != self.wh:
            image = cv2.resize(image, self.wh, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        frame = _yuv(image)
        frame.pts, frame.time_base = ticks, self._time_base
        self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is left. May be called once."""
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


def _rate(fps: float) -> Fraction:
    return Fraction(fps).limit_denominator(1001) or Fraction(1, 1001)
