"""A lock on a folder that dies with the processes that hold it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import sys
import time
from pathlib import Path

from siamtrack.errors import OutputError

NAME = ".siamtrack.lock"
PATIENCE_S = 20.0
"""Seconds to wait for the workers of a killed driver, which end by themselves."""


class FolderLock:
    """Lets one run at a time, of `track` or `batch`, write into a folder.

    Where the system has `flock`, workers hold the lock too (`fileno`, handed on when they are started): results of a
    killed driver's workers cannot mix with those of the next. On a file system without locks nothing is locked.

    Args:
        folder: is made if missing.

    Raises:
        OutputError: another run is writing there, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{folder} cannot be written ({error.strerror}); give --out a folder that can") from error
        try:
            self._take(folder)
            self._file.truncate(0)
            self._file.write(json.dumps({"pid": os.getpid(), "host": platform.node()}))
            self._file.flush()
        except OutputError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise OutputError(f"{folder / NAME} cannot be written ({error.strerror}); give --out a folder that can") from error

    def fileno(self) -> int:
        """File descriptor that holds the lock."""
        return self._file.fileno()

    def close(self) -> None:
        """Give the lock back, and remove its file."""
        with contextlib.suppress(OSError):  # Windows removes no open file
            if self._is_there():
                self._path.unlink()
        with contextlib.suppress(OSError):  # what a full disk did not take is written once more
            self._file.close()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, folder: Path) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not lock_file(self._file.fileno()) or not self._is_there():
            if not self._is_there():  # whoever had it has removed it: the lock is on nothing
                self._file.close()
                self._file = self._path.open("a+", encoding="utf-8")
                continue
            owner, ending = self._owner()
            if not ending or time.monotonic() > deadline:
                raise OutputError(f"another run{owner} is writing into {folder}; wait for its end, or give another --out")
            time.sleep(0.1)

    def _is_there(self) -> bool:
        """Whether the file that is open is the one in the folder."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path))
        except OSError:
            return False

    def _owner(self) -> tuple[str, bool]:
        """Who took the lock, for a message, and whether only its workers are left."""
        try:
            self._file.seek(0)
            found = json.loads(self._file.read())
            pid, host = int(found["pid"]), str(found["host"])
        except (ValueError, KeyError, TypeError):
            return "", False
        return f" (process {pid} on {host})", host == platform.node() and not _alive(pid)


if sys.platform == "win32":
    import msvcrt

    def lock_file(descriptor: int) -> bool:
        """Take the lock of an open file, which goes with the process; False if another has it, True where nothing can."""
        try:
            os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # a byte far after the text: what is locked cannot be read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _alive(pid: int) -> bool:
        return True  # to ask would be to end it: os.kill knows no signal 0 there

else:
    import fcntl

    def lock_file(descriptor: int) -> bool:
        """Take the lock of an open file, which goes with the process; False if another has it, True where nothing can."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
        return True

    def _alive(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except OSError as error:
            return error.errno != errno.ESRCH
        return True
