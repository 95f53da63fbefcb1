"""Videos made for tests, whose frames show their numbers; and a way to damage them."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np

from siamtrack.frames import Image

FPS = 25
SIZE_WH = (96, 64)
_BITS = 8

# What makes each encoder quick, and its pictures good.
_QUICK: Mapping[str, Mapping[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "10"},
    "libx265": {"preset": "ultrafast", "crf": "10", "x265-params": "log-level=none:pools=1:frame-threads=1"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "2M"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "b": "2M"},
    "libsvtav1": {"preset": "12", "crf": "20", "svtav1-params": "lp=1"},
    "mpeg2video": {"qmin": "1", "qmax": "2", "b": "20M"},
    "mpeg4": {"qmin": "1", "qmax": "2", "b": "20M"},
    "mjpeg": {"qmin": "1", "qmax": "2"},
}


def picture(number: int, size_wh: tuple[int, int] = SIZE_WH) -> Image:
    """A frame that shows its number, as bright and dark blocks above a ground that moves."""
    width, height = size_wh
    x, y = np.arange(width), np.arange(height)[:, None]
    across, down = 80 + 60 * np.sin((x + 3 * number) / 13), 110 + 40 * np.cos(y / 9)
    slanted = (100 + 50 * np.sin(np.arange(width + height) / 17))[x + y]
    image = np.stack(np.broadcast_arrays(across, down, slanted), axis=2).astype(np.uint8)
    for bit in range(_BITS):
        image[: height // 2, bit * width // _BITS : (bit + 1) * width // _BITS] = 235 if number >> bit & 1 else 20
    return image


def number_in(image: Image) -> int:
    """The number that a frame shows."""
    height, width = image.shape[:2]
    blocks = [image[height // 4, (2 * bit + 1) * width // (2 * _BITS)].mean() > 128 for bit in range(_BITS)]
    return sum(bright << bit for bit, bright in enumerate(blocks))


def ffmpeg(*arguments: object) -> bytes:
    """Run the program that imageio-ffmpeg carries; it may not fail. What it writes to standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout


def write(
    path: Path,
    codec: str = "libx264",
    pictures: Sequence[Image] | int = 20,
    pix_fmt: str = "yuv420p",
    stamps: Sequence[int] | None = None,
    unit: Fraction = Fraction(1, FPS),
    rate: Fraction | int = FPS,
    muxer: str | None = None,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    **context: Any,
) -> Path:
    """Encode pictures into a file.

    Args:
        pictures: BGR frames, or how many of `picture`. stamps: of each, in units; 0, 1, 2, ... by default.
        options: of the encoder, besides those that make it quick.
        container_options: of the muxer. context: attributes of the encoder, such as `gop_size`.
    """
    frames = [picture(number) for number in range(pictures)] if isinstance(pictures, int) else pictures
    given = {**_QUICK.get(codec, {}), **(options or {})}
    if codec == "libx265" and len(frames) < 3:
        given["x265-params"] += ":bframes=0"  # at the end of so short a video x265 now and then gives packets without times
    with _scheduling_kept(), av.open(str(path), "w", format=muxer, options=dict(container_options or {})) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=given)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.codec_context.time_base, stream.codec_context.thread_count = pix_fmt, unit, 1
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.pts, frame.time_base = number if stamps is None else stamps[number], unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@contextmanager
def _scheduling_kept() -> Iterator[None]:
    """Give the thread its scheduling back: of root's, SVT-AV1 makes a real-time one, which then lets no other program run."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def decoded(path: Path) -> tuple[list[float], list[Image]]:
    """Times and pictures of a file."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.time for frame in frames], [frame.to_ndarray(format="bgr24") for frame in frames]


def seconds(path: Path) -> float:
    """A file's length."""
    with av.open(str(path)) as container:
        return container.duration / 1e6


def damage(path: Path, number: int) -> Path:
    """Put zeros over all but the first bytes of a packet, counted as they lie in the file."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
        begin, size = packets[number].pos, packets[number].size
    data = bytearray(path.read_bytes())
    data[begin + 8 : begin + size] = bytes(size - 8)
    path.write_bytes(bytes(data))
    return path


@contextmanager
def uncollected(*kinds: type) -> Iterator[Callable[[], int]]:
    """Without the garbage collector, which comes too rarely for frames; gives what counts new objects of these kinds."""
    gc.collect()
    gc.disable()
    earlier = [one for one in gc.get_objects() if type(one) in kinds]  # of other tests, kept, so that no new one has their ids
    ids = {id(one) for one in earlier}
    try:
        yield lambda: sum(type(one) in kinds and id(one) not in ids for one in gc.get_objects())
    finally:
        gc.enable()
