"""How much memory this process holds, and the most that it held, in MB (a million bytes)."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc/self")


def resident_mb() -> float:
    """Resident memory now; where there is no /proc, the most that it ever was."""
    try:
        pages = int((_PROC / "statm").read_text().split()[1])
    except OSError:
        return _ever_mb()
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    """The most resident memory since `forget_peak`; where that cannot be done, ever."""
    try:
        status = (_PROC / "status").read_text()
    except OSError:
        return _ever_mb()
    kilobytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kilobytes[0]) * 1024 / 1e6 if kilobytes else _ever_mb()


def forget_peak() -> None:
    """Let `peak_mb` begin anew, on systems that can."""
    try:
        (_PROC / "clear_refs").write_text("5")
    except OSError:
        return


def _ever_mb() -> float:
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
