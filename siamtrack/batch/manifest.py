"""Manifests: a CSV or JSONL file with a target a line.

CSV has the header `video,target,start,x,y,w,h` in any order, and `end` and `direction` if wanted; JSONL has an object with
these keys on each line. `start` and `end` are 0-based frames: that of the box, and the last one that is tracked; `end` that
is empty, null or left out means the video's last. `direction` is `forward`, which empty means, `backward` or `both`:
backward, `end` lies before `start`, and left out it means frame 0. Paths are relative to the manifest, and addresses stay as
they are. A line that cannot be used is refused by itself.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from siamtrack.batch.jobs import JobList, Refusal, TargetJob, VideoJob, completed
from siamtrack.config import nearest
from siamtrack.errors import DataError, one_line, shown
from siamtrack.outside import parse_json, whole
from siamtrack.system import open_text
from siamtrack.video.names import is_address, printable, source_name, without_secrets

SUFFIXES = (".csv", ".jsonl")
COLUMNS = ("video", "target", "start", "x", "y", "w", "h")
OPTIONAL = ("end", "direction")

Row = tuple[int, Mapping[str, Any] | str]
"""A line's number, and its cells by column, or what is wrong with it."""


def read_manifest(path: Path, video: str | None = None) -> JobList:
    """Read a manifest.

    Args:
        path: the file.
        video: what all its lines are of, for one without the column `video`.

    Raises:
        DataError: it cannot be read, or its header lacks a column or has one too many.
    """
    root = os.path.abspath(path.parent)
    refused: list[Refusal] = []
    videos: dict[str, dict[str, tuple[TargetJob, str]]] = {}  # by path and folded name: a target, and where it was named
    for number, row in _rows(path, COLUMNS if video is None else COLUMNS[1:]):
        where = f"{path.name}, line {number}"
        if isinstance(row, str):
            refused.append(Refusal(where, video or "", "", row))
            continue
        named, name = row.get("video", video), row["target"]
        label = source_name(str(named))
        try:
            place = _path(root, named)
            start, end = _frame(row, "start") or 0, _frame(row, "end")
            target = TargetJob(_text(name, "target"), _box(row), start, end, row.get("direction") or "forward")
            wrong = target.problem()
            if wrong is not None:
                raise DataError(wrong)
            earlier = videos.setdefault(place, {}).setdefault(target.name.casefold(), (target, where))
            if earlier[1] != where:
                raise DataError(f"target {target.name!r} of {label} is given twice; {earlier[1]} has it already")
        except DataError as error:
            refused.append(Refusal(where, label, printable(str(name)), str(error)))
    jobs = [VideoJob(at, tuple(one for one, _ in targets.values()), label=_label(root, at)) for at, targets in videos.items()]
    return JobList(completed(jobs), tuple(refused))


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    number = 0
    try:
        with open_text(path) as stream:
            is_json = path.suffix.lower() == ".jsonl"
            for number, row in _json_rows(stream, columns) if is_json else _csv_rows(path, stream, columns):
                yield number, row
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (after line {number}); save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path} is not CSV after line {number} ({error}); is a quote left open?") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def _csv_rows(path: Path, stream: TextIO, columns: tuple[str, ...]) -> Iterator[Row]:
    reader = csv.reader(stream, strict=True)
    header = [cell.strip() for cell in next(reader, [])]
    wrong = _keys_problem(header, columns, "column")
    if wrong is not None:
        raise DataError(f"{path}, line 1: {wrong}; wanted is {','.join(columns)}, and end if targets end early")
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            yield reader.line_num, f"{len(row)} columns, the header has {len(header)}; quote a path with a comma"
        else:
            yield reader.line_num, {key: cell.strip() for key, cell in zip(header, row, strict=True)}


def _json_rows(stream: TextIO, columns: tuple[str, ...]) -> Iterator[Row]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line, shown(without_secrets(line.strip())[:60]))
        except DataError as error:
            yield number, str(error)
            continue
        if isinstance(row, dict):
            yield number, _keys_problem(list(row), columns, "key") or row
        else:
            yield number, f"{shown(without_secrets(line.strip())[:60])} is not an object with the keys {', '.join(columns)}"


def _keys_problem(keys: Sequence[str], columns: tuple[str, ...], kind: str) -> str | None:
    """What is wrong with a header's columns or an object's keys; None if nothing."""
    for key in keys:
        if key not in columns + OPTIONAL:
            parted = re.search("[;\t]", key) and f"part {kind}s by commas"
            return f"unknown {kind} {shown(key)}; {parted or nearest(one_line(key), columns + OPTIONAL)}"
        if keys.count(key) > 1:
            return f"{kind} {key!r} is there twice"
    missing = [key for key in columns if key not in keys]
    return f"no {kind} {', '.join(missing)} in {shown(','.join(keys))}" if missing else None


def _path(root: str, video: Any) -> str:
    text = _text(video, "video")
    if any(ord(letter) < 32 for letter in text):
        raise DataError(f"the path {source_name(text)[:60]!r} holds a control character")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise DataError(f"the path {printable(text)[:60]!r} holds half of a surrogate pair; no file has such a name") from error
    if is_address(text):
        return text
    text = text.replace("\\", "/")
    return os.path.normpath(os.path.join(root, text))


def _label(root: str, path: str) -> str:
    """Relative to the manifest if the video lies below it: then manifest and videos can be moved together."""
    inside = path.startswith(root.rstrip(os.sep) + os.sep)
    return (os.path.relpath(path, root) if inside else path).replace(os.sep, "/")


def _text(value: Any, what: str) -> str:
    # Numbers are good names, and CSV cannot tell them from text.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{what} is {shown(value)}; a name is wanted")
    return value.strip()


def _box(cells: Mapping[str, Any]) -> tuple[float, float, float, float]:
    values = []
    for key in "xywh":
        try:
            number = math.nan if isinstance(cells[key], bool) else float(cells[key])
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise DataError(f"{key} is {shown(str(cells[key]))}; a finite number of pixels is wanted")
        values.append(number)
    return values[0], values[1], values[2], values[3]


def _frame(cells: Mapping[str, Any], key: str) -> int | None:
    value = cells.get(key)
    if key in OPTIONAL and value in (None, ""):
        return None
    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        return whole(int(str(value)[:30]), key)
    except (TypeError, ValueError) as error:
        raise DataError(f"{key} is {shown(str(value))}; a whole number of a frame, counted from 0, is wanted") from error
