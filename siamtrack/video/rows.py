"""Rows of a boxes.csv, a frame's result each: written as they come, and read one at a time, forward or backward."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from siamtrack.boxes import Box
from siamtrack.errors import DataError, one_line, shown
from siamtrack.system import open_text
from siamtrack.tracking.result import State, TrackResult

BOXES_CSV = "boxes.csv"
PARTIAL_CSV = "boxes.partial.csv"
"""Of a run that goes on, or was killed."""
STOPPED_CSV = "boxes.stopped.csv"
"""Of one that was killed, beside a later run's."""
_BLOCK = 2**16  # bytes that are read backward at a time
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


def read_rows(path: Path, most: int = sys.maxsize) -> Iterator[Row]:
    """Rows of a boxes.csv, of which there is at least one; their frames ascend. The file is open as long as it is being read.

    Args:
        most: bytes that it may have, for whoever keeps all rows.

    Raises:
        DataError, FileNotFoundError: it cannot be read, is cut off, or is no boxes.csv of a run; the message names the line.
    """
    line, last = 1, -1
    try:
        with open_text(path, most) as text:
            reader = csv.reader(text)
            places = _places(next(reader, []))
            for cells in filter(None, reader):
                line = reader.line_num
                row = _row(cells, places)
                if row.index <= last:
                    raise ValueError(f"frame {row.index} comes after frame {last}; frames must ascend")
                last = row.index
                yield row
        if last < 0:
            line += 1
            raise ValueError("there is no row; a run has at least one frame")
    except (DataError, FileNotFoundError):
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}, line {line}: {error}; track that video again") from error


def read_rows_backward(path: Path, begin: int, end: int) -> Iterator[Row]:
    """Rows between two bytes of a boxes.csv, the last one first.

    Raises:
        OSError, ValueError: they cannot be read.
    """
    lines = (line.decode() for line in lines_backward(path, begin, end))
    return (_row(cells, range(len(COLUMNS))) for cells in csv.reader(lines))


def lines_backward(path: Path, begin: int, end: int) -> Iterator[bytes]:
    """Lines between two bytes of a file, the last one first; a block of them is in memory."""
    with path.open("rb") as file:
        rest = b""
        while end > begin:
            size = min(_BLOCK, end - begin)
            end -= size
            file.seek(end)
            first, *lines = (file.read(size) + rest).splitlines(keepends=True)
            yield from reversed(lines)
            rest = first
        if rest:
            yield rest


def _places(header: list[str]) -> list[int]:
    """Where each column is."""
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        seen = one_line(",".join(header), 80) or "nothing"
        raise ValueError(f"the header is {seen}, without {','.join(missing)}; wanted {','.join(COLUMNS)}")
    return [header.index(name) for name in COLUMNS]


def _row(cells: list[str], places: Sequence[int]) -> Row:
    if len(cells) <= max(places):
        raise ValueError(f"the row has {len(cells)} of {len(places)} values; the file is cut off")
    named = [cells[place] for place in places]
    try:
        frame, (time_s, *box, score), state = int(named[0][:30]), map(float, named[1:-1]), named[-1]
    except ValueError as error:
        raise ValueError(f"{one_line(','.join(named), 80)} is not a row of numbers and a state") from error
    if not 0 <= frame < 2**53:
        raise ValueError(f"frame {frame} is no frame number; they count from 0")
    if not all(map(math.isfinite, (time_s, *box, score))):
        raise ValueError("a number is not finite")
    if box[2] < 0 or box[3] < 0:
        raise ValueError(f"the box has a negative size, {box[2]:g}x{box[3]:g}")
    if state not in _STATES:
        raise ValueError(f"the state is {shown(state)}; known: {', '.join(sorted(_STATES))}")
    return Row(frame, time_s, TrackResult(Box(*box), score, _STATES[state]))


_STATES = {state.value: state for state in State}
