"""What `siamtrack.track` gives: frames as they are tracked, or the results of a run that was saved."""

from __future__ import annotations

import operator
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import cv2

from siamtrack.boxes import Box
from siamtrack.errors import DataError, SourceError
from siamtrack.frames import Image, encoded
from siamtrack.tracking.result import State, TrackResult, row_of, to_pandas
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.rows import BOXES_CSV, PARTIAL_CSV
from siamtrack.video.source import Source, open_again

NOTEBOOK_PX = 960
"""Longest side of a picture in a notebook: a page holds many of them."""


@dataclass(frozen=True, repr=False, eq=False)
class Step:
    """One frame of `track`. In a notebook it shows itself.

    Attributes:
        index: 0-based frame number in the source.
        time_s: the frame's own time in seconds from the start of the source.
        frame: (H, W, 3) BGR uint8.
        result: what the tracker says; for the first frame the given box with score 1.
    """

    index: int
    time_s: float
    frame: Image
    result: TrackResult

    def plot(self, name: str = "") -> Image:
        """A copy of the frame with the box and the score drawn on it, as `TrackResult.plot` does."""
        return self.result.plot(self.frame, name)

    def __repr__(self) -> str:
        height, width = self.frame.shape[:2]
        return f"Step(index={self.index}, time_s={self.time_s:.3f}, frame={width}x{height}, {self.result!r})"

    def _repr_png_(self) -> bytes:
        image = self.plot()
        scale = NOTEBOOK_PX / max(image.shape[:2])
        if scale < 1:
            height, width = (max(1, round(side * scale)) for side in image.shape[:2])
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        return encoded(image, ".png")


class Steps(Iterator[Step]):
    """Frames as they are tracked, each when it is asked for. The first one, which has the given box, is tracked already.

    Args:
        tracker: what follows. source: where frames come from; it is closed at the end. box: of the target, 0-based pixels.
        start: 0-based number of the frame that the box is in.

    Raises:
        SourceError: the source has no such frame, or it cannot be read. ValueError: the box cannot be used in it.
    """

    def __init__(self, tracker: Tracker, source: Source, box: Sequence[float], start: int) -> None:
        self._name, self._start = source.name, start
        self._rest = _follow(tracker, source, box, start)
        first = next(self._rest, None)
        if first is None:
            raise SourceError(f"{source.name} gave no frame from {start} on; nothing was tracked")
        self._first: Step | None = first

    def __next__(self) -> Step:
        """The next frame.

        Raises:
            SourceError: the source breaks off; every frame before was given. ValueError: a frame that cannot be used.
        """
        step, self._first = self._first, None
        return step or next(self._rest)

    def close(self) -> None:
        """Let go of the source. That happens by itself at the end, and when nobody holds this object any more."""
        self._first = None
        self._rest.close()

    def to_pandas(self) -> Any:
        """Track the frames that are left, and give a `pandas.DataFrame` of them, as boxes.csv; errors as for `next`."""
        return to_pandas(_row(step.index, step.time_s, step.result) for step in self)

    def to_supervision(self) -> list[Any]:
        """Track the frames that are left, and give their `supervision.Detections`; errors as for `next`."""
        return [step.result.to_supervision() for step in self]

    def __repr__(self) -> str:
        return f"Steps({self._name}, from frame {self._start} on: iterate to track)"


def _follow(tracker: Tracker, source: Source, box: Sequence[float], start: int) -> Generator[Step, None, None]:
    began = False
    with source, closing(source.read_ahead(start)) as frames:
        for frame in frames:
            result = tracker.update(frame.image) if began else tracker.init(frame.image, box)
            began = True
            yield Step(frame.index, frame.time_s, frame.image, result)


class RunResults(Sequence[Step]):
    """The results of one target, read from the folder in which `track(..., save=FOLDER)` or the command line left them.

    It is a sequence of `Step`s, whose frames are read from the source again: `results[7].plot()`, `for step in results`. Boxes
    and scores need no source.

    Args:
        folder: that of the target, with its boxes.csv.

    Attributes:
        folder: the same. source: name of the source; None if run.json does not say it.
        frames: (n,) int64: 0-based frame numbers in the source. times_s: (n,) float64: seconds from the start of the source.
        boxes_xywh: (n, 4) float64: 0-based pixels. scores: (n,) float64: 0..1, see `TrackResult.score`.
        states: (n,) text: TRACKING, UNCERTAIN or LOST.

    Raises:
        FileNotFoundError: the folder is not there, or holds no boxes.csv. DataError: a file in it is broken.

    Examples:
        >>> results = siamtrack.track("clip.mp4", (120, 80, 64, 48), save="runs/clip")      # doctest: +SKIP
        >>> results                                                                         # doctest: +SKIP
        RunResults(runs/clip: 300 frames of clip.mp4, 12 LOST)
        >>> results.boxes_xywh[results.scores > 0.5].mean(axis=0)                           # doctest: +SKIP
        array([118.2,  84.1,  61.9,  47.5])
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if self.folder.is_dir() and not any((self.folder / name).is_file() for name in (BOXES_CSV, PARTIAL_CSV)):
            below = sorted(path.parent.name for path in self.folder.glob("*/boxes.csv"))[:3]
            hint = f"; there are {', '.join(below)} below it: give one of them" if below else ""
            raise FileNotFoundError(f"{self.folder} holds no boxes.csv{hint}")
        from siamtrack.labels.tracks import load_tracks  # with all forms of labels, which takes a while to import

        video = load_tracks(self.folder).videos[0]
        track = video.tracks[0]
        self.source = video.source
        self.frames, self.times_s, self.boxes_xywh = track.frames, track.times_s, track.boxes_xywh
        self.scores, self.states = track.scores, track.states

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, row: int) -> Step: ...
    @overload
    def __getitem__(self, row: slice) -> list[Step]: ...

    def __getitem__(self, row: int | slice) -> Step | list[Step]:
        """The result of a row, with its frame.

        Raises:
            IndexError: there is no such row. FileNotFoundError, SourceError: the source is gone, or was live.
        """
        if isinstance(row, slice):
            return [self[each] for each in range(len(self))[row]]
        try:
            place = range(len(self))[operator.index(row)]
        except IndexError as error:
            raise IndexError(f"there is no result {row}; the run has {len(self)} frames") from error
        return next(self.read([place]))

    def __iter__(self) -> Iterator[Step]:
        """All rows with their frames; errors as for an index."""
        return self.read(range(len(self)))

    def read(self, rows: Sequence[int]) -> Iterator[Step]:
        """Some rows with their frames, in the order of time, the video read once; errors as for an index, or a DataError."""
        wanted = {int(self.frames[row]): row for row in rows}
        if self.source is None:
            raise SourceError(f"{self.folder / 'run.json'} names no source; the frames cannot be read")
        with open_again(self.source) as source, closing(source.read_ahead(min(wanted))) as frames:
            for frame in frames:
                if frame.index in wanted:
                    row = wanted.pop(frame.index)
                    yield Step(frame.index, frame.time_s, frame.image, self._result(row))
                if not wanted:
                    return
        raise DataError(f"{self.source} ended before frame {min(wanted)}; is it the video that was tracked?")

    def _result(self, row: int) -> TrackResult:
        return TrackResult(Box(*self.boxes_xywh[row].tolist()), float(self.scores[row]), State(str(self.states[row])))

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, a row a frame: the columns of boxes.csv. A SiamtrackError where pandas is not installed."""
        return to_pandas(_row(int(self.frames[row]), float(self.times_s[row]), self._result(row)) for row in range(len(self)))

    def to_supervision(self) -> list[Any]:
        """A `supervision.Detections` a frame, each as `TrackResult.to_supervision` gives it."""
        return [self._result(row).to_supervision() for row in range(len(self))]

    def __repr__(self) -> str:
        lost = int((self.states == State.LOST.value).sum())
        return f"RunResults({self.folder}: {len(self)} frames of {self.source}, {lost} LOST)"


def _row(index: int, time_s: float, result: TrackResult) -> dict[str, Any]:
    return {"frame": index, "time_s": time_s, **row_of(result)}
