"""Result files of one target: boxes.csv, boxes.txt and run.json in one folder, written by one recorder everywhere.

Rows go to `boxes.partial.csv` as they come, each flushed, so that a killed process loses no finished frame;
`Recorder.finish` writes the three files whole, each under a temporary name first. Rows of a target that goes backward come
backward; `finish` puts them into the order of their frames.
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from siamtrack.errors import OutputError
from siamtrack.frames import Image
from siamtrack.machine import versions
from siamtrack.system import network_threads, replace_file, write_whole
from siamtrack.tracking.network import Network
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.tracker import MultiTracker, Tracker
from siamtrack.video.frame_source import Frame, FrameCounts
from siamtrack.video.rows import (
    BOXES_CSV,
    COLUMNS,
    PARTIAL_CSV,
    STOPPED_CSV,
    Row,
    lines_backward,
    read_rows,
    read_rows_backward,
)

Found = TypeVar("Found", covariant=True)

FIGURES = ("network", "tracker", "end_to_end")

RECENT = 4096
"""Frames over which percentiles are taken: the latest."""


class FrameTimes:
    """Frame rates of a run, N / sum(t), with the median and the 95th percentile, in memory that does not grow.

    Args:
        warm_up: this many first frames are left out: they pay for lazy initialisation.
    """

    def __init__(self, warm_up: int = 3) -> None:
        self._skip = warm_up
        self._recent: deque[tuple[float, float, float]] = deque(maxlen=RECENT)
        self._total_s = np.zeros(len(FIGURES))
        self._frames = 0

    def add(self, network_s: float, tracker_s: float, end_to_end_s: float) -> None:
        """Count one frame: seconds of the network, of the tracker with the network, and of everything."""
        if self._skip:
            self._skip -= 1
            return
        self._frames += 1
        self._recent.append((network_s, tracker_s, end_to_end_s))
        self._total_s += self._recent[-1]

    @property
    def fps(self) -> float:
        """Frames per second, everything included; 0 before the first counted frame."""
        return self._frames / float(self._total_s[2]) if self._total_s[2] else 0.0

    def summary(self) -> dict[str, dict[str, float]]:
        """Plain data, for each of `FIGURES`: fps, p50_ms, p95_ms, frames."""
        percentiles = np.percentile(self._recent, [50, 95], axis=0) * 1e3 if self._recent else np.zeros((2, len(FIGURES)))
        return {
            name: {
                "fps": round(self._frames / total_s, 2) if total_s else 0.0,
                "p50_ms": round(p50, 3),
                "p95_ms": round(p95, 3),
                "frames": self._frames,
            }
            for name, total_s, p50, p95 in zip(FIGURES, self._total_s.tolist(), *percentiles.tolist(), strict=True)
        }


@dataclass(frozen=True)
class RunSummary:
    """How the run of one target ended.

    Attributes:
        folder: of its files.
        frames: frames with a result, the first included.
        lost: how many of them were reported LOST.
        ended: `done`, or why it ended early.
        fps: three figures, each with fps, p50_ms, p95_ms and frames: network, tracker, end_to_end.
        stopped_at: last frame of an unfinished earlier run found in the folder, or None.
        notes: what a user should know of the source and the overlay, each in one line.
    """

    folder: Path
    frames: int
    lost: int
    ended: str
    fps: dict[str, dict[str, float]]
    stopped_at: int | None
    notes: tuple[str, ...] = ()


class Recorder:
    """Writes the results of one target.

    Args:
        out: the folder; made if missing. It holds the result files themselves, not a folder of them.
        about: plain data for run.json, beside what the recorder knows itself.
        times: frame rates for run.json, which the caller counts; targets of one video may share them.

    Attributes:
        frames: written so far. lost: how many of them were LOST.
        last_index: number of the last frame written; -1 before the first.
        stopped_at: last frame of an earlier run in this folder that never finished (its rows are moved to
            `boxes.stopped.csv`, those of one before it to `boxes.stopped-2.csv`), or None.

    Raises:
        OutputError: the folder cannot be made or written.
    """

    def __init__(self, out: str | Path, about: Mapping[str, Any] | None = None, times: FrameTimes | None = None) -> None:
        self.out, self.times = Path(out), times or FrameTimes()
        self.frames = self.lost = 0
        self.last_index = -1
        self._about = dict(about or {})
        self._partial = self.out / PARTIAL_CSV
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            self.stopped_at = self._set_aside()
            self._file = self._partial.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{self.out} cannot be written ({error.strerror}); give --out a folder that can") from error
        self._rows = csv.writer(self._file)
        self._rows.writerow(COLUMNS)
        self._head = self._turn = len(",".join(COLUMNS)) + 2

    def add(self, frame: Frame, result: TrackResult) -> None:
        """Append a frame's result; it is on its way to the disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        if self.last_index < 0:
            first = {"start": frame.index, "box": list(result.box), "frame_wh": list(frame.image.shape[1::-1])}
            self._about = {**first, **self._about}
        try:
            self._rows.writerow(Row(frame.index, frame.time_s, result).cells())
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"{self._partial} cannot be written ({error.strerror}); the rows of {self.frames} frames are in it"
            ) from error
        if frame.index < self.last_index:
            self._turn = self._file.tell()
        self.frames += 1
        self.lost += result.state is State.LOST
        self.last_index = frame.index

    def move(self, out: Path) -> None:
        """Give the folder another name; rows go on in it.

        Raises:
            OutputError: it cannot be renamed; rows go on where they were.
        """
        self._file.close()  # some systems rename no folder with an open file
        try:
            os.rename(self.out, out)
            self.out = out
        except OSError as error:
            raise OutputError(f"{self.out} cannot be renamed to {out} ({error.strerror})") from error
        finally:
            self._partial = self.out / PARTIAL_CSV
            self._file = self._partial.open("a", newline="", encoding="utf-8")
            self._rows = csv.writer(self._file)

    def about(self, ended: str) -> dict[str, Any]:
        """What run.json says of the rows so far, if the run ended so."""
        counted = {"frames": self.frames, "lost_frames": self.lost, "ended": ended, "fps": self.times.summary()}
        return {**self._about, **counted}

    def rows(self) -> Iterator[Row]:
        """The rows that came backward, in the order of their frames; once the files are finished, all rows.

        Raises:
            OSError: they cannot be read.
        """
        if self._partial.is_file():
            yield from read_rows_backward(self._partial, self._head, self._turn)
        else:
            yield from read_rows(self.out / BOXES_CSV)

    def finish(self, ended: str, counts: FrameCounts | None = None, notes: Sequence[str] = ()) -> RunSummary:
        """Close the rows and write boxes.csv, boxes.txt (GOT-10k form: x,y,w,h lines) and run.json.

        boxes.csv gets its name last: where it is, the other two are of the same run.

        Args:
            ended: `done`, or why the run ended early.
            counts: what became of the source's frames, for run.json.
            notes: what else a user should know, each in one line.

        Raises:
            OutputError: one cannot be written; the rows stay in `boxes.partial.csv`.
        """
        run = self.about(ended) | (asdict(counts) if counts is not None else {}) | ({"notes": list(notes)} if notes else {})
        try:
            self._file.flush()
            os.fsync(self._file.fileno())  # renamed before it is on the disk, it could be empty after a power cut
            self._file.close()
            if self._turn > self._head:
                replace_file(self._partial, self._in_order())
            with self._partial.open(newline="", encoding="utf-8") as rows:
                lines = (",".join(row[key] for key in "xywh") + "\n" for row in csv.DictReader(rows))
                write_whole(self.out / "boxes.txt", lines)
            write_whole(self.out / "run.json", json.dumps(run, indent=2, sort_keys=True, default=str) + "\n")
            os.replace(self._partial, self.out / BOXES_CSV)
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"{self._partial} cannot be finished ({error.strerror}); its rows are kept") from error
        return RunSummary(self.out, self.frames, self.lost, ended, run["fps"], self.stopped_at, tuple(notes))

    def close(self) -> None:
        """Stop without finishing: the rows stay in `boxes.partial.csv`."""
        with suppress(OSError):  # a full disk was told of when the row was added
            self._file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _in_order(self) -> Iterator[bytes]:
        """The file with the rows that came backward turned round."""
        with self._partial.open("rb") as file:
            yield file.read(self._head)
            yield from lines_backward(self._partial, self._head, self._turn)
            file.seek(self._turn)
            yield from file

    def _set_aside(self) -> int | None:
        if not self._partial.is_file():
            return None
        with self._partial.open(encoding="utf-8") as rows:
            last = deque(rows, maxlen=1)
        frame = last[0].split(",")[0] if last else ""
        if not frame.isdecimal():
            return None  # there is no row in it
        stopped = self.out / STOPPED_CSV
        if stopped.exists():  # of a run that was killed before that one: the newest has the plain name
            number = 2
            while (older := stopped.with_stem(f"{stopped.stem}-{number}")).exists():
                number += 1
            os.replace(stopped, older)
        os.replace(self._partial, stopped)
        return int(frame)


class _Tracking(Protocol[Found]):
    """A `Tracker` or a `MultiTracker`."""

    @property
    def backend(self) -> Network: ...

    def update(self, frame: Any, /) -> Found: ...


def timed_update(tracker: _Tracking[Found], image: Image) -> tuple[Found, tuple[float, float]]:
    """A tracker's `update`, and the seconds that its network took, and all of it: for `FrameTimes.add`."""
    network_s, began = tracker.backend.network_s, time.perf_counter()
    found = tracker.update(image)
    return found, (tracker.backend.network_s - network_s, time.perf_counter() - began)


def conditions(tracker: Tracker | MultiTracker[Any]) -> dict[str, Any]:
    """What run.json tells of how a result came about: device, precision, backend, threads, constants, versions."""
    backend = tracker.backend
    return {
        "device": backend.device,
        "precision": backend.precision,
        "backend": backend.name,
        "threads": network_threads(),
        "tracker": asdict(tracker.config),
        "versions": versions(),
    }
