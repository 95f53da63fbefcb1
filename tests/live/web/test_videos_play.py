"""What is written plays in a real browser: overlays with the sound of their sources, and recordings."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from beeps import flash, write_beeps
from made_videos import seconds
from rendered import rendered_frame

from siamtrack.live.capture import Captured
from siamtrack.live.session import Session
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.outputs import Outputs
from siamtrack.video.run import run
from siamtrack.video.sink import VideoSink
from siamtrack.video.source import open_source
from siamtrack.video.tracking_loop import Span

pytestmark = pytest.mark.slow

PLAY = """(src) => new Promise((resolve) => {
  const video = document.createElement("video");
  let ready = 0;
  const tell = (problem) => resolve({
    problem, ready, duration: video.duration, size: [video.videoWidth, video.videoHeight],
    heard: video.webkitAudioDecodedByteCount, shown: video.getVideoPlaybackQuality().totalVideoFrames,
    played: video.currentTime,
  });
  video.onerror = () => tell(video.error.message || "error " + video.error.code);
  video.onended = () => tell(null);
  video.oncanplay = () => {
    video.oncanplay = null;
    ready = video.readyState;
    video.play().catch((error) => tell(String(error)));
  };
  video.playbackRate = 4;
  video.src = src;
  document.body.append(video);
  setTimeout(() => tell("it never ended"), 20000);
})"""
COLOR = """async (at) => {
  const video = document.querySelector("video"), canvas = document.createElement("canvas");
  await new Promise((resolve) => { video.onended = null; video.onseeked = resolve; video.currentTime = at; });
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  return [...context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data].slice(0, 3);
}"""


@pytest.fixture(scope="module")
def page(chromium: str, playwright: Any) -> Iterator[Any]:
    """A page of a folder of files."""
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--allow-file-access-from-files"]
    browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
    yield browser.new_page()
    browser.close()


def play(page: Any, path: Path) -> dict[str, Any]:
    """Play a file to its end at four times its speed."""
    (path.parent / "page.html").write_text("<!doctype html><title>video</title>")
    page.goto((path.parent / "page.html").as_uri())
    found: dict[str, Any] = page.evaluate(PLAY, path.as_uri())
    assert found["problem"] is None
    assert found["ready"] >= 2
    return found


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.mp4", "aac", 44_100, "stereo"),
        ("a.mkv", "libmp3lame", 44_100, "mono"),
        ("a.mkv", "libopus", 48_000, "mono"),
        ("a.mkv", "flac", 44_100, "stereo"),
        ("a.avi", "pcm_s16le", 44_100, "mono"),
        ("a.mov", "pcm_s24le", 48_000, "5.1"),
    ],
)
@pytest.mark.parametrize("start", [0, 16])
def test_an_overlay_plays_with_its_sound(
    page: Any, tracker: Tracker, tmp_path: Path, name: str, codec: str, rate: int, layout: str, start: int
) -> None:
    source = write_beeps(tmp_path / name, codec, rate, layout, video="mpeg4" if name.endswith("avi") else "libx264")
    with open_source(source) as frames:
        summary = run(tracker, frames, tmp_path / "out", (40, 30, 60, 50), Span(start), Outputs(video=True))
    found = play(page, tmp_path / "out/overlay.mp4")
    assert found["duration"] == pytest.approx(seconds(source) - start / 25, rel=0.02, abs=0.06)
    assert found["played"] == pytest.approx(found["duration"], abs=0.1)
    assert found["heard"] > 1000
    assert found["shown"] >= 0.5 * summary.frames  # at that speed a busy browser leaves some out


@pytest.mark.parametrize("wh", [(16, 16), (177, 145), (2, 2), (4098, 64)])
def test_frames_of_any_size_play(page: Any, tmp_path: Path, wh: tuple[int, int]) -> None:
    with VideoSink(tmp_path / "out.mp4", 25) as sink:
        for index in range(3):
            sink.write(cv2.resize(rendered_frame(index)[0], wh), index / 25)
    found = play(page, sink.path)
    assert found["size"] == ([wh[0] + wh[0] % 2, wh[1] + wh[1] % 2] if max(wh) <= 4096 else [4096, 64])


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.5], [0, 0.04, 0.08, 2.0, 2.04, 3.2], [0, 0.001, 0.002, 0.003]])
def test_frames_at_any_time_play(page: Any, tmp_path: Path, times: list[float]) -> None:
    with VideoSink(tmp_path / "out.mp4", 25, Fraction(4, 3)) as sink:
        for index, time_s in enumerate(times):
            sink.write(rendered_frame(index)[0], time_s)
    found = play(page, sink.path)
    assert found["duration"] == pytest.approx(seconds(sink.path), rel=0.02)
    assert found["size"] == [round(320 * 4 / 3), 240]


def test_colours_in_a_browser_are_those_of_the_frame(page: Any, tmp_path: Path) -> None:
    colors = [(200, 60, 40), (40, 200, 60), (60, 40, 200), (128, 128, 128), (255, 255, 255), (0, 0, 0)]
    with VideoSink(tmp_path / "out.mp4", 2) as sink:
        for color in colors:
            sink.write(np.full((64, 64, 3), color[::-1], np.uint8))
    play(page, sink.path)
    for index, color in enumerate(colors):
        assert page.evaluate(COLOR, index / 2 + 0.25) == pytest.approx(color, abs=10)


def test_what_a_killed_process_wrote_plays(page: Any, tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", 25)
    for index in range(75):
        sink.write(flash(index), index / 25)
    found = play(page, sink.partial)  # as it lies there now
    assert found["duration"] == pytest.approx(2, abs=0.3)
    sink.drop()


def test_vp9_plays(page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    with VideoSink(tmp_path / "out.mp4", 25) as sink:
        for index in range(10):
            sink.write(rendered_frame(index)[0], index / 25)
    assert play(page, sink.path)["duration"] == pytest.approx(0.4, rel=0.02)


def test_a_recording_plays(page: Any, tracker: Tracker, tmp_path: Path) -> None:
    session = Session(tracker.backend, tracker.config, tmp_path / "out", "a camera", 25.0)
    session.step(Captured(0, 0.0, rendered_frame(0)[0], 0.0))
    session.add(rendered_frame(0)[1])
    path = session.record(True)
    for index in (1, 2, 6, 7, 30):
        session.step(Captured(index, index / 25, rendered_frame(index)[0], float(index)))
    session.close()
    assert path is not None
    found = play(page, path)
    assert found["duration"] == pytest.approx(29 / 25, abs=0.2)
    assert found["size"] == [320, 240]
