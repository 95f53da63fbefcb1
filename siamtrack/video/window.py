"""Whether there can be a window."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2

from siamtrack.errors import DisplayError

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
