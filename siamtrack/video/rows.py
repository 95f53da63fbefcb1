"""Rows of a boxes.csv, a frame's result each: written as they come, and read one at a time, forward or backward."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from siamtrack.boxes import Box
from siamtrack.tracking.result import State, TrackResult

DONE = "boxes.csv"
PARTIAL = "boxes.partial.csv"
"""Of a run that goes on, or was killed."""
STOPPED = "boxes.stopped.csv"
"""Of one that was killed, beside a later run's."""
COLUMNS = ("frame", "time_s", "x", "y", "w", "h", "score", "state")


@dataclass(frozen=True)
class Row:
    """A frame's number, its time in seconds, and the target's result in it."""

    index: int
    time_s: float
    result: TrackResult

    def cells(self) -> list[str]:
        """As text, by `COLUMNS`."""
        return [str(self.index), f"{self.time_s:.6f}", *_figures(self.result), str(self.result.state)]


def rounded(result: TrackResult) -> TrackResult:
    """A result as it is read back from its row."""
    *box, score = map(float, _figures(result))
    return TrackResult(Box(*box), score, result.state)


def _figures(result: TrackResult) -> list[str]:
    return [*(f"{value:.3f}" for value in result.box), f"{result.score:.4f}"]


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of a boxes.csv, in order; the file is open as long as it is being read.

    Raises:
        OSError, KeyError, TypeError, ValueError: it cannot be read, or is no boxes.csv.
    """
    with path.open(newline="", encoding="utf-8") as lines:
        yield from map(_row, csv.DictReader(lines))


def read_rows_backward(path: Path, begin: int, end: int) -> Iterator[Row]:
    """Rows between two bytes of a boxes.csv, the last one first; errors as for `read_rows`."""
    lines = (line.decode() for line in lines_backward(path, begin, end))
    yield from map(_row, csv.DictReader(lines, COLUMNS))


def lines_backward(path: Path, begin: int, end: int, block: int = 2**16) -> Iterator[bytes]:
    """Lines between two bytes of a file, the last one first; a block of them is in memory."""
    with path.open("rb") as file:
        rest = b""
        while end > begin:
            size = min(block, end - begin)
            end -= size
            file.seek(end)
            first, *lines = (file.read(size) + rest).splitlines(keepends=True)
            yield from reversed(lines)
            rest = first
        if rest:
            yield rest


def _row(cells: Mapping[str, str]) -> Row:
    box = Box(*(float(cells[key]) for key in "xywh"))
    result = TrackResult(box, float(cells["score"]), State(cells["state"]))
    return Row(int(cells["frame"]), float(cells["time_s"]), result)
