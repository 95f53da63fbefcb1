"""What the package asks of the machine: its memory, its processor, what is installed, a screen."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from pathlib import Path

from siamtrack.errors import DisplayError


def resident_mb() -> float:
    """Resident memory of this process now, MB (a million bytes); where there is no /proc, the most that it ever was."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return _ever_mb()
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    """The most resident memory since `forget_peak`, MB; where that cannot be done, ever."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return _ever_mb()
    kilobytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kilobytes[0]) * 1024 / 1e6 if kilobytes else _ever_mb()


def forget_peak() -> None:
    """Let `peak_mb` begin anew, on systems that can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def give_memory_back() -> None:
    """Let the system have what is free, where the C library is glibc.

    It keeps a store of free memory for each of eight threads a core, as large as the most that one of them ever used. Threads
    that come and go with every video get another store each time: the process grows, though it needs no more.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library, or none that can be asked
        ctypes.CDLL(None).malloc_trim(0)


def _ever_mb() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def processor_name() -> str:
    """What the system calls its processor."""
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@functools.cache
def versions() -> dict[str, str]:
    """Versions of everything that a result depends on; those of backends where they are installed. Not to be changed: a live
    server asks for each visitor, and packages are slow to look up."""
    import importlib.metadata
    import platform

    import cv2
    import numpy as np

    from siamtrack import __version__

    found = {
        "siamtrack": __version__,
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
    }
    for name in ("av", "onnxruntime", "torch", "openvino"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def display_problem() -> str | None:
    """Why no window can be opened here, in a few words; None if one can.

    The last test opens a window in a child process: without a usable screen, the Qt inside
    opencv-python's wheel does not raise, it aborts the process that asked.
    """
    import subprocess

    import cv2

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
    """Raise a DisplayError if no window can be opened; its message ends with what to do `instead`."""
    problem = display_problem()
    if problem:
        raise DisplayError(f"no window can be shown: {problem}; {instead}")


_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1); cv2.destroyAllWindows()"
