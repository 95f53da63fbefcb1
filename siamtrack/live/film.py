"""Targets in a video file that is gone through forward and backward: tracked, corrected at any frame, and tracked on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from siamtrack.live.capture import Captured
from siamtrack.live.frame_store import FrameStore
from siamtrack.live.scene import TRAIL, Marked, Scene, ShownTargets, free_name, rate, upright
from siamtrack.system import remove_files
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.network import Network
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.outputs import OVERLAY
from siamtrack.video.overlay import SeenTarget, draw_targets
from siamtrack.video.recorder import Recorder, conditions, timed_update
from siamtrack.video.sink import VideoSink
from siamtrack.video.source import Frame


@dataclass
class _Cursor:
    """A tracker on its way: the last frame that it saw, and whether it goes forward (1) or backward (-1)."""

    tracker: Tracker
    at: int
    step: int


@dataclass
class _FilmTarget(Marked):
    """What is known of a target: its result in each frame, in which of them the user drew it, and the tracker under way."""

    results: dict[int, TrackResult] = field(default_factory=dict)
    drawn: set[int] = field(default_factory=set)
    cursor: _Cursor | None = None


class Film(ShownTargets[_FilmTarget]):
    """Tracks targets in the frames of a video, in any order that a user likes. Methods may be called from several threads.

    A target is followed from the frame in which it was drawn, as far as one goes; where it was drawn again, that is what
    counts: what was found after it is forgotten, and going backward from there replaces what was found before it. Frames
    that have a result are shown as they are.

    Args:
        backend, config: of the tracker.
        frames: of the video; the caller's to close.
        out: folder of the results: `out/target-N` with boxes.csv, boxes.txt and run.json, written by `write`.
        about: more plain data for run.json.

    Attributes:
        changes: counts what was found, drawn, renamed and removed.
    """

    def __init__(
        self, backend: Network, config: TrackerConfig, frames: FrameStore, out: Path, about: dict[str, Any] | None = None
    ) -> None:
        super().__init__(out)
        self.frames = frames
        self._backend, self._config = backend, config
        self._about = {"source": frames.name, **conditions(Tracker(backend, config)), **(about or {})}
        self.changes = self._written = self._made = 0

    def show(self, index: int) -> Scene:
        """Go to a frame, and show what is known of it.

        Raises:
            IndexError: there is no such frame, or it is not decoded yet.
        """
        with self._lock:
            self._steps.clear()
            return self._show(self.frames.read(index), 0.0)

    def track(self, index: int) -> Scene:
        """Go one frame forward or backward, and follow there what is not known yet.

        Raises:
            IndexError: as `show`. ValueError: it is not next to the present one.
        """
        with self._lock:
            before = self._present().index
            if abs(index - before) != 1:
                raise ValueError(f"frame {index} is not next to frame {before}; show it first")
            frame = self.frames.read(index)
            self._steps.append(time.perf_counter())
            spent = [self._follow(target, before, frame) for target in self._targets.values()]
            return self._show(frame, sum(spent))

    def add(self, box: Sequence[float], frame: Captured | None = None) -> str:
        """Begin to follow a target; as `Session.add`."""
        with self._lock:
            frame = frame or self._present()
            self._check_limit()
            name = free_name(f"target-{self._made + 1}", self._is_taken)  # another may have been called so
            target = _FilmTarget(name, self._made + 1)
            self._draw(target, box, frame)
            self._made += 1
            self._targets[target.name] = target
            self._show_again()
            return target.name

    def reselect(self, name: str, box: Sequence[float], frame: Captured | None = None) -> None:
        """Correct a target in a frame; as `Session.reselect`. It is followed anew from there."""
        with self._lock:
            self._draw(self._targets[name], box, frame or self._present())
            self._show_again()

    def remove(self, name: str) -> None:
        """Forget a target and its results.

        Raises:
            KeyError: no such target.
        """
        with self._lock:
            del self._targets[name]
            self._show_again()

    def clip(self, stopped: Callable[[], bool]) -> Path | None:
        """Write the frames from the first result to the last with their boxes as `out/overlay.mp4`.

        Args:
            stopped: asked before each frame; True gives the clip up.

        Returns:
            The file; None if it was given up.

        Raises:
            ValueError: nothing was tracked yet, or the film was closed meanwhile. OutputError: it cannot be written.
        """
        with self._lock:
            self.write()
            before = self.changes
            known = [index for target in self._targets.values() for index in target.results]
        if not known:
            raise ValueError("nothing was tracked yet; draw a target first")
        sink = VideoSink(self.out / OVERLAY, self.frames.fps)
        try:
            for index in range(min(known), max(known) + 1):
                if stopped():
                    return None
                frame = self.frames.read(index)
                with self._lock:
                    seen = self._seen(index)
                sink.write(draw_targets(frame.image, seen), frame.time_s)
            sink.close()
            with self._lock:
                if self.changes != before:
                    self._written = -1  # the next writing removes it: it shows some frames as they were
        finally:
            sink.drop()  # what is not finished
        return self.out / OVERLAY

    def tracks(self) -> list[dict[str, Any]]:
        """What is known of each target as plain data: its name, number of its colour, runs of frames [first, last, state], and
        frames in which it was drawn."""
        with self._lock:
            return [
                {
                    "name": target.name,
                    "number": target.color or target.number,
                    "runs": _runs(target.results),
                    "drawn": sorted(target.drawn),
                }
                for target in self._targets.values()
            ]

    def write(self, ended: str = "done") -> None:
        """Write all targets' files in place of those that were written before, if anything has changed since.

        Raises:
            OutputError: a file cannot be written, or an older one not removed.
        """
        with self._lock:
            if self.changes == self._written:
                return
            for done in self.finished:
                if done.folder.name not in self._targets:  # removed, or renamed
                    shutil.rmtree(done.folder, ignore_errors=True)
            remove_files([self.out / OVERLAY])  # it was of what there was before
            self.finished = []
            for target in self._targets.values():
                with Recorder(self.out / target.name, {**self._about, "drawn": sorted(target.drawn)}) as recorder:
                    for index in sorted(target.results):
                        recorder.add(Frame(index, self.frames.time_of(index), self._size), target.results[index])
                    self.finished.append(recorder.finish(ended))
            self._written = self.changes

    def close(self, ended: str = "done") -> None:
        """As `write`; targets can be drawn and followed on."""
        self.write(ended)

    def running(self) -> dict[str, dict[str, Any]]:
        """Nothing: `write` writes whole files."""
        return {}

    def _draw(self, target: _FilmTarget, box: Sequence[float], frame: Captured) -> None:
        """The user says where a target is: a tracker that learns it must accept that, and what was found after it goes."""
        tracker = Tracker(self._backend, self._config)
        first = tracker.init(frame.image, upright(box))
        until = min((index for index in target.drawn if index > frame.index), default=len(self.frames))
        for index in range(frame.index + 1, until):
            target.results.pop(index, None)
        target.results[frame.index] = first
        target.drawn.add(frame.index)
        target.cursor = _Cursor(tracker, frame.index, 1)

    def _follow(self, target: _FilmTarget, before: int, frame: Frame) -> float:
        """Find a target in a frame if that is to be done; the seconds that it took."""
        step, cursor = frame.index - before, target.cursor
        if frame.index in target.drawn:
            return 0.0
        if cursor is None or (cursor.at, cursor.step) != (before, step):
            known, last = frame.index in target.results, target.results.get(before)
            # What is lost cannot be learned. A correction replaces what was found before it; nothing else does.
            if last is None or last.state is State.LOST or (known and not (step < 0 and before in target.drawn)):
                return 0.0
            cursor = target.cursor = _Cursor(Tracker(self._backend, self._config), before, step)
            cursor.tracker.init(self.frames.read(before).image, last.box)
        result, (_, tracker_s) = timed_update(cursor.tracker, frame.image)
        target.results[frame.index] = result
        cursor.at = frame.index
        self.changes += 1
        return tracker_s

    def _show(self, frame: Frame, tracking_s: float) -> Scene:
        captured = Captured(frame.index, frame.time_s, frame.image, time.perf_counter())
        self.scene = Scene(captured, self._seen(frame.index), rate(self._steps), tracking_s, False, "")
        return self.scene

    def _seen(self, index: int) -> tuple[SeenTarget, ...]:
        found = ((target, target.results.get(index)) for target in self._targets.values())
        return tuple(target.seen(result, _trail(target, index)) for target, result in found if result is not None)

    def _show_again(self) -> None:
        self.changes += 1
        if self.scene is not None:
            self._show(self.scene.frame, 0.0)

    def _is_taken(self, name: str) -> bool:
        return name in self._targets

    def _move(self, target: _FilmTarget, new: str) -> None:
        pass  # `write` removes its old folder

    @property
    def _size(self) -> Any:
        """An image of the frames' size that takes no memory: of a frame, files hold only its size."""
        return np.broadcast_to(np.uint8(0), self._present().image.shape)


def _runs(results: dict[int, TrackResult]) -> list[tuple[int, int, str]]:
    """Runs of frames with the same state: first, last, state."""
    runs: list[tuple[int, int, str]] = []
    for index in sorted(results):
        state = str(results[index].state)
        if runs and runs[-1][1] == index - 1 and runs[-1][2] == state:
            runs[-1] = (runs[-1][0], index, state)
        else:
            runs.append((index, index, state))
    return runs


def _trail(target: _FilmTarget, index: int) -> tuple[tuple[float, float], ...]:
    found = (target.results.get(i) for i in range(max(0, index - TRAIL + 1), index + 1))
    return tuple(result.box.center_xy for result in found if result is not None)
