"""What the package asks of the system: files written whole, a cache folder, processes, memory, names in natural order."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import re
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

from siamtrack.errors import OutputError


def replace_file(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file, at once or piece by piece, under a temporary name, bring it to the disk, and rename it.

    Raises:
        OSError: it cannot be written; nothing is left behind, and what was there before is still there.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as stream:
            stream.writelines((data,) if isinstance(data, bytes) else data)
            stream.flush()
            os.fsync(stream.fileno())  # some file systems say only here that they are full
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, data: str | bytes | Iterable[str]) -> None:
    """Write a user's file whole or not at all; text as UTF-8, at once or piece by piece.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        pieces = (data,) if isinstance(data, (str, bytes)) else data
        replace_file(path, (piece.encode() if isinstance(piece, str) else piece for piece in pieces))
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})") from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be made ({error.strerror}); give --out a folder that can") from error


def cache_folder(kind: str) -> Path:
    """`$SIAMTRACK_CACHE/kind`, else `~/.cache/siamtrack/kind` (`XDG_CACHE_HOME` has its say). It may not exist."""
    given = os.environ.get("SIAMTRACK_CACHE")
    if given:
        return Path(given) / kind
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(home) if home else Path.home() / ".cache") / "siamtrack" / kind
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / f"siamtrack-{os.getuid() if hasattr(os, 'getuid') else 0}" / kind


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


MOST_THREADS = 8
"""Threads of a network: one crop's maps hold no work for more, and each of them must be woken for every layer."""

_threads: int | None = None


def limit_threads(count: int | None) -> None:
    """Let networks made from now on, OpenCV and PyTorch compute with so many threads; None: as many as pay."""
    import cv2

    global _threads
    _threads = count
    cv2.setNumThreads(network_threads())
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(network_threads())


def network_threads() -> int:
    """Threads of a network: what `limit_threads` said; else the cores there are, but `OMP_NUM_THREADS` and 8 at most."""
    if _threads is not None:
        return _threads
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(int(asked) if asked.isdecimal() else MOST_THREADS, usable_cores(), MOST_THREADS))


def leave_with_parent() -> None:
    """End this process when the one that started it has ended: a parent that is killed can end nobody any more.

    Without it the processes of a `ProcessPoolExecutor` work on at what is in their queue, beside the run that was
    started anew, and then wait for ever.
    """
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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


def _ever_mb() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def processor_name() -> str:
    """What the system calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of everything that a result depends on; those of backends where they are installed."""
    import importlib.metadata

    import cv2
    import numpy as np

    from siamtrack import __version__

    found = {
        "siamtrack": __version__,
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
    }
    for name in ("onnxruntime", "torch", "openvino"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sorting key by which numbers in a text count as numbers: `target-2` comes before `target-10`."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def natural_path(path: Path) -> list[tuple[int, int, str]]:
    """The same key of a path, by its last name."""
    return natural(path.name)
