"""One video of a batch: decoded once, all its targets in one batch of the network a frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from siamtrack.batch.engine import RunSettings, VideoProgress
from siamtrack.batch.jobs import VideoJob
from siamtrack.batch.pictures import Pictures, pictures_missing, remove_pictures
from siamtrack.batch.target_folder import TargetFolder, TargetResult
from siamtrack.boxes import Box
from siamtrack.errors import OutputError, SourceError
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.recorder import Recorder, conditions
from siamtrack.video.rows import BOXES_CSV, read_rows
from siamtrack.video.source import Frame, Source, open_source
from siamtrack.video.tracking_loop import FinishedTrack, FrameResults, TrackingLoop


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
        stopped: asked after every frame; True ends the run, and targets that are not finished stay so.
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
        if pictures and (folder.path / BOXES_CSV).is_file():
            drawn[number] = FinishedTrack(read_rows(folder.path / BOXES_CSV), folder.target.frames[0])
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
    """One run through a video. Targets are numbered from 1, in the order of the job.

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
        self._video, self._settings, self._tracker = video, settings, tracker
        self._waiting, self._drawn = waiting, drawn
        self._about = {"model": settings.model, "weights_sha256": settings.identity["weights_sha256"], **conditions(tracker)}
        self._seen = 0

    def results(
        self, tell: Callable[[VideoProgress], None], stopped: Callable[[], bool], with_pictures: bool
    ) -> Iterator[TargetResult]:
        """Go through the video; see `run_video`."""
        try:
            source = open_source(self._video.path)
        except (SourceError, FileNotFoundError) as error:
            for folder in self._waiting.values():
                yield folder.fail("video", str(error))
            return
        about = {**self._about, "source": source.name, "source_fps": source.fps}

        def box_of(number: int, _: Frame) -> Box:
            return Box(*self._waiting[number].target.box_xywh)

        def recorder_of(number: int, box: Box) -> Recorder:
            folder = self._waiting[number]
            return Recorder(folder.path, {**about, "box": list(box), "job": folder.job}, loop.times)

        spans = {number: folder.target.span for number, folder in self._waiting.items()}
        loop: TrackingLoop[int] = TrackingLoop(self._tracker, source, spans, box_of, recorder_of)
        names = {number: target.name for number, target in enumerate(self._video.targets, 1)}
        place, settings = Path(self._settings.out) / self._video.name, self._settings
        pictures = Pictures(place, source, names, settings.video, settings.audio) if with_pictures else None
        first = min((self._video.targets[number - 1].frames[0] for number in self._drawn), default=None)

        def draws() -> bool:  # whether anything of earlier runs is left
            return not all(track.ended for track in self._drawn.values())

        total, broken, whole = self._total(source, with_pictures), None, False
        try:
            try:
                with source, closing(loop.steps(with_pictures, first, draws)) as steps:
                    for done, step in enumerate(steps, 1):
                        if stopped():
                            return
                        self._seen = max(self._seen, step.frame.index + 1)
                        yield from self._settle(loop, source)
                        if pictures is not None and not step.backward:
                            pictures.add(step.frame, self._shown(step))
                        tell(VideoProgress(self._video.name, done, total, loop.times.fps))
            except SourceError as error:
                broken = str(error)
            yield from self._settle(loop, source)
            yield from self._settle_rest(loop, source, broken)
            if pictures is not None:
                pictures.finish()
            whole = True
        finally:
            if not whole:
                for recorder in loop.recorders.values():
                    recorder.close()
                if pictures is not None:
                    pictures.drop()

    def _total(self, source: Source, with_pictures: bool) -> int | None:
        """Steps to go, as far as anyone can know."""
        targets = [self._video.targets[number - 1] for number in (*self._drawn, *self._waiting)]
        count = math.inf if source.frame_count is None else source.frame_count
        begin = min(target.frames[0] if with_pictures else target.start for target in targets)
        end = min(count - 1, max(target.frames[1] for target in targets))
        back = [target for number in self._waiting if (target := self._video.targets[number - 1]).span.backward]
        steps = max(target.start for target in back) + 1 - min(target.frames[0] for target in back) if back else 0
        return None if math.isinf(end) else max(0, int(end) + 1 - begin) + steps

    def _settle(self, loop: TrackingLoop[int], source: Source) -> Iterator[TargetResult]:
        """Finish targets that have come to their end."""
        for number, error in loop.take_ended():
            recorder = loop.recorders.pop(number, None)
            if recorder is not None:
                yield self._finish(number, recorder, source, str(error) if error else None)
            else:
                kind = "video" if isinstance(error, SourceError) else "target"
                yield self._waiting[number].fail(kind, str(error))

    def _settle_rest(self, loop: TrackingLoop[int], source: Source, broken: str | None) -> Iterator[TargetResult]:
        """The video has come to its end, or broke off."""
        for number, recorder in loop.recorders.items():
            yield self._finish(number, recorder, source, broken)
        loop.recorders.clear()
        for number in loop.waiting:
            folder = self._waiting[number]
            asked = f"frame {folder.target.start} was asked for (counting from 0)"
            ended = f"{self._video.label} ended after {self._seen} frames; {asked}"
            yield folder.fail("video" if broken else "target", broken or ended)

    def _finish(self, number: int, recorder: Recorder, source: Source, broken: str | None) -> TargetResult:
        """Finish a target's files. Written first, a failure is one however the files after it fare."""
        folder = self._waiting[number]
        with recorder:
            failed = folder.fail("video", broken, recorder.frames) if broken else None
            recorder.finish(broken or "done", source.counts, source.notes)
        for stopped in folder.path.glob("boxes.stopped*.csv"):  # of unfinished runs: all their rows are in boxes.csv as well
            stopped.unlink(missing_ok=True)
        result = folder.outcome() or failed
        if result is None:
            raise OutputError(f"{folder.path} was changed by another program while it was written; run the batch again")
        return result

    def _shown(self, step: FrameResults[int]) -> list[tuple[int, TrackResult]]:
        """Every target's result of a frame, those of earlier runs too, in the order of the video's targets."""
        earlier = {number: track.at(step.frame.index) for number, track in self._drawn.items()}
        found = {**step.results, **{number: result for number, result in earlier.items() if result is not None}}
        return sorted(found.items())
