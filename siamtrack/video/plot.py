"""A target's score and state over time: where it was LOST, and a picture of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.drawing import COLORS
from siamtrack.frames import Image, encoded
from siamtrack.tracking.result import State
from siamtrack.video.frame_source import clock
from siamtrack.video.rows import read_rows

SIZE_WH = (1280, 400)
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 1250, 60, 330
_FONT, _TEXT, _INK, _GRID = cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 60, 60), (225, 225, 225)
_STATES = (State.TRACKING, State.UNCERTAIN, State.LOST)  # the later one is drawn where a column holds several
_LEAST_TICK_PX = 110
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000)


@dataclass(frozen=True)
class LostSpan:
    """Frames next to each other in which a target was LOST: the first and the last one, and their times in seconds."""

    first: int
    last: int
    from_s: float
    to_s: float


def lost_spans(path: Path) -> Iterator[LostSpan]:
    """Where a target was LOST, by its boxes.csv; errors as for `rows.read_rows`."""
    begun: LostSpan | None = None
    for row in read_rows(path):
        if row.result.state is State.LOST:
            first, from_s = (begun.first, begun.from_s) if begun else (row.index, row.time_s)
            begun = LostSpan(first, row.index, from_s, row.time_s)
        elif begun is not None:
            yield begun
            begun = None
    if begun is not None:
        yield begun


def draw_plot(boxes: Path) -> bytes:
    """Draw a boxes.csv: the score as a line, the state as the ground's colour.

    Args:
        boxes: the file; it is read a row at a time. The name of its folder is the title.

    Returns:
        A PNG.

    Raises:
        DataError, FileNotFoundError: as of `rows.read_rows`.
    """
    begin_s, end_s, count = _extent(boxes)
    scores, states = _columns(boxes, begin_s, end_s)
    canvas: Image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 255, np.uint8)
    _draw_states(canvas, states)
    _draw_axes(canvas, begin_s, end_s)
    _draw_scores(canvas, scores)
    _draw_words(canvas, boxes.resolve().parent.name, count)
    return encoded(canvas, ".png")


def _extent(boxes: Path) -> tuple[float, float, int]:
    """The first and the last time, and the number of rows."""
    begin_s = end_s = 0.0
    count = 0
    for count, row in enumerate(read_rows(boxes), 1):
        end_s = row.time_s
        begin_s = end_s if count == 1 else begin_s
    return begin_s, end_s, count


def _columns(boxes: Path, begin_s: float, end_s: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For each pixel across: least and greatest score, (n, 2), NaN where there is no frame; and the state, -1 for none."""
    width = _RIGHT - _LEFT
    scores, states = np.full((width, 2), np.nan), np.full(width, -1)
    last = -1
    for row in read_rows(boxes):
        at = round((row.time_s - begin_s) / max(end_s - begin_s, 1e-9) * (width - 1))
        score, state = row.result.score, _STATES.index(row.result.state)
        scores[at] = np.fmin(scores[at, 0], score), np.fmax(scores[at, 1], score)
        # A frame lasts until the next one.
        states[last + 1 : at] = states[last] if last >= 0 else state
        states[at] = max(states[at], state)
        last = at
    return scores, states


def _draw_states(canvas: Image, states: NDArray[np.int64]) -> None:
    for number, state in enumerate(_STATES):
        where = np.flatnonzero(states == number) + _LEFT
        color = np.array(COLORS[state])
        canvas[_TOP:_BOTTOM, where] = 255 - (255 - color) * 0.2
        canvas[_BOTTOM : _BOTTOM + 10, where] = color


def _draw_scores(canvas: Image, scores: NDArray[np.float64]) -> None:
    seen = np.flatnonzero(~np.isnan(scores[:, 0]))
    # Down and up again within a column: nothing between two pixels is left out.
    points = [(_LEFT + x, _y(value)) for x in seen.tolist() for value in dict.fromkeys(scores[x].tolist())]
    if len(points) > 1:
        cv2.polylines(canvas, [np.array(points, np.int32)], False, (40, 40, 40), 1, cv2.LINE_AA)
    for point in points if len(points) < 200 else ():
        cv2.circle(canvas, point, 2, (40, 40, 40), -1, cv2.LINE_AA)


def _draw_axes(canvas: Image, begin_s: float, end_s: float) -> None:
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        cv2.line(canvas, (_LEFT, y), (_RIGHT - 1, y), _GRID, 1)
        _write(canvas, f"{tenth / 10:.1f}", (_LEFT - 40, y + 5))
    length_s = max(end_s - begin_s, 1e-9)
    most = (_RIGHT - _LEFT) // _LEAST_TICK_PX
    step_s = next((step for step in _STEPS_S if length_s / step <= most), length_s)
    for number in range(int(begin_s // step_s), int(end_s // step_s) + 1):
        x = _LEFT + round((number * step_s - begin_s) / length_s * (_RIGHT - _LEFT - 1))
        if x >= _LEFT:
            cv2.line(canvas, (x, _BOTTOM + 10), (x, _BOTTOM + 16), _INK, 1)
            _write(canvas, clock(number * step_s), (x - 22, _BOTTOM + 34))
    _write(canvas, "score", (_LEFT - 60, _TOP - 12))
    _write(canvas, "time", (_RIGHT - 36, _BOTTOM + 56))


def _draw_words(canvas: Image, title: str, count: int) -> None:
    _write(canvas, f"{title[:60]}  {count} frames", (_LEFT, 26), 0.6)
    x = _RIGHT - 330
    for state in _STATES:
        cv2.rectangle(canvas, (x, 14), (x + 14, 28), COLORS[state], -1)
        _write(canvas, str(state), (x + 20, 26))
        x += 115


def _y(score: float) -> int:
    return round(_BOTTOM - 1 - score * (_BOTTOM - _TOP - 1))


def _write(canvas: Image, text: str, origin: tuple[int, int], size: float = _TEXT) -> None:
    cv2.putText(canvas, text, origin, _FONT, size, _INK, 1, cv2.LINE_AA)
