"""Result files of one run: boxes.csv, boxes.txt and run.json in one folder.

Rows go to `boxes.partial.csv` as they come, each flushed, so that a killed process loses no finished frame;
`finish` writes the three files whole, each under a temporary name first.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from siamtrack.boxes import Box
from siamtrack.errors import OutputError
from siamtrack.system import replace_file
from siamtrack.tracking.result import State, TrackResult

COLUMNS = ("frame", "time_s", "x", "y", "w", "h", "score", "state")
PARTIAL = "boxes.partial.csv"
STOPPED = "boxes.stopped.csv"


class ResultWriter:
    """Writes one target's results into a folder.

    Args:
        out: the folder; made if missing. It holds the result files themselves, not a folder of them.

    Attributes:
        stopped_at: last frame of an earlier run in this folder that never finished (its rows are moved to
            `boxes.stopped.csv`), or None.

    Raises:
        OutputError: the folder cannot be made or written.
    """

    def __init__(self, out: str | Path) -> None:
        self.out = Path(out)
        self._partial = self.out / PARTIAL
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            self.stopped_at = self._set_aside()
            self._file = self._partial.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{self.out} cannot be written ({error.strerror}); give --out a folder that can") from error
        self._rows = csv.writer(self._file)
        self._rows.writerow(COLUMNS)
        self.frames = 0

    def add(self, index: int, time_s: float, result: TrackResult) -> None:
        """Append one frame; it is on its way to the disk when this returns."""
        box = [f"{value:.3f}" for value in result.box]
        try:
            self._rows.writerow([index, f"{time_s:.6f}", *box, f"{result.score:.4f}", str(result.state)])
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"{self._partial} cannot be written ({error.strerror}); frames up to {index - 1} are in it"
            ) from error
        self.frames += 1

    def finish(self, run: Mapping[str, Any]) -> None:
        """Close the rows and write boxes.csv, boxes.txt (GOT-10k form: x,y,w,h lines) and run.json.

        boxes.csv gets its name last: where it is, the other two are of the same run.

        Raises:
            OutputError: one cannot be written; the rows stay in `boxes.partial.csv`.
        """
        try:
            self._file.flush()
            os.fsync(self._file.fileno())  # renamed before it is on the disk, it could be empty after a power cut
            self._file.close()
            with self._partial.open(newline="", encoding="utf-8") as rows:
                lines = [",".join(row[key] for key in "xywh") for row in csv.DictReader(rows)]
            write_whole(self.out / "boxes.txt", "".join(line + "\n" for line in lines))
            write_whole(self.out / "run.json", json.dumps(run, indent=2, sort_keys=True, default=str) + "\n")
            os.replace(self._partial, self.out / "boxes.csv")
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"{self._partial} cannot be finished ({error.strerror}); its rows are kept") from error

    def close(self) -> None:
        """Stop without finishing: the rows stay in `boxes.partial.csv`."""
        with suppress(OSError):  # a full disk was told of when the row was added
            self._file.close()

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _set_aside(self) -> int | None:
        if not self._partial.is_file():
            return None
        last = self._partial.read_text(encoding="utf-8").splitlines()[-1:]
        os.replace(self._partial, self.out / STOPPED)
        frame = last[0].split(",")[0] if last else ""
        return int(frame) if frame.isdecimal() else None


def read_rows(path: Path) -> Iterator[tuple[int, TrackResult]]:
    """Frame numbers and results of a boxes.csv, in order; the file is open as long as it is being read.

    Raises:
        OSError, KeyError, TypeError, ValueError: it cannot be read, or is no boxes.csv.
    """
    with path.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            box = Box(*(float(row[key]) for key in "xywh"))
            yield int(row["frame"]), TrackResult(box, float(row["score"]), State(row["state"]))


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file whole or not at all; text as UTF-8.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        replace_file(path, data.encode() if isinstance(data, str) else data)
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
