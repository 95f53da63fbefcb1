from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from siamtrack.batch.lock import FolderLock
from siamtrack.errors import OutputError

pytest.importorskip("fcntl")


def test_one_at_a_time(tmp_path: Path) -> None:
    out = tmp_path / "new/out"
    with FolderLock(out):
        began = time.monotonic()
        with pytest.raises(OutputError, match=r"another batch \(process \d+ on .*\) is writing into"):
            FolderLock(out)
        assert time.monotonic() - began < 1
    with FolderLock(out):
        pass


def test_workers_of_a_killed_driver_are_waited_for(tmp_path: Path) -> None:
    # The driver is gone at once; what it started holds the lock for two seconds more.
    code = (
        "import os, subprocess, sys; from pathlib import Path; from siamtrack.batch.lock import FolderLock; "
        f"lock = FolderLock(Path({str(tmp_path)!r})); "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(2)'], pass_fds=[lock.fileno()]); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    began = time.monotonic()
    with FolderLock(tmp_path):
        assert 0.5 < time.monotonic() - began < 10


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        FolderLock(tmp_path / "file")
