"""One video of a batch: decoded once, all its targets in one batch of the network a frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from siamtrack.batch.engine import RunSettings, VideoProgress
from siamtrack.batch.jobs import VideoJob
from siamtrack.batch.overlays import FinishedTrack, Pictures, pictures_missing, remove_pictures
from siamtrack.batch.target_folder import DONE, TargetFolder, TargetResult
from siamtrack.errors import OutputError, SourceError
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.tracker import MultiTracker, Tracker
from siamtrack.video.open_source import open_source
from siamtrack.video.results import STOPPED, FrameTimes, Recorder
from siamtrack.video.run import conditions, timed_update
from siamtrack.video.source import Frame, Source


def run_video(
    video: VideoJob,
    settings: RunSettings,
    tracker: Tracker,
    tell: Callable[[VideoProgress], None] = lambda _: None,
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
    waiting: dict[int, TargetFolder] = {}
    drawn: dict[int, FinishedTrack] = {}
    for number, folder in enumerate(folders, 1):
        found = folder.outcome()
        if found is None:
            waiting[number] = folder
            continue
        if pictures and (folder.path / DONE).is_file():
            drawn[number] = FinishedTrack(folder.path / DONE, folder.target.start)
        yield found
    if waiting:
        remove_pictures(place)  # they show all targets of a video
    elif not drawn or not pictures_missing(place, settings.video):
        return
    run = _VideoRun(video, settings, tracker, waiting, drawn)
    try:
        yield from run.results(tell, stopped, pictures)
    except OutputError:
        raise
    except Exception as error:  # whatever it is, it must not end the other videos
        for folder in (folder for folder in folders if folder.outcome() is None):
            yield folder.fail("internal", f"{type(error).__name__}: {error}")


class _VideoRun:
    """One pass through a video. Targets are numbered from 1, in the order of the job.

    Args:
        video, settings, tracker: as for `run_video`.
        waiting: folders of the targets that are to be tracked.
        drawn: those of earlier runs, for the pictures.
    """

    def __init__(
        self,
        video: VideoJob,
        settings: RunSettings,
        tracker: Tracker,
        waiting: dict[int, TargetFolder],
        drawn: dict[int, FinishedTrack],
    ) -> None:
        self._video, self._settings = video, settings
        self._waiting, self._drawn = waiting, drawn
        self._group: MultiTracker[int] = MultiTracker(tracker.backend, tracker.config)
        self._followed: dict[int, tuple[TargetFolder, Recorder]] = {}
        self._results: dict[int, TrackResult] = {}
        self._about = {"model": settings.model, "weights_sha256": settings.identity["weights_sha256"], **conditions(tracker)}
        self._times = FrameTimes()
        self._began = 0.0
        targets = [video.targets[number - 1] for number in (*drawn, *waiting)]
        self._first = min(target.start for target in targets)
        ends = [target.end for target in targets if target.end is not None]
        self._last = max(ends) if len(ends) == len(targets) else None
        self._seen = 0
        self._source: Source | None = None

    def results(
        self, tell: Callable[[VideoProgress], None], stopped: Callable[[], bool], with_pictures: bool
    ) -> Iterator[TargetResult]:
        """Go through the video once; see `run_video`."""
        try:
            source = open_source(self._video.path)
        except (SourceError, FileNotFoundError) as error:
            yield from self._settle_all(str(error))
            return
        self._about |= {"source": source.name, "source_fps": source.fps}
        self._source = source
        place = Path(self._settings.out) / self._video.name
        pictures = Pictures(place, source, self._settings.video, self._settings.audio) if with_pictures else None
        total = self._total(source)
        broken = None
        whole = False
        try:
            try:
                with source, closing(source.read_ahead(self._first)) as frames:
                    for frame in frames:
                        if stopped():
                            return
                        yield from self._step(frame)
                        if pictures is not None:
                            pictures.add(frame, self._shown(frame.index))
                        done = frame.index - self._first + 1
                        tell(VideoProgress(self._video.name, done, total, self._times.fps))
                        if not self._wanted():
                            break
            except SourceError as error:
                broken = str(error)
            yield from self._settle_all(broken)
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
        for number in [number for number, folder in self._waiting.items() if folder.target.start == frame.index]:
            yield from self._begin(number, self._waiting.pop(number), frame)
        for number in [number for number, (folder, _) in self._followed.items() if folder.target.end == frame.index]:
            yield self._settle(number, None)

    def _update(self, frame: Frame) -> Iterator[TargetResult]:
        """Find all targets of the frames before."""
        if not self._followed:
            self._began = time.perf_counter()
            return
        try:
            self._results, spent_s = timed_update(self._group, frame.image)
        except ValueError as error:  # the size of frames has changed
            for number in list(self._followed):
                yield self._settle(number, str(error))
            return
        for number, result in self._results.items():
            self._followed[number][1].add(frame, result)
        before, self._began = self._began, time.perf_counter()
        self._times.add(*spent_s, self._began - before)

    def _begin(self, number: int, folder: TargetFolder, frame: Frame) -> Iterator[TargetResult]:
        """Learn a target in its first frame."""
        try:
            result = self._group.add(number, frame.image, folder.target.box_xywh)
        except ValueError as error:
            yield folder.fail("target", str(error))
            return
        about = {**self._about, "box": list(folder.target.box_xywh), "job": folder.job}
        recorder = Recorder(folder.path, about, self._times)
        self._followed[number] = folder, recorder
        recorder.add(frame, result)
        self._results[number] = result

    def _settle_all(self, broken: str | None) -> Iterator[TargetResult]:
        """The video has come to its end, or broke off."""
        for number in list(self._followed):
            yield self._settle(number, broken)
        while self._waiting:
            folder = self._waiting.pop(next(iter(self._waiting)))
            asked = f"frame {folder.target.start} was asked for (counting from 0)"
            ended = f"{self._video.label} ended after {self._seen} frames; {asked}"
            yield folder.fail("video" if broken else "target", broken or ended)

    def _settle(self, number: int, broken: str | None) -> TargetResult:
        """Finish a target's files. Written first, a failure is one however the files after it fare."""
        folder, recorder = self._followed.pop(number)
        self._group.remove(number)
        with recorder:
            failed = folder.fail("video", broken, recorder.frames) if broken else None
            recorder.finish(broken or "done", *((self._source.counts, self._source.notes) if self._source else ()))
        (folder.path / STOPPED).unlink(missing_ok=True)  # of an unfinished run: all its rows are in boxes.csv as well
        result = folder.outcome() or failed
        if result is None:
            raise OutputError(f"{folder.path} was changed by another program while it was written; run the batch again")
        return result

    def _shown(self, index: int) -> list[tuple[int, TrackResult]]:
        """Every target's result of a frame, those of earlier runs too, in the order of the video's targets."""
        earlier = {number: track.at(index) for number, track in self._drawn.items()}
        found = {**self._results, **{number: result for number, result in earlier.items() if result is not None}}
        return sorted(found.items())
