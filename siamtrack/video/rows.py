"""Rows of boxes.csv, read back one by one."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from siamtrack.boxes import Box
from siamtrack.tracking.result import State, TrackResult

COLUMNS = ("frame", "time_s", "x", "y", "w", "h", "score", "state")


@dataclass(frozen=True)
class Loss:
    """Frames next to each other in which a target was LOST: the first and the last one, and their times in seconds."""

    first: int
    last: int
    from_s: float
    to_s: float


def losses(path: Path) -> Iterator[Loss]:
    """Where a target was LOST, by its boxes.csv; errors as for `read_rows`."""
    begun: Loss | None = None
    with path.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            index, time_s = int(row["frame"]), float(row["time_s"])
            if row["state"] == State.LOST:
                begun = Loss(begun.first, index, begun.from_s, time_s) if begun else Loss(index, index, time_s, time_s)
            elif begun is not None:
                yield begun
                begun = None
    if begun is not None:
        yield begun


def lines_backward(path: Path, begin: int, end: int, block: int = 2**16) -> Iterator[bytes]:
    """Lines of a part of a file, the last one first; a block of them is in memory."""
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


class FinishedTrack:
    """Rows of a target, asked for frame by frame; one of them is in memory.

    Args:
        rows: as `read_rows` gives them; read from the first frame on that is asked for.
        start: frame of the first one.

    Attributes:
        ended: whether there is nothing behind the last frame asked for.
    """

    def __init__(self, rows: Iterator[tuple[int, TrackResult]], start: int) -> None:
        self.ended = False
        self._start, self._rows = start, _readable(rows)
        self._next: tuple[int, TrackResult] | None = None

    def at(self, index: int) -> TrackResult | None:
        """The result of a frame; None where there is none. Frames must be asked for in order."""
        if self.ended or index < self._start:
            return None
        found = None
        while not self.ended and (self._next is None or self._next[0] <= index):
            found = self._next
            self._next = next(self._rows, None)
            self.ended = self._next is None
        return found[1] if found is not None and found[0] == index else None


def _readable(rows: Iterator[tuple[int, TrackResult]]) -> Iterator[tuple[int, TrackResult]]:
    """Rows up to where the file is damaged: what is behind is not drawn."""
    try:
        yield from rows
    except (OSError, ValueError, KeyError, TypeError):
        return


def read_rows(path: Path) -> Iterator[tuple[int, TrackResult]]:
    """Frame numbers and results of a boxes.csv, in order; the file is open as long as it is being read.

    Raises:
        OSError, KeyError, TypeError, ValueError: it cannot be read, or is no boxes.csv.
    """
    with path.open(newline="", encoding="utf-8") as rows:
        yield from map(read_result, csv.DictReader(rows))


def read_result(row: Mapping[str, str]) -> tuple[int, TrackResult]:
    """Frame number and result of a row by its columns; errors as for `read_rows`."""
    box = Box(*(float(row[key]) for key in "xywh"))
    return int(row["frame"]), TrackResult(box, float(row["score"]), State(row["state"]))
