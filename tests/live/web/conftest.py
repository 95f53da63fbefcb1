"""A live server on a loopback port, a browser whose camera plays a clip, and that clip, whose frames carry their numbers."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rendered import rendered_frame
from webclient import CORNER_WH, Served, WatchedSession

from siamtrack.live.film import Film
from siamtrack.live.frame_store import FrameStore
from siamtrack.live.session import Session
from siamtrack.live.web.server import LiveServer
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.source import Source

SEQUENCE = Path(__file__).parents[4] / "shared/data/sequences/val/OTB_Car4"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BITS = 9
CELL = CORNER_WH[0] // (BITS + 1)
"""Size in pixels and number of the black and white cells in a frame's upper left corner: its number, low bit first,
then one cell that makes the number of white ones odd."""


@pytest.fixture
def serve_live(tracker: Tracker, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """A function that starts a live server; arguments as for `LiveServer`."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Served:
            sessions: list[WatchedSession] = []

            def make_session(out: Path, source: str, fps: float) -> Session:
                sessions.append(WatchedSession(tracker.backend, tracker.config, out, source, fps))
                return sessions[-1]

            def make_film(out: Path, open_video: Callable[[], Source], on_close: Callable[[], None]) -> Film:
                return Film(tracker.backend, tracker.config, FrameStore(open_video, out.parent, on_close), out)

            out = settings.pop("out", tmp_path / "out")
            server = LiveServer(out, make_session, make_film, **{"port": 0, **settings})

            def run() -> None:
                try:
                    server.run()
                except BaseException as error:
                    served.problems.append(error)

            served = Served(server, out, sessions, threading.Thread(target=run, daemon=True))
            served.thread.start()
            stack.callback(served.stop)
            return served

        yield start


@dataclass(frozen=True)
class CameraClip:
    """What the browser's camera plays, again and again at 30 frames per second.

    Attributes:
        path: Motion JPEG.
        truth: (N, 4) true boxes of its numbered frames, 0-based `(x, y, w, h)`.
        size_wh: of its frames.
    """

    path: Path
    truth: np.ndarray
    size_wh: tuple[int, int]


@pytest.fixture(scope="session")
def camera_clip(tmp_path_factory: pytest.TempPathFactory) -> CameraClip:
    """A real sequence if there is one, else a rendered one; slow, because a busy machine tracks few of its frames."""
    frames, truth, repeats = _real() if SEQUENCE.with_suffix(".mp4").is_file() else _rendered()
    height, width = frames[0].shape[:2]
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    with path.open("wb") as stream:  # Motion JPEG is one JPEG after another
        for number, frame in enumerate(frames):
            stream.write(cv2.imencode(".jpg", draw_number(frame, number))[1].tobytes() * repeats)
    return CameraClip(path, np.array(truth), (width, height))


def _real() -> tuple[list[np.ndarray], list[list[float]], int]:
    video = cv2.VideoCapture(str(SEQUENCE.with_suffix(".mp4")))
    lines = SEQUENCE.with_suffix(".txt").read_text().split()[:350]
    frames = [video.read()[1] for _ in lines]
    return frames, [[float(number) for number in line.split(",")] for line in lines], 4


def _rendered() -> tuple[list[np.ndarray], list[tuple[float, ...]], int]:
    order = [*range(90), *range(89, -1, -1)]
    drawn = [rendered_frame(i, (480, 240)) for i in order]
    return [frame for frame, _ in drawn], [box for _, box in drawn], 12


@pytest.fixture(scope="session")
def number_of() -> Callable[[list[float]], int | None]:
    """A function that tells a frame's number by the brightness of its cells, 0 to 255; None if they do not tell one."""

    def read(cells: list[float]) -> int | None:
        bits = [cell > 127 for cell in cells]
        return sum(bit << place for place, bit in enumerate(bits[:BITS])) if sum(bits) % 2 == 1 else None

    return read


@pytest.fixture(scope="session")
def numbered() -> Callable[[np.ndarray, int], np.ndarray]:
    """A function that draws a number into a frame's corner, for `number_of` to tell."""
    return draw_number


def draw_number(frame: np.ndarray, number: int) -> np.ndarray:
    bits = [number >> bit & 1 for bit in range(BITS)]
    bits.append(1 - sum(bits) % 2)
    frame = frame.copy()
    for place, bit in enumerate(bits):
        frame[:CELL, place * CELL : (place + 1) * CELL] = 255 * bit
    return frame


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed ({', '.join(BROWSERS)}): apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    """What drives browsers: a process can have one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(chromium: str, playwright: Any, camera_clip: CameraClip) -> Iterator[Any]:
    """A browser without a screen; its camera plays `camera_clip`, and pages may use it unasked."""
    arguments = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        # A name that is not this machine's own, as another device in the network would use.
        "--host-resolver-rules=MAP tracker.test 127.0.0.1",
        f"--use-file-for-fake-video-capture={camera_clip.path}",
    ]
    chosen = playwright.chromium.launch(executable_path=chromium, args=arguments)
    yield chosen
    chosen.close()
