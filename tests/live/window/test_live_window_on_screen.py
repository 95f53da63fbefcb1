"""The live window on a real (virtual) screen, with a real mouse and real keys."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from rendered import rendered_frame
from screens import close_window, needs_screen, virtual_screen, xdotool

from siamtrack.boxes import iou

FRAMES = 40
SCALE = 3
"""Window pixels to a pixel of the rendered clip."""

pytestmark = [needs_screen, pytest.mark.slow]


@pytest.fixture(scope="module")
def screen() -> Iterator[dict[str, str]]:
    with virtual_screen() as environment:
        yield environment


class Desk:
    """`siamtrack live` with its window, and a user before it."""

    def __init__(self, screen: dict[str, str], source: Path, out: Path, *boxes: str) -> None:
        self.screen, self.out = screen, out
        command = [sys.executable, "-m", "siamtrack", "live", "--source", str(source), "--out", str(out), *boxes]
        self.process = subprocess.Popen(command, env=screen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.window = ""
        self.wait_for(self._find)

    def _find(self) -> bool:
        self.window = self.xdotool("search", "--onlyvisible", "--name", "^siamtrack live$").splitlines()[-1:] or ""
        self.window = self.window[0] if self.window else ""
        return bool(self.window)

    def xdotool(self, *arguments: object) -> str:
        return xdotool(self.screen, *arguments)

    def wait_for(self, condition: Callable[[], bool], within_s: float = 40.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"the program ended: {self.process.communicate(timeout=10)}")
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)

    def move(self, x: float, y: float) -> None:
        """The mouse to a point of the frame."""
        self.xdotool("mousemove", "--window", self.window, round(SCALE * x), round(SCALE * y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a box between two points of the frame."""
        self.move(*start)
        self.xdotool("mousedown", 1)
        self.move((start[0] + end[0]) / 2, end[1])
        self.move(*end)
        self.xdotool("mouseup", 1)

    def draw(self, name: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a box until it is a target: a window takes the mouse only some time after it can be seen."""

        def is_there() -> bool:
            self.drag(start, end)
            deadline = time.monotonic() + 2
            while not self.rows(name) and time.monotonic() < deadline:
                time.sleep(0.05)
            return bool(self.rows(name))

        self.wait_for(is_there)

    def key(self, name: str) -> None:
        self.xdotool("key", name)

    def rows(self, name: str) -> list[dict[str, str]]:
        """A target's rows so far; none before it is there."""
        for file in ("boxes.csv", "boxes.partial.csv"):
            path = self.out / name / file
            if path.is_file():
                with path.open(newline="", encoding="utf-8") as stream:
                    # The last row of a running program may be half written.
                    return [row for row in csv.DictReader(stream) if row["state"]]
        return []

    def is_still(self, name: str) -> bool:
        """Whether no row is added for a while in which several would be."""
        before = len(self.rows(name))
        time.sleep(0.6)
        return len(self.rows(name)) == before

    def ended(self) -> str:
        """What it printed, once it has ended by itself."""
        output, errors = self.process.communicate(timeout=40)
        assert self.process.returncode == 0, errors
        return output


@pytest.fixture(scope="module")
def slow_clip(tmp_path_factory: pytest.TempPathFactory, write_clip: Callable[..., Path]) -> Path:
    """The rendered clip, slow enough for a busy machine to act in it."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES, fps=6)


@pytest.fixture
def desk(screen: dict[str, str], slow_clip: Path, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Starts the program, and ends it."""
    desks: list[Desk] = []

    def start(*boxes: str) -> Desk:
        desks.append(Desk(screen, slow_clip, tmp_path / "out", *boxes))
        return desks[-1]

    yield start
    for started in desks:
        started.process.kill()
        started.process.wait(timeout=10)


def test_targets_are_drawn_followed_and_removed_by_mouse_and_keys(desk: Callable[..., Desk]) -> None:
    user = desk()
    x, y, w, h = rendered_frame(0)[1]
    time.sleep(0.5)

    # The first frame waits for a box, however it is drawn.
    user.draw("target-1", (x + w, y + h), (x, y))
    first = np.array([float(user.rows("target-1")[0][key]) for key in "xywh"])
    # Both ends of the drag count whole: a window pixel more in each direction.
    assert first == pytest.approx([x, y, w + 1 / SCALE, h + 1 / SCALE], abs=0.4)
    user.wait_for(lambda: len(user.rows("target-1")) >= 3)

    user.key("s")
    user.wait_for(lambda: user.is_still("target-1"))
    user.draw("target-2", (250, 10), (310, 70))
    user.wait_for(lambda: len(user.rows("target-2")) >= 2)
    assert int(user.rows("target-2")[0]["frame"]) >= 2

    user.key("p")
    user.wait_for(lambda: user.is_still("target-1"))
    seen = len(user.rows("target-1"))
    for step in (1, 2):
        user.key("n")
        user.wait_for(lambda: len(user.rows("target-1")) >= seen + step)  # noqa: B023
    assert user.is_still("target-1")
    assert len(user.rows("target-1")) == seen + 2

    user.key("c")
    user.wait_for((user.out / "screenshot-1.png").is_file)
    user.key("2")
    user.key("Delete")
    user.wait_for((user.out / "target-2" / "boxes.csv").is_file)
    user.key("v")
    user.key("space")
    user.wait_for(lambda: len(user.rows("target-1")) >= seen + 6)
    user.key("q")
    output = user.ended()

    rows = user.rows("target-1")
    assert f"{len(rows)} frames: {user.out / 'target-1' / 'boxes.csv'}" in output
    assert [int(row["frame"]) for row in rows] == list(range(len(rows)))
    boxes = np.array([[float(row[key]) for key in "xywh"] for row in rows])
    truth = np.array([rendered_frame(i)[1] for i in range(len(rows))])
    assert iou(boxes, truth).min() > 0.6
    assert json.loads((user.out / "target-1" / "run.json").read_text())["ended"] == "closed by the user"
    assert json.loads((user.out / "target-2" / "run.json").read_text())["ended"] == "removed"
    screenshot = cv2.imread(str(user.out / "screenshot-1.png"))
    assert screenshot is not None
    assert screenshot.shape == (240, 320, 3)
    recording = cv2.VideoCapture(str(user.out / "recording-1.mp4"))
    assert recording.get(cv2.CAP_PROP_FRAME_COUNT) >= 4
    recording.release()


def test_closing_the_window_leaves_whole_results(desk: Callable[..., Desk], screen: dict[str, str]) -> None:
    x, y, w, h = rendered_frame(0)[1]
    user = desk("--box", f"{x},{y},{w},{h}")
    user.wait_for(lambda: len(user.rows("target-1")) >= 4)
    close_window(screen, int(user.window))
    user.ended()
    rows = user.rows("target-1")
    assert json.loads((user.out / "target-1" / "run.json").read_text())["ended"] == "closed by the user"
    assert (user.out / "target-1" / "boxes.csv").is_file()
    assert [int(row["frame"]) for row in rows] == list(range(len(rows)))
    assert len((user.out / "target-1" / "boxes.txt").read_text().splitlines()) == len(rows) >= 4
