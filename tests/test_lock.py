from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

from siamtrack import lock
from siamtrack.errors import OutputError
from siamtrack.lock import FolderLock

pytest.importorskip("fcntl")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each wait for a lock is."""
    found: list[float] = []
    sleep = time.sleep

    def wait(seconds: float) -> None:
        found.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(lock.time, "sleep", wait)
    return found


def test_one_at_a_time(tmp_path: Path, waits: list[float]) -> None:
    out = tmp_path / "new/out"
    with (
        FolderLock(out),
        pytest.raises(OutputError, match=rf"another run \(process {os.getpid()} on .*\) is writing into"),
    ):
        FolderLock(out)
    with FolderLock(out):
        pass
    assert waits == []


def test_workers_of_a_killed_driver_are_waited_for(tmp_path: Path, waits: list[float]) -> None:
    # The driver is gone at once; what it started holds the lock for a second more.
    code = (
        "import os, subprocess, sys; from pathlib import Path; from siamtrack.lock import FolderLock; "
        f"lock = FolderLock(Path({str(tmp_path)!r})); "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1)'], pass_fds=[lock.fileno()]); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    with FolderLock(tmp_path):
        assert waits


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        FolderLock(tmp_path / "file")


def test_a_full_disk_is_told_of_with_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def close(self) -> None:
            raise OSError(28, "No space left on device")

        def truncate(self, _: int) -> None:
            raise OSError(28, "No space left on device")

        def fileno(self) -> int:
            return self._file.fileno()

        def __init__(self, file: IO[str]) -> None:
            self._file = file

    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *given, **named: Full(opened(path, *given, **named)))
    with pytest.raises(OutputError, match=r"siamtrack\.lock cannot be written \(No space left on device\)"):
        FolderLock(tmp_path / "out")
