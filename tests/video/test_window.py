"""A real window on a real (virtual) screen, driven by a real mouse."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commands import wait_until
from screens import close_window, needs_screen, virtual_screen, xdotool

pytestmark = [needs_screen, pytest.mark.slow]


@pytest.fixture
def screen() -> Iterator[dict[str, str]]:
    with virtual_screen() as environment:
        yield environment


@contextmanager
def tracking(screen: dict[str, str], *arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`siamtrack track` in a process of its own, and its window, which takes the mouse."""
    command = [sys.executable, "-m", "siamtrack", "track", *map(str, arguments)]
    process = subprocess.Popen(command, env=screen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def windows() -> list[str]:
        return xdotool(screen, "search", "--name", "^siamtrack track$").splitlines()

    try:
        wait_until(windows, process)
        assert process.poll() is None, f"no window came up: {process.communicate(timeout=10)}"
        time.sleep(1.0)  # the window exists before it takes the mouse
        yield process, windows()[-1]
    finally:
        process.kill()


def size_of(screen: dict[str, str], window: str) -> tuple[int, int]:
    told = dict(line.split("=") for line in xdotool(screen, "getwindowgeometry", "--shell", window).splitlines())
    return int(told["WIDTH"]), int(told["HEIGHT"])


def test_a_box_drawn_with_the_mouse_is_the_target(screen: dict[str, str], clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with tracking(screen, clip, "--select", "--show", "--out", out) as (process, window):
        factor = size_of(screen, window)[1] / 240
        corners = [(round(x * factor), round(y * factor)) for x, y in ((60, 80), (80, 100), (100, 130))]
        moves = [("mousemove", "--window", window, x, y) for x, y in corners]
        for action in (moves[0], ("mousedown", 1), *moves[1:], ("mouseup", 1)):
            xdotool(screen, *action)
            time.sleep(0.2)
        output, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    assert "20 frames" in output
    x, y, w, h = (float(value) for value in (out / "boxes.txt").read_text().splitlines()[0].split(","))
    assert (x, y, w, h) == pytest.approx((60, 80, 40, 50), abs=1)


@pytest.mark.parametrize(("how", "status"), [("close", 2), (signal.SIGTERM, 143)])
def test_whoever_draws_nothing_gets_one_line(
    screen: dict[str, str], write_clip: Callable[..., Path], tmp_path: Path, how: str | int, status: int
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 2, (3840, 2160))
    with tracking(screen, clip, "--select", "--out", tmp_path / "run") as (process, window):
        width, height = size_of(screen, window)
        assert width <= 1280
        assert height <= 800
        if isinstance(how, str):
            close_window(screen, int(window))
        else:
            process.send_signal(how)
        output, errors = process.communicate(timeout=90)
    assert (process.returncode, errors.count("\n"), output) == (status, 1, ""), errors
    assert "no box was drawn" in errors or "stopped before a frame was tracked" in errors
    assert not (tmp_path / "run").exists()


def test_closing_the_window_ends_the_run_with_its_results(
    screen: dict[str, str], write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip, out = write_clip(tmp_path / "clip.mp4", frames=300), tmp_path / "run"
    with tracking(screen, clip, "--box", "60,80,40,50", "--show", "--out", out) as (process, window):
        close_window(screen, int(window))
        output, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    assert 1 <= len((out / "boxes.txt").read_text().splitlines()) < 300, output
