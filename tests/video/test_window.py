"""A real window on a real (virtual) screen, driven by a real mouse."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from screens import close_window, needs_screen, virtual_screen, xdotool

pytestmark = [needs_screen, pytest.mark.slow]


@pytest.fixture
def screen() -> Iterator[dict[str, str]]:
    with virtual_screen() as environment:
        yield environment


def wait_for_window(screen: dict[str, str], process: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = xdotool(screen, "search", "--name", "^siamtrack$").splitlines()
        if found:
            time.sleep(1.0)  # the window exists before it takes the mouse
            return found[-1]
        time.sleep(0.2)
    raise AssertionError(f"no window came up: {process.communicate(timeout=10)}")


def test_a_box_drawn_with_the_mouse_is_the_target(screen: dict[str, str], clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "siamtrack", "track", str(clip), "--select", "--show", "--out", str(out)]
    process = subprocess.Popen(command, env=screen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        window = wait_for_window(screen, process)
        for action in (
            ("mousemove", "--window", window, 70, 120),
            ("mousedown", 1),
            ("mousemove", "--window", window, 90, 140),
        ):
            xdotool(screen, *action)
            time.sleep(0.2)
        xdotool(screen, "mousemove", "--window", window, 110, 170)
        time.sleep(0.2)
        xdotool(screen, "mouseup", 1)
        time.sleep(0.2)
        xdotool(screen, "key", "Return")
        output, errors = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "20 frames" in output
    _, _, w, h = (float(value) for value in (out / "boxes.txt").read_text().splitlines()[0].split(","))
    # Qt puts a toolbar above the picture and stretches it to the toolbar's width, so the drag of 40 x 50 window
    # pixels is somewhat narrower in the frame.
    assert 30 <= w <= 42
    assert 45 <= h <= 55


def test_closing_the_window_ends_the_run_with_its_results(
    screen: dict[str, str], write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip, out = write_clip(tmp_path / "clip.mp4", frames=300), tmp_path / "run"
    command = [sys.executable, "-m", "siamtrack", "track", str(clip), "--box", "60,80,40,50", "--show", "--out", str(out)]
    process = subprocess.Popen(command, env=screen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        close_window(screen, int(wait_for_window(screen, process)))
        output, errors = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert 1 <= len((out / "boxes.txt").read_text().splitlines()) < 300, output
