from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from made_videos import decoded, seconds
from rendered import rendered_frame

from siamtrack.errors import OutputError
from siamtrack.video.encode import MAX_SIDE, choose_encoder
from siamtrack.video.sink import VideoSink

GRAY = np.full((48, 64, 3), 128, np.uint8)
PATCH = 16


def patches(rows: int = 3, columns: int = 4) -> np.ndarray:
    """Squares of random colours."""
    colors = np.random.default_rng(0).integers(0, 256, (rows, columns, 3), np.uint8)
    return np.repeat(np.repeat(colors, PATCH, axis=0), PATCH, axis=1)


def test_a_video_plays_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoSink(path, 12.5) as sink:
        for value in (0, 60, 120):
            sink.write(np.full((48, 64, 3), value, np.uint8))
        assert not path.exists()
        with pytest.raises(OutputError, match="frame of 32x48 in a video of 64x48"):
            sink.write(np.zeros((48, 32, 3), np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    assert sink.notes == []
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")  # a browser plays it before it has all of it
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        context = video.codec_context
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "Constrained Baseline", "yuv420p")
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
        assert (video.frames, video.sample_aspect_ratio) == (3, 1)
        assert container.duration == 240_000
    capture = cv2.VideoCapture(str(path))
    assert (capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)) == (12.5, 3)


@pytest.mark.parametrize(
    ("times", "lasts"),
    [
        ([5 + i / 25 for i in range(7)], 1 / 25),
        ([i * 1001 / 24_000 for i in range(7)], 1001 / 24_000),
        ([i * 20.0 for i in range(7)], 20.0),
        ([0, 0.033, 0.066, 2.1, 2.133, 2.166, 4.3], 0.033),  # pauses
        ([i / 1000 for i in range(7)], 1 / 1000),
        ([3.0], 1 / 30),
        ([3.0, 3.5], 0.5),
        ([20_000.0 * i for i in range(3)], 20_000.0),
    ],
)
def test_frames_keep_their_own_times(tmp_path: Path, times: list[float], lasts: float) -> None:
    with VideoSink(tmp_path / "out.mp4", 30) as sink:
        for time_s in times:
            sink.write(GRAY, time_s)
    assert decoded(sink.path)[0] == pytest.approx([time_s - times[0] for time_s in times], abs=2e-5)
    assert seconds(sink.path) == pytest.approx(times[-1] - times[0] + lasts, abs=2e-3)


@pytest.mark.parametrize("duration_s", [0.04, 7.0])
def test_the_last_frame_is_shown_as_long_as_its_source_says(tmp_path: Path, duration_s: float) -> None:
    with VideoSink(tmp_path / "out.mp4", 25) as sink:
        for index in range(4):
            sink.write(GRAY, index * 2.0, 9.0 if index < 3 else duration_s)
    assert decoded(sink.path)[0] == pytest.approx([0, 2, 4, 6])
    assert seconds(sink.path) == pytest.approx(6 + duration_s, abs=2e-3)


def test_a_time_lapse_keeps_its_length(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", 1 / 43_200) as sink:
        for half_day in range(4):
            sink.write(GRAY, half_day * 43_200.0)
    assert seconds(sink.path) == pytest.approx(2 * 86_400)


def test_times_that_go_back_come_in_the_order_of_the_frames(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", 25) as sink:
        for value, time_s in zip((0, 60, 120, 180), (0.0, 0.04, 0.02, 0.12), strict=True):
            sink.write(np.full((48, 64, 3), value, np.uint8), time_s)
    times, images = decoded(sink.path)
    assert times == pytest.approx([0, 0.04, 0.04, 0.12], abs=2e-5)
    assert [round(image.mean(), -1) for image in images] == [0, 60, 120, 180]


def test_a_day_between_two_frames_is_shortened_to_what_a_file_can_hold(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", 25) as sink:
        for time_s in (0.0, 86_400.0, 86_400.04):
            sink.write(GRAY, time_s)
    # What is left of the day comes after the second frame.
    assert decoded(sink.path)[0] == pytest.approx([0, 2e9 / 90_000, 4e9 / 90_000])


@pytest.mark.parametrize("wh", [(1, 1), (3, 2), (16, 16), (177, 145), (64, 45), (1000, 2)])
def test_an_odd_side_gets_one_pixel_more_and_no_pixel_moves(tmp_path: Path, wh: tuple[int, int]) -> None:
    image = np.full((wh[1], wh[0], 3), (90, 120, 150), np.uint8)
    image[:, wh[0] // 2 :] += 30
    with VideoSink(tmp_path / "out.mp4", 25) as sink:
        sink.write(image)
    (shown,) = decoded(sink.path)[1]
    assert shown.shape[:2] == (wh[1] + wh[1] % 2, wh[0] + wh[0] % 2)
    assert np.abs(shown[: wh[1], : wh[0]].mean(axis=2) - image.mean(axis=2)).mean() < 4
    assert sink.notes == []


@pytest.mark.parametrize("wh", [(MAX_SIDE + 2, 6), (8192, 64), (20, 9001)])
def test_frames_larger_than_decoders_take_are_scaled_down(tmp_path: Path, wh: tuple[int, int]) -> None:
    image = np.zeros((wh[1], wh[0], 3), np.uint8)
    image[:, wh[0] // 2 :] = 255
    with VideoSink(tmp_path / "out.mp4", 25) as sink:
        for _ in range(2):
            sink.write(image)
    shown = decoded(sink.path)[1][0]
    h, w = shown.shape[:2]
    assert max(w, h) == MAX_SIDE
    assert w / h == pytest.approx(wh[0] / wh[1], rel=0.4)  # an even number of few rows
    assert (shown[h // 2, w // 4].mean(), shown[h // 2, 3 * w // 4].mean()) == pytest.approx((0, 255), abs=8)
    assert sink.notes == [f"out.mp4 is {w}x{h}: frames of {wh[0]}x{wh[1]} are larger than decoders take"]


def test_the_shape_of_pixels_is_kept(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", 25, Fraction(64, 45)) as sink:
        sink.write(GRAY)
    with av.open(str(sink.path)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(64, 45)
        assert container.streams.video[0].codec_context.sample_aspect_ratio == Fraction(64, 45)


def test_colours_are_those_of_the_frame(tmp_path: Path) -> None:
    image = patches(9, 12)
    with VideoSink(tmp_path / "out.mp4", 25) as sink:
        sink.write(image)
    (shown,) = decoded(sink.path)[1]
    middles = np.s_[PATCH // 2 :: PATCH, PATCH // 2 :: PATCH]
    error = shown[middles].astype(int) - image[middles]
    assert np.abs(error).max() <= 8
    assert np.abs(error.mean(axis=(0, 1))).max() < 2


def test_without_x264_it_is_vp9(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_encoder().codec == "H.264"
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    assert choose_encoder().codec == "VP9"
    times = [0.0, 0.04, 3.0, 3.04]
    with VideoSink(tmp_path / "out.mp4", 25, Fraction(4, 3)) as sink:
        for index, time_s in enumerate(times):
            sink.write(rendered_frame(index)[0], time_s)
    found, images = decoded(sink.path)
    assert found == pytest.approx(times, abs=2e-5)
    assert np.abs(images[-1].astype(int) - rendered_frame(3)[0]).mean() < 8
    with av.open(str(sink.path)) as container:
        assert container.streams.video[0].codec_context.name == "vp9"
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with VideoSink(tmp_path / "other.mp4", 25) as sink, pytest.raises(OutputError, match=r"neither H\.264 nor VP9"):
        sink.write(GRAY)


def test_a_video_that_cannot_be_written(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "no" / "folder" / "out.mp4", 25) as sink:
        for _ in range(2):
            with pytest.raises(OutputError, match=r"out\.mp4 cannot be written \(No such file or directory\)"):
                sink.write(GRAY)
    (tmp_path / "taken.mp4").mkdir()
    with pytest.raises(OutputError, match=r"taken\.mp4 cannot be written"), VideoSink(tmp_path / "taken.mp4", 25) as sink:
        sink.write(GRAY)
    assert len(decoded(sink.partial)[0]) == 1


@pytest.mark.parametrize("name", ["10:30", "file:x", "a b [1]%03d", "é", os.fsdecode(b"not-utf8-\xff")])
def test_any_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    with VideoSink(Path(name) / f"{name}.mp4", 25) as sink:
        sink.write(GRAY)
    assert [path.name for path in (tmp_path / name).iterdir()] == [f"{name}.mp4"]


def test_nothing_is_left_of_a_video_without_frames_or_one_that_is_dropped(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "out.mp4", 25):
        pass
    sink = VideoSink(tmp_path / "out.mp4", 25)
    sink.write(GRAY)
    sink.drop()
    sink.close()
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from rendered import rendered_frame
from siamtrack.video.sink import VideoSink
sink = VideoSink(sys.argv[1], 25)
for index in range(80):
    sink.write(rendered_frame(index % 20)[0], index / 25)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_a_video_that_plays(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "out.mp4"], env=environment, check=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out.partial.mp4"]
    times, images = decoded(tmp_path / "out.partial.mp4")
    assert 50 <= len(times) <= 80  # all but the last second at most
    assert times == pytest.approx([index / 25 for index in range(len(times))], abs=2e-5)
    assert np.abs(images[45].astype(int) - rendered_frame(5)[0]).mean() < 8
