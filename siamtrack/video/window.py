"""Whether there can be a window, and the plain one of `siamtrack track`; the live one is `siamtrack.live`'s."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2

from siamtrack.boxes import Box
from siamtrack.errors import DisplayError
from siamtrack.frames import Image

_TITLE = "siamtrack"
_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1); cv2.destroyAllWindows()"


def display_problem() -> str | None:
    """Why no window can be opened here, in a few words; None if one can.

    The last test opens a window in a child process: without a usable screen, the Qt inside
    opencv-python's wheel does not raise, it aborts the process that asked.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display (DISPLAY and WAYLAND_DISPLAY are not set)"
    lines = [line.split() for line in cv2.getBuildInformation().splitlines()]
    if ["GUI:", "NONE"] in lines:
        return "this OpenCV is the headless wheel, which has no windows"
    try:
        probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return "the display does not answer"
    return None if probe.returncode == 0 else "the display cannot be used by OpenCV"


def require_display(instead: str) -> None:
    """Check that a window can be opened.

    Raises:
        DisplayError: it cannot; the message ends with what to do `instead`.
    """
    problem = display_problem()
    if problem:
        raise DisplayError(f"no window can be shown: {problem}; {instead}")


def select_box(image: Image) -> Box:
    """Let the user drag a box over a frame; Enter or Space takes it, C or Esc gives up.

    Raises:
        DisplayError: no window can be opened.
        ValueError: no box was drawn.
    """
    require_display("give the box with --box X,Y,W,H")
    x, y, w, h = cv2.selectROI(_TITLE, image, showCrosshair=False)
    cv2.destroyWindow(_TITLE)
    if not w or not h:
        raise ValueError("no box was drawn; drag one over the target and press Enter, or give --box X,Y,W,H")
    return Box(float(x), float(y), float(w), float(h))


def show(image: Image) -> bool:
    """Show a frame. Returns False once the user pressed q or Esc, or closed the window."""
    cv2.imshow(_TITLE, image)
    key = cv2.waitKey(1) & 0xFF
    try:
        return key not in (ord("q"), 27) and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:  # Qt raises instead of answering once the last window is gone
        return False


def close() -> None:
    """Close the window, if there is one."""
    cv2.destroyAllWindows()
