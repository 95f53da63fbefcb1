"""One run: a source through a tracker into result files. The command line, the demo and tests all call this."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from siamtrack.boxes import Box
from siamtrack.errors import OutputError, SourceError
from siamtrack.frames import Image
from siamtrack.system import network_threads, versions
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.tracker import FrameDetails, Tracker
from siamtrack.video.overlay import draw
from siamtrack.video.results import Recorder, RunSummary
from siamtrack.video.sink import VideoSink
from siamtrack.video.source import Frame, Source
from siamtrack.video.threads import WriteBehind

Found = TypeVar("Found", covariant=True)


@dataclass(frozen=True)
class Progress:
    """What a run tells after each frame.

    Attributes:
        frame, result: the frame and what the tracker says of it.
        fps: end-to-end frames per second so far.
        details: what lay behind the result, if the run was asked to show it.
    """

    frame: Frame
    result: TrackResult
    fps: float
    details: FrameDetails | None = None

    def overlay(self) -> Image:
        """A copy of the frame with the box drawn."""
        return draw(self.frame.image, self.result, f"frame {self.frame.index}", self.details)


def run(
    tracker: Tracker,
    source: Source,
    out: str | Path,
    box: Sequence[float] | Callable[[Image], Box],
    start: int = 0,
    stop: int | None = None,
    video: bool = False,
    audio: bool = True,
    debug: bool = False,
    watch: Callable[[Progress], bool] = lambda _: True,
    about: dict[str, Any] | None = None,
) -> RunSummary:
    """Track one target through a source and write boxes.csv, boxes.txt, run.json and, if asked, overlay.mp4.

    Whatever ends the run, the results of all frames before are written: a source that breaks off, a frame
    that cannot be used, an interrupt. Only a killed process leaves `boxes.partial.csv` instead. An overlay that cannot be
    written is told of in the summary's notes.

    Args:
        tracker, source: what follows, and where frames come from.
        out: folder of the results.
        box: the target in frame `start`, or a function that asks for it.
        start, stop: first frame, and the first one not to track; 0-based.
        video: write overlay.mp4, with the source's own times.
        audio: with the source's sound, if it has any.
        debug: overlays also show the search regions and what the score is made of.
        watch: called after every frame; returning False ends the run as interrupted.
        about: more plain data for run.json (model, weights' sha256).

    Raises:
        SiamtrackError, ValueError: nothing could be tracked at all (bad source, bad box, folder not writable).
    """
    recorder: Recorder | None = None
    overlay: _Overlay | None = None
    ended, began = "done", 0.0
    with ExitStack() as stack:
        try:
            for frame in stack.enter_context(closing(source.read_ahead(start))):
                if stop is not None and frame.index >= stop:
                    break
                if recorder is None:
                    first = box(frame.image) if callable(box) else Box(*box)
                    result = tracker.init(frame.image, first)
                    # Only now: a run that cannot begin leaves no folder behind.
                    told = {"source": source.name, "box": list(first), **conditions(tracker), **(about or {})}
                    recorder = stack.enter_context(Recorder(out, told))
                    if video:
                        overlay = stack.enter_context(closing(_Overlay(recorder.out / "overlay.mp4", source, audio)))
                    recorder.add(frame, result)
                    began = time.perf_counter()
                else:
                    result, spent_s = timed_update(tracker, frame.image)
                    recorder.add(frame, result)
                    before, began = began, time.perf_counter()
                    recorder.times.add(*spent_s, began - before)
                progress = Progress(frame, result, recorder.times.fps, tracker.details if debug else None)
                if overlay is not None:
                    overlay.add(progress)
                if not watch(progress):
                    ended = "interrupted"
                    break
        except (SourceError, ValueError, KeyboardInterrupt) as error:
            # Nothing tracked yet: the caller's mistake. Later: the source's end came early, and results are kept.
            if recorder is None:
                raise
            ended = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        if recorder is None:
            raise SourceError(f"{source.name} gave no frame from {start} on; nothing was tracked")
        notes = list(source.notes)
        if overlay is not None:
            overlay.close()
            notes += overlay.notes
        return recorder.finish(ended, source.counts, notes)


class _Overlay:
    """overlay.mp4, drawn and encoded in a thread of its own. One that cannot be written leaves no file, but a note.

    Attributes:
        notes: what a user should know of it, each in one line; complete once it is closed.
    """

    def __init__(self, path: Path, source: Source, audio: bool) -> None:
        self._sink = VideoSink(path, source.fps, source.sample_aspect, source.audio if audio else None)
        self.notes = self._sink.notes
        self._failed = False
        self._encoder: WriteBehind[Progress] = WriteBehind(self._write)

    def add(self, progress: Progress) -> None:
        """Draw a frame and append it, soon."""
        self._encoder.add(progress)

    def close(self) -> None:
        """Wait for all frames and finish the file. May be called again."""
        self._encoder.close()
        try:
            self._sink.close()
        except OutputError as error:
            self._give_up(error)

    def _write(self, progress: Progress) -> None:
        if self._failed:
            return
        try:
            self._sink.write(progress.overlay(), progress.frame.time_s, progress.frame.duration_s)
        except OutputError as error:
            self._give_up(error)

    def _give_up(self, error: OutputError) -> None:
        """Make room at once: the disk may be full, and boxes matter more. An earlier run's overlay would show other boxes."""
        self._failed = True
        self._sink.drop()
        with suppress(OSError):
            self._sink.path.unlink(missing_ok=True)
        self.notes.append(f"there is no overlay: {error}")


class _Tracking(Protocol[Found]):
    """A `Tracker` or a `MultiTracker`."""

    @property
    def backend(self) -> Any: ...
    @property
    def config(self) -> TrackerConfig: ...

    def update(self, frame: Any, /) -> Found: ...


def timed_update(tracker: _Tracking[Found], image: Image) -> tuple[Found, tuple[float, float]]:
    """A tracker's `update`, and the seconds that its network took, and all of it: for `FrameTimes.add`."""
    network_s, began = tracker.backend.network_s, time.perf_counter()
    found = tracker.update(image)
    return found, (tracker.backend.network_s - network_s, time.perf_counter() - began)


def conditions(tracker: _Tracking[Any]) -> dict[str, Any]:
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
