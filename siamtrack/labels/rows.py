"""The rows of a run: boxes.csv, read with every value checked."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from siamtrack.errors import DataError
from siamtrack.labels.tracks import Track
from siamtrack.tracking.result import State
from siamtrack.video.results import COLUMNS

_STATES = frozenset(state.value for state in State)


def read_track(folder: Path, target: str) -> Track:
    """The track in a run's folder.

    Raises:
        DataError: boxes.csv is empty, cut off or no boxes.csv of a run; the message names the line.
    """
    path = folder / "boxes.csv"
    frames: list[int] = []
    numbers: list[list[float]] = []
    states: list[str] = []
    line = 1
    try:
        with path.open(newline="", encoding="utf-8") as text:
            reader = csv.reader(text)
            places = _places(next(reader, []))
            for row in reader:
                line = reader.line_num
                if not row:
                    continue
                frame, values, state = _parse(row, places)
                if frames and frame <= frames[-1]:
                    raise ValueError(f"frame {frame} comes after frame {frames[-1]}; frames must ascend")
                frames.append(frame)
                numbers.append(values)
                states.append(state)
        if not frames:
            line += 1
            raise ValueError("there is no row; a run has at least one frame")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}, line {line}: {error}; track that video again") from error
    table = np.asarray(numbers, np.float64)
    return Track(target, folder, np.asarray(frames, np.int64), table[:, 0], table[:, 1:5], table[:, 5], np.asarray(states))


def _places(header: list[str]) -> list[int]:
    """Where each column is."""
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        seen = ",".join(header)[:80] or "nothing"
        raise ValueError(f"the header is {seen}, without {','.join(missing)}; wanted {','.join(COLUMNS)}")
    return [header.index(name) for name in COLUMNS]


def _parse(row: list[str], places: list[int]) -> tuple[int, list[float], str]:
    if len(row) <= max(places):
        raise ValueError(f"the row has {len(row)} of {len(places)} values; the file is cut off")
    cells = [row[place] for place in places]
    try:
        frame, values, state = int(cells[0]), [float(cell) for cell in cells[1:-1]], cells[-1]
    except ValueError as error:
        raise ValueError(f"{','.join(cells)[:80]} is not a row of numbers and a state") from error
    if not 0 <= frame < 2**53:
        raise ValueError(f"frame {frame} is no frame number; they count from 0")
    if not all(math.isfinite(value) for value in values):
        raise ValueError("a number is not finite")
    if values[3] < 0 or values[4] < 0:
        raise ValueError(f"the box has a negative size, {values[3]:g}x{values[4]:g}")
    if state not in _STATES:
        raise ValueError(f"the state is {state!r}; known: {', '.join(sorted(_STATES))}")
    return frame, values, state
