"""A session's results for a download: each file whole, also of targets that are still followed, in a zip that is made while
it is sent."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from siamtrack.labels.label_forms import export
from siamtrack.labels.label_selection import TARGET, LabelOptions
from siamtrack.labels.tracks import load_tracks
from siamtrack.system import open_text
from siamtrack.video.rows import PARTIAL_CSV

CHUNK = 2**18
"""Bytes of a download that are read and packed at a time."""

FIRST_DATE, LAST_DATE = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)
"""Dates that a zip can hold: a device without a clock starts in 1970."""

Content = Path | Callable[[], Iterator[bytes]]
"""What a file of the zip holds: what a file on the disk does, or what a function gives piece by piece."""

_PACKED = (".mp4", ".png")
_UNFINISHED = (".part", ".partial.mp4")


def result_files(folder: Path, running: Mapping[str, dict[str, Any]] | None = None) -> dict[str, Content]:
    """The files of a session by their names in the zip: those that are finished, and for a target that is followed now, or
    was when the process was killed, the same ones up to its last row.

    Links are left out, so nothing outside the folder can be reached.

    Args:
        folder: of the session. running: what run.json would say of targets that are followed now, by their names.
    """
    found: dict[str, Content] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not Path(parent, name).is_symlink())
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or name.endswith(_UNFINISHED) or not path.is_file() or path.is_symlink():
                continue
            if name == PARTIAL_CSV:
                found |= _so_far(path, path.relative_to(folder).parent.as_posix(), (running or {}).get(path.parent.name))
            else:
                found[path.relative_to(folder).as_posix()] = path
    return found


def zip_stream(files: Mapping[str, Content]) -> Iterator[bytes]:
    """The bytes of a zip of files, by their names in it, made while they are sent: nothing is gathered in memory or on the
    disk. A file that has gone meanwhile is left out."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", allowZip64=True) as archive:
        for name, content in files.items():
            try:
                status = content.stat() if isinstance(content, Path) else None
                pieces = _read(content)
                first = next(pieces, b"")  # opens it: a target that was renamed meanwhile has another folder
            except OSError:
                continue
            when = time.localtime(status.st_mtime if status else None)[:6]
            entry = zipfile.ZipInfo(name, min(max(when, FIRST_DATE), LAST_DATE))
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(_PACKED) else zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=status is not None and status.st_size > 2**31) as target:
                for piece in chain([first], pieces):
                    target.write(piece)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


def label_zip(files: Mapping[str, Content], form: str) -> bytes:
    """A zip of results as labels.

    Args:
        files: as `result_files` gives them. form: of `labels.label_forms.FORMS`.

    Raises:
        SiamtrackError: there are none, or they cannot be exported in this form.
    """
    with tempfile.TemporaryDirectory(prefix="siamtrack-") as name:
        results, labels = Path(name, "results"), Path(name, "labels")
        results.mkdir()
        write_files(files, results)
        export(load_tracks(results), form, labels, LabelOptions(label=TARGET))
        return b"".join(zip_stream(result_files(labels)))


def write_files(files: Mapping[str, Content], folder: Path) -> None:
    """Write small files, videos and pictures left out, into a folder."""
    for name, content in files.items():
        if not name.endswith(_PACKED):
            try:
                data = b"".join(_read(content))
            except OSError:  # gone meanwhile
                continue
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _read(content: Content) -> Iterator[bytes]:
    if isinstance(content, Path):
        with content.open("rb") as source:
            while chunk := source.read(CHUNK):
                yield chunk
    else:
        yield from content()


def _so_far(partial: Path, prefix: str, about: dict[str, Any] | None) -> dict[str, Content]:
    """The files of a run that is not finished, by their names."""
    files: dict[str, Content] = {"boxes.csv": lambda: _pieces(_rows(partial)), "boxes.txt": lambda: _pieces(_boxes(partial))}
    if about is not None:
        text = json.dumps(about, indent=2, sort_keys=True, default=str) + "\n"
        files["run.json"] = lambda: iter((text.encode(),))
    return {f"{prefix}/{name}": content for name, content in files.items()}


def _rows(partial: Path) -> Iterator[str]:
    """The lines that are written whole."""
    path = partial if partial.exists() else partial.with_name("boxes.csv")  # finished since it was listed
    with open_text(path) as lines:
        yield from (line for line in lines if line.endswith("\n"))


def _boxes(partial: Path) -> Iterator[str]:
    return (",".join(row[key] for key in "xywh") + "\n" for row in csv.DictReader(_rows(partial)))


def _pieces(lines: Iterator[str]) -> Iterator[bytes]:
    """Text in pieces of about `CHUNK`."""
    gathered = bytearray()
    for line in lines:
        gathered += line.encode()
        if len(gathered) >= CHUNK:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


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
