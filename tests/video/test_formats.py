"""Videos of many kinds, each decoded by another build of FFmpeg as well: the same frames at the same times."""

from __future__ import annotations

import os
import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from made_videos import SIZE_WH, ffmpeg, picture, write

from siamtrack.video.stream import VideoSource

_CODECS: dict[str, tuple[str, dict[str, Any]]] = {
    "h264": ("libx264", {"max_b_frames": 2}),
    "h265": ("libx265", {}),
    "vp8": ("libvpx", {}),
    "vp9": ("libvpx-vp9", {}),
    "av1": ("libsvtav1", {}),
    "mpeg1": ("mpeg1video", {}),
    "mpeg2": ("mpeg2video", {"max_b_frames": 2}),
    "mpeg4": ("mpeg4", {"max_b_frames": 2}),
    "mjpeg": ("mjpeg", {}),
    "prores": ("prores_ks", {}),
    "ffv1": ("ffv1", {}),
    "flv1": ("flv1", {}),
    "wmv2": ("wmv2", {}),
    "huffyuv": ("huffyuv", {}),
    "qtrle": ("qtrle", {}),
    "png": ("png", {}),
}

_FORMATS = [
    *(f"h264 {ending}" for ending in ("mp4", "mov", "mkv", "avi", "ts", "flv", "h264")),
    *(f"h265 {ending}" for ending in ("mp4", "mov", "mkv", "ts", "hevc")),
    *("vp8 webm", "vp8 mkv", "vp9 webm", "vp9 mp4", "vp9 mkv", "av1 mp4", "av1 webm", "av1 mkv"),
    *("mpeg1 mpg", "mpeg2 mpg", "mpeg2 ts", "mpeg2 mkv", "mpeg4 avi", "mpeg4 mp4", "mpeg4 mov"),
    *("mjpeg avi yuvj420p", "mjpeg mov yuvj422p", "mjpeg mkv yuvj444p", "prores mov yuv422p10le", "ffv1 mkv", "ffv1 avi"),
    *("flv1 flv", "wmv2 wmv", "huffyuv avi yuv422p", "png mov rgb24"),
    # Depth, chroma, alpha.
    *("h264 mp4 gray", "ffv1 mkv gray", "ffv1 mkv gray16le", "h264 mp4 yuv420p10le", "h265 mp4 yuv420p10le"),
    *("h265 mkv yuv422p12le", "av1 mp4 yuv420p10le", "h264 mp4 yuv444p", "vp9 webm yuv444p"),
    *("h264 mp4 yuv422p", "prores mov yuva444p10le", "qtrle mov argb", "png mov rgba", "ffv1 mkv bgra", "h264 mp4 yuvj420p"),
]
_SIZES = [
    *("ffv1 mkv yuv420p 97x65", "h264 mp4 yuv444p 97x65", "mjpeg avi yuvj420p 97x65", "vp9 webm yuv420p 97x65"),
    *("h264 mp4 yuv420p 16x16", "h265 mp4 yuv420p 16x16", "ffv1 mkv yuv420p 2x2", "h264 mp4 yuv420p 3840x2160"),
]
_SHORT = ("h264 mp4", "h264 ts", "h265 mp4", "vp9 webm", "av1 mp4", "mpeg2 mpg")


def reference(path: Path, size_wh: tuple[int, int]) -> tuple[np.ndarray, list[float]]:
    """All frames as BGR, and their times from the first."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-fps_mode", "passthrough"]
    command += ["-vf", "showinfo,scale=flags=bicubic", "-pix_fmt", "bgr24", "-f", "rawvideo", "-"]
    done = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, size_wh[1], size_wh[0], 3)
    found = re.findall(rb"\] n: *\d+ pts: *(\S+) .*?pts_time: *(\S+)", done.stderr)
    times = [float("nan") if pts == b"NOPTS" else float(seconds) for pts, seconds in found]
    return frames, [time_s - times[0] for time_s in times]


def assert_as_the_reference(path: Path, size_wh: tuple[int, int], count: int) -> None:
    with VideoSource(path) as source:
        frames = list(source.read())
        counts, notes = source.counts, source.notes
    images, times = reference(path, size_wh)
    assert len(frames) == len(images) == len(times) == count
    assert [frame.index for frame in frames] == list(range(count))
    if not np.isnan(times).any():
        assert [frame.time_s for frame in frames] == pytest.approx(times, abs=2e-5)
    for frame, image in zip(frames, images, strict=True):
        assert frame.image.shape == image.shape
        assert np.abs(frame.image.astype(np.int16) - image).mean() < 1.5
    assert (counts.decoded, counts.skipped, counts.duplicated, counts.damaged, notes) == (count, 0, 0, 0, [])


def make(folder: Path, kind: str, size_wh: tuple[int, int] = SIZE_WH, count: int = 8) -> Path:
    name, ending, *rest = kind.split()
    codec, context = _CODECS[name]
    path = folder / f"a.{ending}"
    pictures = [picture(number, size_wh) for number in range(count)]
    return write(path, codec, pictures, rest[0] if rest else "yuv420p", gop_size=5, **context)


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="a call of Linux")
def test_the_thread_that_makes_a_video_stays_in_its_scheduling_class(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    make(tmp_path, "av1 mp4", count=1)
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", _FORMATS)
def test_a_format(tmp_path: Path, kind: str) -> None:
    assert_as_the_reference(make(tmp_path, kind), SIZE_WH, 8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", _SIZES)
def test_a_size(tmp_path: Path, kind: str) -> None:
    form, size = kind.rsplit(" ", 1)
    width, height = map(int, size.split("x"))
    assert_as_the_reference(make(tmp_path, form, (width, height), 3), (width, height), 3)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", _SHORT)
def test_one_and_two_frames(tmp_path: Path, kind: str, count: int) -> None:
    assert_as_the_reference(make(tmp_path, kind, count=count), SIZE_WH, count)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.gif", "a.ogv", "a.apng", "a.nut", "a.y4m", "a.m2ts", "a.3gp", "a.dv", "a.vob", "ten.webm"])
def test_a_format_that_the_program_makes(tmp_path: Path, name: str) -> None:
    source, path = make(tmp_path, "ffv1 mkv"), tmp_path / name
    size_wh = {"a.3gp": (176, 144), "a.dv": (720, 576)}.get(name, SIZE_WH)
    ten = ["-pix_fmt", "yuv420p10le", "-deadline", "realtime", "-b:v", "2M"]
    options = {
        "a.3gp": ["-c:v", "h263"],
        "a.apng": ["-plays", 0],
        "a.ogv": ["-q:v", 9],
        "a.vob": ["-q:v", 2],
        "ten.webm": ten,
    }.get(name, [])
    ffmpeg("-i", source, "-vf", f"scale={size_wh[0]}:{size_wh[1]}", *options, path)
    assert_as_the_reference(path, size_wh, 8)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "webm", "mov"])
def test_a_variable_rate(tmp_path: Path, ending: str) -> None:
    codec = "libvpx-vp9" if ending == "webm" else "libx264"
    stamps = [0, 1, 7, 8, 30, 31, 32, 100, 101, 160]
    path = write(tmp_path / f"a.{ending}", codec, 10, stamps=stamps, unit=Fraction(1, 50), rate=50)
    assert_as_the_reference(path, SIZE_WH, 10)
