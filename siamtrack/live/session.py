"""A live session: targets that come and go, their results on disk, and a recording. It knows no window and no socket."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siamtrack.errors import OutputError
from siamtrack.frames import Image
from siamtrack.live.capture import Captured
from siamtrack.live.recording import Recording
from siamtrack.live.scene import TRAIL, Marked, Scene, ShownTargets, free_number, rate, upright
from siamtrack.system import make_folder
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.network import Network
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.tracker import MultiTracker
from siamtrack.video.overlay import draw_targets
from siamtrack.video.recorder import Recorder, conditions, timed_update


@dataclass
class _LiveTarget(Marked):
    """What a session keeps of one target beside the tracker's own state."""

    recorder: Recorder
    result: TrackResult
    trail: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=TRAIL))

    def take(self, frame: Captured, result: TrackResult) -> None:
        """Remember a frame's result and write it."""
        self.result = result
        self.trail.append(result.box.center_xy)
        # Drawn on a frame that was held while later ones went by, a target may meet its first index again.
        if frame.index > self.recorder.last_index:
            self.recorder.add(frame, result)


class Session(ShownTargets[_LiveTarget]):
    """Tracks targets in the frames it is given. Its methods may be called from several threads.

    Each target's results are a folder `OUT/target-N` with boxes.csv, boxes.txt and run.json, finished when the target
    is removed or the session closed; a killed process leaves `boxes.partial.csv` there, every frame but the last whole.

    Args:
        backend, config: of the tracker.
        out: folder of the results; folders of earlier sessions in it are left alone.
        source: name of the source, for run.json.
        fps: frame rate of recordings.
        about: more plain data for run.json (model, weights' sha256).
    """

    def __init__(
        self,
        backend: Network,
        config: TrackerConfig,
        out: Path,
        source: str = "",
        fps: float = 30.0,
        about: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(out)
        self._group: MultiTracker[int] = MultiTracker(backend, config)
        self._about = {"source": source, **conditions(self._group), **(about or {})}
        self._recorded_fps = fps
        self._recording: Recording | None = None
        self._notice = ""
        self._drawn = self._recorded = 0

    def step(self, frame: Captured) -> Scene:
        """Track every target in the next frame.

        Raises:
            OutputError: a result cannot be written; the targets go on being tracked if called again.
        """
        with self._lock:
            self._check_size(frame)
            before = self._steps[-1] if self._steps else time.perf_counter()
            results, (network_s, tracker_s) = timed_update(self._group, frame.image)
            self._steps.append(time.perf_counter())
            for track in self._targets.values():
                track.take(frame, results[track.number])
                track.recorder.times.add(network_s, tracker_s, self._steps[-1] - before)
            self.scene = self._scene(frame, tracker_s if results else 0.0)
            self._notice = ""
            if self._recording is not None:
                self._record(draw_targets(frame.image, self.scene.targets), frame.time_s)
            return self.scene

    def add(self, box: Sequence[float], frame: Captured | None = None) -> str:
        """Begin to follow a target.

        Args:
            box: `(x, y, w, h)`, 0-based pixels, in any direction of drawing: negative sizes are turned round.
            frame: the frame in which it was drawn; default the newest.

        Returns:
            The target's name.

        Raises:
            ValueError: a box that cannot be used, no frame yet, or `MAX_TARGETS` are followed already.
            OutputError: its folder cannot be made.
        """
        with self._lock:
            frame = frame or self._present()
            self._check_limit()
            number = free_number(self._drawn, lambda number: self._is_taken(f"target-{number}"))
            name = f"target-{number}"
            first = self._group.add(number, frame.image, upright(box))
            try:
                self._targets[name] = _LiveTarget(name, number, Recorder(self.out / name, self._about), first)
            except OutputError:
                self._group.remove(number)
                raise
            self._drawn = number
            self._targets[name].take(frame, first)
            self.scene = self._scene(self.scene.frame if self.scene is not None else frame, 0.0)
            return name

    def reselect(self, name: str, box: Sequence[float], frame: Captured | None = None) -> None:
        """Learn a target anew from another box; its results go on in the same files.

        Raises:
            KeyError: no such target. ValueError: a box that cannot be used; the target is followed as before.
        """
        with self._lock:
            frame = frame or self._present()
            track = self._targets[name]
            first = self._group.add(track.number, frame.image, upright(box))
            track.result = first
            track.trail.clear()
            track.trail.append(first.box.center_xy)
            self._show_again()

    def running(self) -> dict[str, dict[str, Any]]:
        """What run.json would say now, for each target that is followed."""
        with self._lock:
            return {name: track.recorder.about("still followed") for name, track in self._targets.items()}

    def remove(self, name: str, ended: str = "removed") -> None:
        """Stop following a target and finish its files.

        Raises:
            KeyError: no such target. OutputError: its files cannot be written.
        """
        with self._lock:
            track = self._targets.pop(name)
            self._group.remove(track.number)
            self._show_again()
            self.finished.append(track.recorder.finish(ended))

    def record(self, on: bool) -> Path | None:
        """Begin or end a recording of the frames with their boxes.

        Returns:
            The file that was begun or finished; None if nothing changed.

        Raises:
            OutputError: the file cannot be written.
        """
        with self._lock:
            if on == (self._recording is not None):
                return None
            if on:
                make_folder(self.out)
                self._recording = self._next_recording()
                return self._recording.path
            recording, self._recording = self._recording, None
        assert recording is not None
        recording.close()  # a long one takes seconds, in which tracking goes on
        self._tell(recording)
        return recording.path if recording.frames else None

    def close(self, ended: str = "done") -> None:
        """Finish all files. May be called twice.

        Raises:
            OutputError: a file cannot be written; the others were.
        """
        with self._lock:
            problem: OutputError | None = None
            for name in list(self._targets):
                try:
                    self.remove(name, ended)
                except OutputError as error:
                    problem = error
            self.record(False)
            if problem is not None:
                raise problem

    @property
    def recording(self) -> bool:
        """Whether frames are being recorded."""
        return self._recording is not None

    def _check_size(self, frame: Captured) -> None:
        """End all targets if frames have another size: a turned phone, or a camera that came back in another mode."""
        (height, width), (h, w) = frame.image.shape[:2], (self.scene.frame if self.scene else frame).image.shape[:2]
        if self._targets and (h, w) != (height, width):
            self._notice = f"the picture went from {w}x{h} to {width}x{height}: draw the targets again"
            for name in list(self._targets):
                self.remove(name, self._notice)

    def _record(self, image: Image, time_s: float) -> None:
        """Append a frame to the recording. One of another size ends the file, and begins the next."""
        assert self._recording is not None
        ended = None
        if self._recording.frames and self._recording.size_wh != image.shape[1::-1]:
            ended, self._recording = self._recording, self._next_recording()
        self._recording.write(image, time_s)
        if ended is not None:
            ended.close()
            self._tell(ended)

    def _tell(self, finished: Recording) -> None:
        """Have the next scene tell what a user should know of a recording."""
        self._notice = self._notice or "; ".join(finished.notes)

    def _next_recording(self) -> Recording:
        self._recorded = free_number(self._recorded, lambda number: any(self.out.glob(f"recording-{number}.*")))
        return Recording(self.out / f"recording-{self._recorded}.mp4", self._recorded_fps)

    def _scene(self, frame: Captured, tracking_s: float) -> Scene:
        targets = tuple(track.seen(track.result, track.trail) for track in self._targets.values())
        return Scene(frame, targets, rate(self._steps), tracking_s, self._recording is not None, self._notice)

    def _show_again(self) -> None:
        if self.scene is not None:
            self.scene = self._scene(self.scene.frame, 0.0)

    def _is_taken(self, name: str) -> bool:
        return (self.out / name).exists()

    def _move(self, target: _LiveTarget, new: str) -> None:
        target.recorder.move(self.out / new)
