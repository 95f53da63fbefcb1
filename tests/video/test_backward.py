"""Backward, the frames are those of reading forward, to the bit, in memory that does not grow with their number."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from made_videos import ffmpeg, picture, write

from siamtrack.errors import SourceError
from siamtrack.video import backward
from siamtrack.video.frame_source import Seconds
from siamtrack.video.source import Frame, Source, open_source

KEPT = 8
"""Pictures that may wait: much fewer than there are."""


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backward, "KEEP_BYTES", KEPT * picture(0).size // 2)


def same(a: Frame, b: Frame) -> bool:
    return (a.index, a.time_s, a.duration_s) == (b.index, b.time_s, b.duration_s) and np.array_equal(a.image, b.image)


@pytest.mark.parametrize("name", ["b.mp4", "open.mp4", "one.mp4", "b.ts", "b.h264", "m.avi", "v.webm", "interlaced.mpg"])
def test_frames_are_those_of_reading_forward(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "interlaced.mpg":
        plain = write(tmp_path / "plain.mkv", "ffv1", 40)
        ffmpeg("-i", plain, "-vf", "interlace", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-g", 12, "-q:v", 2, path)
    else:
        codec = {"m.avi": "mpeg4", "v.webm": "libvpx-vp9"}.get(name, "libx264")
        options = {"x264-params": "open-gop=1"} if name == "open.mp4" else {}
        gop = 999 if name == "one.mp4" else 12
        write(path, codec, 30, gop_size=gop, options=options, max_b_frames=0 if "webm" in name else 2)
    with open_source(path) as source:
        forward = list(source.read())
        last = forward[-1].index
        for start in (last, 5, 0):
            found = list(source.read_backward(start))
            assert [frame.index for frame in found] == list(range(start, -1, -1))
            assert all(map(same, found, reversed(forward[: start + 1])))
        assert [frame.index for frame in source.read(Seconds(forward[4].time_s))][:2] == [4, 5]
        assert next(iter(source.read_backward(Seconds(forward[4].time_s)))).index == 4
        for start in (last + 1, Seconds(99)):
            with pytest.raises(SourceError, match=rf"ended after {last + 1} frames; (frame|1:39.0)"):
                list(source.read_backward(start))
        assert source.notes == []
        assert (source.counts.decoded, source.counts.skipped) == (last + 1, 0)


@pytest.mark.parametrize("kind", ["folder", "tiff", "webp"])
def test_images_are_read_backward(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [picture(number) for number in range(7)]
    monkeypatch.setattr("siamtrack.video.pages._CHUNK_BYTES", 3 * images[0].nbytes)
    path = tmp_path / f"a.{kind}"
    if kind == "tiff":
        cv2.imwritemulti(str(path), images)
    elif kind == "webp":
        film = cv2.Animation()
        film.frames, film.durations = images, np.array([100, 40, 40, 300, 40, 40, 40])
        cv2.imwriteanimation(str(path), film)
    else:
        path.mkdir()
        for number, image in enumerate(images):
            cv2.imwrite(str(path / f"{number}.png"), image)
    with open_source(path) as source:
        forward = list(source.read())
        for start in (6, 3, 0):
            assert all(map(same, source.read_backward(start), reversed(forward[: start + 1])))
        assert next(iter(source.read(Seconds(forward[3].time_s - 0.01)))).index == 3
        assert next(iter(source.read_backward(Seconds(forward[3].time_s)))).index == 3
        for start in (7, Seconds(9)):
            with pytest.raises(SourceError, match="holds 7 images; "):
                list(source.read_backward(start))


def test_what_cannot_be_seen_again_is_refused(tmp_path: Path) -> None:
    class Camera(Source):
        name, fps, frame_count, live = "camera 0", 25.0, None, True

        def read(self, start: object = 0) -> list[Frame]:  # type: ignore[override]
            return []

    with pytest.raises(SourceError, match="camera 0 cannot be read backward; record it into a file"):
        list(Camera().read_ahead(3, backward=True))


def test_a_file_that_changes_meanwhile_is_told_of(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", pictures=30, gop_size=5)
    with open_source(path) as source:
        frames = iter(source.read_backward(29))
        next(frames)
        path.write_bytes(write(tmp_path / "b.mp4", pictures=3).read_bytes())
        with pytest.raises(SourceError, match=r"frame \d+ cannot be decoded a second time; does the file change"):
            list(frames)
