"""Tracks as boxes.csv holds them, read back frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from siamtrack.boxes import Box
from siamtrack.tracking.result import TrackResult
from siamtrack.video.results import read_rows


def as_written(result: TrackResult) -> TrackResult:
    """A result with the figures of its line in boxes.csv: pictures are the same whether it was just found or read back."""
    return TrackResult(Box(*(float(f"{value:.3f}") for value in result.box)), float(f"{result.score:.4f}"), result.state)


class FinishedTrack:
    """A finished target's results, asked for frame by frame; one line of it is in memory.

    Args:
        path: its boxes.csv.
        start: frame of its first line; the file is opened there.
    """

    def __init__(self, path: Path, start: int) -> None:
        self.ended = False
        self._path, self._start = path, start
        self._rows: Iterator[tuple[int, TrackResult]] | None = None
        self._next: tuple[int, TrackResult] | None = None

    def at(self, index: int) -> TrackResult | None:
        """The result of a frame; None where there is none. Frames must be asked for in order."""
        if self.ended or index < self._start:
            return None
        if self._rows is None:
            self._rows = read_rows(self._path)
            self._advance()
        while self._next is not None and self._next[0] < index:
            self._advance()
        if self._next is None or self._next[0] != index:
            return None
        result = self._next[1]
        self._advance()  # now, not later: `ended` must be known with the last line
        return result

    def _advance(self) -> None:
        try:
            self._next = next(self._rows, None) if self._rows else None
        except (OSError, ValueError, KeyError, TypeError):
            self._next = None  # damaged from here on: it is not drawn
        self.ended = self._next is None
