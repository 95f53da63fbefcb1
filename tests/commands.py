"""The command line as tests call it, in a process of its own or in this one, and what it leaves."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from siamtrack.cli import main

Command = Callable[..., subprocess.CompletedProcess[str]]


def environment() -> dict[str, str]:
    # No test may depend on a screen; PYTHONUNBUFFERED keeps the order of what is printed.
    return {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}


def siam(*arguments: object, **kwargs: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "siamtrack", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment(), **kwargs)  # type: ignore[call-overload]


def called(*arguments: object) -> subprocess.CompletedProcess[str]:
    """As `siam` in this process, which has torch already: for fixtures of a module. Tests have `here`."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["siamtrack", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
    return subprocess.CompletedProcess(arguments, int(end.value.code or 0), out.getvalue(), err.getvalue())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def frames_of(folder: Path) -> list[int]:
    """The numbers of the frames in a folder's boxes.csv."""
    return [int(row["frame"]) for row in rows_of(folder / "boxes.csv")]


def files_of(out: Path) -> dict[str, bytes]:
    """What a batch writes of the same jobs whenever it runs: all but files that hold times."""
    left_out = ("run.json", "summary.csv", "summary.json", ".siamtrack.lock")
    files = (path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in left_out)
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def wait_until(true: Callable[[], object], process: subprocess.Popen[Any] | None = None, within_s: float = 60.0) -> None:
    """Wait for what another thread or process does; no longer, if that process has ended."""
    deadline = time.monotonic() + within_s
    while not true() and (process is None or process.poll() is None):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """One line on stderr, status 2, and nothing that looks like a traceback."""
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("siamtrack: error: ")
    for word in words:
        assert word in result.stderr
