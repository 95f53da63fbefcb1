"""Manifests: a CSV or JSONL file with a target a line.

CSV has the header `video,target,start,x,y,w,h` in any order, and `end` if wanted; JSONL has an object with these keys
on each line. `start` and `end` are 0-based frames; `end` is the last one that is tracked, and empty, null or left out
means the video's last. Paths are relative to the manifest. A line that cannot be used is refused by itself.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from siamtrack.batch.jobs import JobList, Refusal, TargetJob, VideoJob, named
from siamtrack.batch.names import folded
from siamtrack.config import nearest
from siamtrack.errors import DataError

SUFFIXES = (".csv", ".jsonl")
COLUMNS = ("video", "target", "start", "x", "y", "w", "h")
OPTIONAL = ("end",)

Row = tuple[int, Mapping[str, Any] | str]
"""A line's number, and its cells by column, or what is wrong with it."""


def read_manifest(path: Path) -> JobList:
    """Read a manifest of many videos.

    Raises:
        DataError: it cannot be read, or its header lacks a column or has one too many.
    """
    found = Collector(path.parent)
    for number, row in _rows(path, COLUMNS):
        where = f"{path.name}, line {number}"
        if isinstance(row, str):
            found.refuse(where, row)
        else:
            found.add(where, row)
    return found.jobs()


def read_targets(path: Path) -> tuple[list[TargetJob], list[Refusal]]:
    """Read the box file of one video: a manifest in CSV without the column `video`.

    Raises:
        DataError: as `read_manifest` raises it.
    """
    found = Collector(path.parent)
    for number, row in _rows(path, COLUMNS[1:]):
        where = f"{path.name}, line {number}"
        if isinstance(row, str):
            found.refuse(where, row, path.stem)
        else:
            found.add(where, {**row, "video": path.stem})
    return [target for video in found.jobs().videos for target in video.targets], found.refused


class Collector:
    """Gathers the targets of a manifest's lines by video.

    Args:
        root: folder that paths are relative to.
    """

    def __init__(self, root: Path) -> None:
        self.refused: list[Refusal] = []
        self._root = os.path.abspath(root)
        self._targets: dict[str, dict[str, tuple[TargetJob, str]]] = {}
        """By path and folded name: a target, and where it was named."""

    def add(self, where: str, cells: Mapping[str, Any]) -> None:
        """Take a line, or refuse it."""
        video, name = cells.get("video", ""), cells.get("target", "")
        try:
            path = self._path(video)
            target = TargetJob(_text(name, "target"), _box(cells), _frame(cells, "start") or 0, _frame(cells, "end"))
            wrong = target.problem()
            if wrong is not None:
                raise DataError(wrong)
            earlier = self._targets.setdefault(path, {}).setdefault(folded(target.name), (target, where))
            if earlier[1] != where:
                raise DataError(f"target {target.name!r} of {video} is given twice; {earlier[1]} has it already")
        except DataError as error:
            self.refuse(where, str(error), str(video), str(name))

    def refuse(self, where: str, reason: str, video: str = "", target: str = "") -> None:
        """Note a line that cannot be used."""
        self.refused.append(Refusal(where, video, target, reason))

    def jobs(self) -> JobList:
        """What was taken so far; videos in the order in which they were first named."""
        videos = [
            VideoJob(path, tuple(target for target, _ in targets.values()), label=self._label(path))
            for path, targets in self._targets.items()
            if targets
        ]
        return JobList(named(videos), tuple(self.refused))

    def _path(self, video: Any) -> str:
        text = _text(video, "video").replace("\\", "/")
        if any(ord(letter) < 32 for letter in text):
            raise DataError(f"the path {text[:60]!r} holds a control character")
        return os.path.normpath(os.path.join(self._root, text))

    def _label(self, path: str) -> str:
        """Relative to the manifest if the video lies below it: then manifest and videos can be moved together."""
        inside = path.startswith(self._root.rstrip(os.sep) + os.sep)
        return (os.path.relpath(path, self._root) if inside else path).replace(os.sep, "/")


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    return _json_rows(path, columns) if path.suffix.lower() == ".jsonl" else _csv_rows(path, columns)


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    number = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            header = [cell.strip() for cell in next(reader, [])]
            _check_header(path, header, columns)
            for row in reader:
                number = reader.line_num
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) != len(header):
                    yield number, f"{len(row)} columns, the header has {len(header)}; quote a path with a comma"
                else:
                    yield number, {key: cell.strip() for key, cell in zip(header, row, strict=True)}
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (behind line {number}); save it as UTF-8 CSV") from error
    except csv.Error as error:
        raise DataError(f"{path} is not CSV behind line {number} ({error}); is a quote left open?") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def _check_header(path: Path, header: list[str], columns: tuple[str, ...]) -> None:
    wanted = f"wanted is {','.join(columns)}, and end if targets end early"
    for column in header:
        if column not in columns + OPTIONAL:
            raise DataError(f"{path}, line 1: unknown column {column[:40]!r}; {nearest(column, columns + OPTIONAL)} {wanted}")
        if header.count(column) > 1:
            raise DataError(f"{path}, line 1: column {column!r} is there twice; {wanted}")
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(f"{path}, line 1: no column {', '.join(missing)} in {','.join(header)[:80]!r}; {wanted}")


def _json_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, _json_row(line, columns)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8 JSONL") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def _json_row(line: str, columns: tuple[str, ...]) -> Mapping[str, Any] | str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"{line.strip()[:60]!r} is not JSON ({error})"
    if not isinstance(row, dict):
        return f"{line.strip()[:60]!r} is not an object with the keys {', '.join(columns)}"
    for key in row:
        if key not in columns + OPTIONAL:
            return f"unknown key {key[:40]!r}; {nearest(key, columns + OPTIONAL)}"
    missing = [key for key in columns if key not in row]
    return f"no key {', '.join(missing)}" if missing else row


def _text(value: Any, what: str) -> str:
    # Numbers are good names, and CSV cannot tell them from text.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{what} is {value!r}; a name is wanted")
    return value.strip()


def _box(cells: Mapping[str, Any]) -> tuple[float, float, float, float]:
    values = []
    for key in "xywh":
        try:
            number = math.nan if isinstance(cells[key], bool) else float(cells[key])
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise DataError(f"{key} is {str(cells[key])[:40]!r}; a finite number of pixels is wanted")
        values.append(number)
    return values[0], values[1], values[2], values[3]


def _frame(cells: Mapping[str, Any], key: str) -> int | None:
    value = cells.get(key)
    if key in OPTIONAL and value in (None, ""):
        return None
    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        return int(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise DataError(f"{key} is {str(value)[:40]!r}; a whole number of a frame, counted from 0, is wanted") from error
