"""A session's results as one zip, made while it is sent: nothing is gathered in memory or on the disk."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHUNK = 2**18

_PACKED = (".mp4", ".png")
_UNFINISHED = (".part", ".partial.mp4")


def result_files(folder: Path) -> dict[str, Path]:
    """The finished files of a session, and the rows of targets that are still followed, by their names in the zip.

    Links are left out, so nothing outside the folder can be reached.
    """
    found = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not Path(parent, name).is_symlink())
        for name in sorted(names):
            path = Path(parent, name)
            if not name.endswith(_UNFINISHED) and path.is_file() and not path.is_symlink():
                found[path.relative_to(folder).as_posix()] = path
    return found


def zip_stream(files: dict[str, Path]) -> Iterator[bytes]:
    """The bytes of a zip of files, by their names in it. A file that has gone meanwhile is left out."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", allowZip64=True) as archive:
        for name, path in files.items():
            try:
                source = path.open("rb")
            except OSError:
                continue
            with source:
                status = os.stat(source.fileno())
                entry = zipfile.ZipInfo(name, time.localtime(status.st_mtime)[:6])
                entry.compress_type = zipfile.ZIP_STORED if name.endswith(_PACKED) else zipfile.ZIP_DEFLATED
                with archive.open(entry, "w", force_zip64=status.st_size > 2**31) as target:
                    while chunk := source.read(CHUNK):
                        target.write(chunk)
                        yield sink.taken()
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A stream that cannot go back, and gives away what was written."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: Any) -> int:
        """Keep bytes until they are taken."""
        self._data += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self._data)
        self._data.clear()
        return data
