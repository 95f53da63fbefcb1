"""One video of a batch: decoded once, all its targets in one batch of the network a frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from siamtrack.batch.engine import Progress
from siamtrack.batch.jobs import VideoJob
from siamtrack.batch.pictures import Pictures, pictures_missing, remove_pictures
from siamtrack.batch.settings import RunSettings
from siamtrack.batch.target_folder import DONE, TargetFolder, TargetResult
from siamtrack.batch.tracks import FinishedTrack
from siamtrack.errors import OutputError, SourceError
from siamtrack.tracking.group import MultiTracker
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.results import FrameTimes, Recorder
from siamtrack.video.run import conditions, timed_update
from siamtrack.video.source import Frame, Source, open_source


def run_video(
    video: VideoJob,
    settings: RunSettings,
    tracker: Tracker,
    tell: Callable[[Progress], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
    pictures: bool = True,
) -> Iterator[TargetResult]:
    """Track every target of a video that is not settled yet, and write its results.

    It may be called again after it was killed anywhere: finished targets are not tracked again, and what they give is
    the same to the last byte on a CPU, since a target's track does not depend on who else is followed.

    Args:
        video: the job.
        settings: of the batch.
        tracker: made by `make_tracker`; its own target is not touched.
        tell: called after every frame.
        stopped: asked before every frame; True ends the run, and targets that are not finished stay so.
        pictures: make the contact sheet and the overlay; not while other targets of the video are tracked elsewhere.

    Yields:
        A result for every target as soon as it is settled, those of earlier runs first. A target that fails lets the
        others go on. A video that breaks off keeps the frames before as results of its targets, which count as failed.

    Raises:
        OutputError: a result cannot be written, so others could not, either. Finished targets are kept.
    """
    folders = [TargetFolder(settings.out, video, target, settings.identity) for target in video.targets]
    place = Path(settings.out) / video.name
    found = [folder.outcome() for folder in folders]
    yield from (result for result in found if result is not None)
    waiting = [_Waiting(n, folder) for n, (folder, was) in enumerate(zip(folders, found, strict=True), 1) if was is None]
    drawn = {
        number: FinishedTrack(folder.path / DONE, folder.target.start)
        for number, (folder, was) in enumerate(zip(folders, found, strict=True), 1)
        if pictures and was is not None and (folder.path / DONE).is_file()
    }
    if waiting:
        remove_pictures(place)  # they show all targets of a video
    elif not drawn or not pictures_missing(place, settings.video):
        return
    run = _VideoRun(video, settings, tracker, waiting, drawn, pictures)
    try:
        yield from run.results(tell, stopped)
    except OutputError:
        raise
    except Exception as error:  # whatever it is, it must not end the other videos
        for folder in (folder for folder in folders if folder.outcome() is None):
            yield folder.fail("internal", f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class _Waiting:
    """A target before its first frame; `number` counts the video's targets from 1."""

    number: int
    folder: TargetFolder


class _VideoRun:
    """The state of one pass through a video."""

    def __init__(
        self,
        video: VideoJob,
        settings: RunSettings,
        tracker: Tracker,
        waiting: list[_Waiting],
        drawn: dict[int, FinishedTrack],
        pictures: bool,
    ) -> None:
        self._video, self._settings = video, settings
        self._about = {"model": settings.model, "weights_sha256": settings.identity["weights_sha256"], **conditions(tracker)}
        self._group: MultiTracker[int] = MultiTracker(tracker.engine, tracker.config)
        self._waiting, self._drawn, self._wants_pictures = waiting, drawn, pictures
        self._followed: dict[int, tuple[TargetFolder, Recorder]] = {}
        targets = [video.targets[number - 1] for number in (*drawn, *(one.number for one in waiting))]
        self._first = min(target.start for target in targets)
        ends = [target.end for target in targets]
        self._last = None if None in ends else max(end for end in ends if end is not None)
        self._times = FrameTimes()
        self._results: dict[int, TrackResult] = {}
        self._seen = 0
        self._began = 0.0

    def results(self, tell: Callable[[Progress], None], stopped: Callable[[], bool]) -> Iterator[TargetResult]:
        """Go through the video once; see `run_video`."""
        try:
            source = open_source(self._video.path)
        except (SourceError, FileNotFoundError) as error:
            yield from self._settle_all("video", str(error))
            return
        self._about |= {"source": source.name, "source_fps": source.fps}
        pictures = None
        if self._wants_pictures:
            pictures = Pictures(Path(self._settings.out) / self._video.name, source.fps, self._settings.video)
        total = self._total(source)
        whole = False
        try:
            broken = None
            with source:
                try:
                    with closing(source.read_ahead(self._first)) as frames:
                        for frame in frames:
                            if stopped():
                                return
                            yield from self._step(frame)
                            if pictures is not None:
                                pictures.add(frame.image, self._shown(frame.index))
                            done = frame.index - self._first + 1
                            tell(Progress(self._video.name, done, total, self._times.fps))
                            if not self._wanted():
                                break
                except SourceError as error:
                    broken = str(error)
            yield from self._settle_all("video", broken)
            if pictures is not None:
                pictures.finish()
            whole = True
        finally:
            if not whole:
                for _, recorder in self._followed.values():
                    recorder.close()
                if pictures is not None:
                    pictures.drop()

    def _total(self, source: Source) -> int | None:
        """Frames to go through, as far as anyone can know."""
        count = source.frame_count
        if self._last is not None:
            count = self._last + 1 if count is None else min(count, self._last + 1)
        return None if count is None else max(0, count - self._first)

    def _wanted(self) -> bool:
        """Whether there is anything left to follow or to draw."""
        return bool(self._followed or self._waiting) or not all(track.ended for track in self._drawn.values())

    def _step(self, frame: Frame) -> Iterator[TargetResult]:
        self._seen = frame.index + 1
        self._results = {}
        yield from self._update(frame)
        for one in [one for one in self._waiting if one.folder.target.start == frame.index]:
            self._waiting.remove(one)
            yield from self._begin(one, frame)
        for number in [number for number, (folder, _) in self._followed.items() if folder.target.end == frame.index]:
            yield self._settle(number, "video", None)

    def _update(self, frame: Frame) -> Iterator[TargetResult]:
        """Find all targets of the frames before."""
        if not self._followed:
            self._began = time.perf_counter()
            return
        try:
            self._results, spent_s = timed_update(self._group, frame.image)
        except ValueError as error:  # the size of frames has changed
            for number in list(self._followed):
                yield self._settle(number, "video", str(error))
            return
        for number, result in self._results.items():
            self._followed[number][1].add(frame, result)
        before, self._began = self._began, time.perf_counter()
        self._times.add(*spent_s, self._began - before)

    def _begin(self, one: _Waiting, frame: Frame) -> Iterator[TargetResult]:
        """Learn a target in its first frame."""
        try:
            result = self._group.add(one.number, frame.image, one.folder.target.box_xywh)
        except ValueError as error:
            yield one.folder.fail("target", str(error))
            return
        about = {**self._about, "box": list(one.folder.target.box_xywh), "job": one.folder.job}
        recorder = Recorder(one.folder.path, about, self._times)
        self._followed[one.number] = one.folder, recorder
        recorder.add(frame, result)
        self._results[one.number] = result

    def _settle_all(self, kind: str, broken: str | None) -> Iterator[TargetResult]:
        """The video has come to its end, or broke off."""
        for number in list(self._followed):
            yield self._settle(number, kind, broken)
        for one in self._waiting:
            start = one.folder.target.start
            ended = f"{self._video.label} ended after {self._seen} frames; frame {start} was asked for (counting from 0)"
            yield one.folder.fail(kind if broken else "target", broken or ended)
        self._waiting.clear()

    def _settle(self, number: int, kind: str, broken: str | None) -> TargetResult:
        """Finish a target's files. Written first, a failure is one however the files after it fare."""
        folder, recorder = self._followed.pop(number)
        self._group.remove(number)
        try:
            failed = folder.fail(kind, broken, recorder.frames) if broken else None
            recorder.finish(broken or "done")
        finally:
            recorder.close()
        folder.tidy()
        result = folder.outcome() or failed
        if result is None:
            raise OutputError(f"{folder.path} was changed by another program while it was written; run the batch again")
        return result

    def _shown(self, index: int) -> list[tuple[int, TrackResult]]:
        """Every target's result of a frame, those of earlier runs too, in the order of the video's targets."""
        found = dict(self._results)
        for number, track in self._drawn.items():
            result = track.at(index)
            if result is not None:
                found[number] = result
        return sorted(found.items())
