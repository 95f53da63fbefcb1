from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from siamtrack.errors import SourceError
from siamtrack.video.camera import CameraSource
from siamtrack.video.images import ImageSource
from siamtrack.video.source import open_source
from siamtrack.video.stream import StreamSource, VideoSource


def ffmpeg(*arguments: object) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)], check=True)


def indices_and_times(path: Path, start: int = 0) -> tuple[list[int], list[float]]:
    with open_source(path) as source:
        frames = list(source.read(start))
    return [frame.index for frame in frames], [frame.time_s for frame in frames]


def test_a_video_gives_its_frames_with_index_and_time(clip: Path) -> None:
    indices, times = indices_and_times(clip)
    assert indices == list(range(20))
    assert times == pytest.approx([i / 25 for i in range(20)], abs=1e-3)
    with open_source(clip) as source:
        assert isinstance(source, VideoSource)
        assert source.frame_count == 20
        assert source.fps == 25
        assert next(source.read()).image.shape == (240, 320, 3)


def test_a_later_start_gives_the_same_frames(clip: Path) -> None:
    with open_source(clip) as whole, open_source(clip) as late:
        expected = list(whole.read())[7:]
        found = list(late.read(7))
    assert [frame.index for frame in found] == list(range(7, 20))
    for a, b in zip(expected, found, strict=True):
        assert a.time_s == b.time_s
        assert (a.image == b.image).all()


def test_variable_frame_rates_keep_their_true_times(clip: Path, tmp_path: Path) -> None:
    # Every frame from the 10th on lasts four times as long.
    path = tmp_path / "variable.mp4"
    ffmpeg("-i", clip, "-vf", "setpts='if(lt(N,10),N,10+4*(N-10))/25/TB'", "-fps_mode", "passthrough", path)
    _, times = indices_and_times(path)
    expected = [(i if i < 10 else 10 + 4 * (i - 10)) / 25 for i in range(20)]
    assert times == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_phone_videos_come_upright(clip: Path, tmp_path: Path, degrees: int) -> None:
    path = tmp_path / "rotated.mp4"
    ffmpeg("-display_rotation", degrees, "-i", clip, "-c", "copy", path)
    with open_source(clip) as plain, open_source(path) as rotated:
        expected = np.rot90(next(plain.read()).image, degrees // 90)
        found = next(rotated.read()).image
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 2


def test_image_folders_and_globs_come_in_natural_order(tmp_path: Path) -> None:
    for i in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"frame{i}.png"), np.full((20, 30, 3), i, np.uint8))
    (tmp_path / "notes.txt").write_text("not a frame")
    for source in (tmp_path, str(tmp_path / "*.png")):
        with open_source(source) as images:
            assert isinstance(images, ImageSource)
            frames = list(images.read())
        assert [frame.image[0, 0, 0] for frame in frames] == [1, 9, 10]
        assert [frame.time_s for frame in frames] == pytest.approx([0, 1 / 30, 2 / 30])
    with open_source(tmp_path / "frame9.png") as one:
        assert len(list(one.read())) == 1


def test_sixteen_bit_and_gray_images_are_read(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((20, 30), 40_000, np.uint16))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((20, 30, 4), 77, np.uint8))
    with open_source(tmp_path) as images:
        a, b = (frame.image for frame in images.read())
    assert a.shape == b.shape == (20, 30, 3)
    assert a[0, 0].tolist() == [40_000 >> 8] * 3
    assert b[0, 0].tolist() == [77] * 3


def test_a_cut_video_gives_its_frames_and_then_says_so(tmp_path: Path, write_clip: Callable[..., Path]) -> None:
    whole = write_clip(tmp_path / "whole.mp4", frames=60)
    # With the index in front, a cut file still opens: it just ends early.
    front = tmp_path / "front.mp4"
    ffmpeg("-i", whole, "-c", "copy", "-movflags", "faststart", front)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(front.read_bytes()[: front.stat().st_size // 2])
    frames: list[int] = []
    with open_source(cut) as source, pytest.raises(SourceError, match=r"breaks off after .* of 60 frames"):
        frames.extend(frame.index for frame in source.read())
    assert frames == list(range(len(frames)))
    assert 10 < len(frames) < 50


def test_a_trimmed_video_is_not_called_cut(tmp_path: Path, write_clip: Callable[..., Path]) -> None:
    # Trimmed without re-encoding, as phones do: all frames are in the file, an edit list skips the first ones.
    whole = tmp_path / "whole.mp4"
    ffmpeg("-i", write_clip(tmp_path / "w.mp4", frames=60), "-g", 250, whole)
    trimmed = tmp_path / "trimmed.mp4"
    ffmpeg("-ss", 1.2, "-i", whole, "-c", "copy", trimmed)
    with open_source(trimmed) as source:
        assert source.frame_count == 60
        assert len(list(source.read())) == 30


def test_a_hole_in_the_middle_is_named(tmp_path: Path, write_clip: Callable[..., Path]) -> None:
    # Whole in length, but from a third on nothing can be decoded.
    path = write_clip(tmp_path / "whole.mp4", frames=60)
    data = bytearray(path.read_bytes())
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    hole = begin + (end - begin) // 3
    data[hole:end] = bytes(end - hole)
    path.write_bytes(bytes(data))
    with open_source(path) as source, pytest.raises(SourceError, match=r"breaks off|damaged"):
        list(source.read())


def test_files_that_are_no_video(tmp_path: Path, clip: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is not a video\n" * 50)
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    headless = tmp_path / "headless.mp4"  # the index was at the end, and is gone
    headless.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    for path, message in ((text, "cannot be opened"), (empty, "empty"), (headless, "cannot be opened")):
        with pytest.raises(SourceError, match=message):
            open_source(path)


def test_sources_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not found"):
        open_source(tmp_path / "none.mp4")
    with pytest.raises(SourceError, match="holds no images"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match="camera 97 cannot be opened"):
        open_source(97)


def test_a_start_behind_the_end(clip: Path, tmp_path: Path) -> None:
    with open_source(clip) as source, pytest.raises(SourceError, match="ended after 20 frames; frame 20 was asked for"):
        next(source.read(20))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 30, 3), np.uint8))
    with open_source(tmp_path) as images, pytest.raises(SourceError, match="holds 1 images; frame 5"):
        next(images.read(5))


def test_a_broken_image_in_a_folder_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 30, 3), np.uint8))
    (tmp_path / "b.png").write_bytes(b"broken")
    with open_source(tmp_path) as images:
        reader = images.read()
        assert next(reader).index == 0
        with pytest.raises(SourceError, match=r"b\.png cannot be read"):
            next(reader)


def test_what_is_live_and_what_waits(clip: Path, tmp_path: Path) -> None:
    assert CameraSource.live
    with open_source(clip) as video:
        assert not video.live
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 30, 3), np.uint8))
    with open_source(tmp_path) as images:
        assert not images.live


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_video_file_on_a_web_server_is_not_live(clip: Path, tmp_path: Path) -> None:
    # The index in front: this server cannot seek.
    ffmpeg("-i", clip, "-c", "copy", "-movflags", "faststart", tmp_path / "front.mp4")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with open_source(f"http://127.0.0.1:{server.server_port}/front.mp4") as stream:
            assert isinstance(stream, StreamSource)
            assert not stream.live
            assert len(list(stream.read())) == 20
        server.shutdown()


def test_a_server_that_is_silent_or_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/cam.mjpg"
        began = time.monotonic()
        with pytest.raises(SourceError, match="cannot be opened; check the address"):
            StreamSource(url, timeout_s=0.2)
        assert 0.15 < time.monotonic() - began < 10
    with pytest.raises(SourceError, match="cannot be opened; check the address"):
        open_source(url)
