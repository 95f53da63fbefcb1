"""What the package asks of the system: files from outside, files written whole, a cache folder, threads and processes.

Every command imports this file, so what few need is imported where it is used.
"""

from __future__ import annotations

import io
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from siamtrack.errors import DataError, OutputError, SiamtrackError, one_line, system_reason

MIB = 2**20

MAX_TEXT = 256 * MIB
"""Bytes of a text file: boxes, lists and tables of some million lines."""


def open_file(path: Path, most: int, error: type[SiamtrackError] = DataError) -> BinaryIO:
    """Open a file from outside to read its bytes. Pipes and devices are refused: to read them may take for ever.

    Args:
        path: links are followed. most: bytes that such a file may have. error: what is raised.

    Raises:
        FileNotFoundError: there is no such file.
        SiamtrackError: of the class given; not a regular file, too large, or it may not be read.
    """
    try:
        status = os.stat(path)
        kind = next((name for test, name in _KINDS if test(status.st_mode)), None)
        if kind is not None:
            raise error(f"{one_line(path)} is a {kind}; give a file")
        if status.st_size > most:
            raise error(f"{one_line(path)} has {status.st_size} bytes; such a file has at most {most}")
        # Without waiting: what was a file may be a pipe by now.
        return open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    except FileNotFoundError as problem:
        raise FileNotFoundError(f"{one_line(path)} not found") from problem
    except SiamtrackError:
        raise
    except (OSError, ValueError) as problem:  # ValueError: a NUL in its name
        raise error(f"{one_line(path)} cannot be read ({system_reason(problem)}); mend that, or give another file") from problem


def read_file(path: Path, most: int, error: type[SiamtrackError] = DataError) -> bytes:
    """The bytes of a file from outside; arguments and errors as for `open_file`."""
    try:
        with open_file(path, most, error) as stream:
            data = stream.read(os.fstat(stream.fileno()).st_size + 1)  # memory is taken for as much as is asked for
            while len(data) <= most and (more := stream.read(MIB)):  # files of /proc have no size
                data += more
    except (SiamtrackError, FileNotFoundError):
        raise
    except OSError as problem:
        raise error(f"{one_line(path)} cannot be read ({system_reason(problem)})") from problem
    if len(data) > most:
        raise error(f"{one_line(path)} has more than {most} bytes; such a file has less")
    return data


def read_text(path: Path, most: int = MAX_TEXT, error: type[SiamtrackError] = DataError) -> str:
    """A UTF-8 text file from outside, with or without a byte order mark; arguments and errors as for `open_file`."""
    try:
        return read_file(path, most, error).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as problem:
        raise error(
            f"{one_line(path)} is not UTF-8 text ({problem.reason} at byte {problem.start}); save it as UTF-8"
        ) from problem


def open_text(path: Path, most: int = MAX_TEXT) -> TextIO:
    """Open a UTF-8 text file from outside, to read it line by line, line ends as they are; arguments and errors as for
    `open_file`. What is not UTF-8 raises `UnicodeDecodeError` when it is reached.
    """
    return io.TextIOWrapper(open_file(path, most), encoding="utf-8-sig", newline="")


_KINDS = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
    (stat.S_ISSOCK, "socket"),
)


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
    """Write a user's file whole or not at all, text as UTF-8, at once or in pieces; an OutputError where that cannot be."""
    try:
        pieces = (data,) if isinstance(data, (str, bytes)) else data
        replace_file(path, (piece.encode() if isinstance(piece, str) else piece for piece in pieces))
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})") from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it; an OutputError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be made ({error.strerror}); give --out a folder that can") from error


def write_folder(folder: Path, files: Mapping[str, str | bytes], advice: str = "give --out a folder that can") -> None:
    """Write files into a folder, which is made if missing, each whole or not at all, in the order in which they are given.

    Args:
        files: their contents by name; text as UTF-8. advice: what an error ends with.

    Raises:
        OutputError: the folder cannot be made, or a file not written. Those before it are there, and of it and those after
            it whatever was there before.
    """
    path = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            path = folder / name
            replace_file(path, data.encode() if isinstance(data, str) else data)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}); {advice}") from error


def remove_files(paths: Iterable[Path]) -> None:
    """Remove those files that are there; an OutputError where one cannot be."""
    try:
        for path in paths:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{error.filename} cannot be removed ({error.strerror})") from error


def cache_folder(kind: str) -> Path:
    """`$SIAMTRACK_CACHE/kind`, else `~/.cache/siamtrack/kind` (`XDG_CACHE_HOME` has its say). It may not exist."""
    given = os.environ.get("SIAMTRACK_CACHE")
    if given:
        return Path(given) / kind
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(home) if home else Path.home() / ".cache") / "siamtrack" / kind
    except RuntimeError:  # a user without a home
        import tempfile

        return Path(tempfile.gettempdir()) / f"siamtrack-{os.getuid() if hasattr(os, 'getuid') else 0}" / kind


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel on its first call and keep the machine code in the user's cache folder.

    Numba would keep it beside the source: impossible in a read-only install, and in any other it leaves files behind that
    outlive `pip uninstall` and hide the next install of the package. NUMBA_CACHE_DIR still has the last word. Where the
    folder cannot be made, the kernel is compiled anew in every process.
    """
    import numba

    config: Any = numba.config
    folder, before = cache_folder("numba"), config.CACHE_DIR
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return numba.njit(nogil=True)(function)
    config.CACHE_DIR = before or str(folder)
    try:
        return numba.njit(cache=True, nogil=True)(function)
    finally:
        config.CACHE_DIR = before


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
    import multiprocessing

    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sorting key by which numbers in a text count as numbers: `target-2` comes before `target-10`."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def natural_path(path: Path) -> list[tuple[int, int, str]]:
    """The same key of a path, by its last name."""
    return natural(path.name)
