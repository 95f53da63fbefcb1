"""The cluster engine: videos as tasks of Ray, on as many machines as its cluster has.

Every machine needs the same version of siamtrack, and must see the videos, the folder of results and, where the model is
a file, the weights, under the same paths (a network file system). What is written there is what the local engine writes.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from siamtrack.batch.engine import WORKERS_A_GPU, Ended, OnEvent, Retried, RunSettings, VideoProgress, make_tracker
from siamtrack.batch.jobs import VideoJob
from siamtrack.batch.target_folder import TargetResult, give_up
from siamtrack.batch.video_run import run_video
from siamtrack.errors import OutputError, SiamtrackError, reason
from siamtrack.lock import FolderLock

TELL_S = 0.5
"""Seconds between two reports of progress, and between two questions to the cluster."""


def run_on_ray(
    address: str | None, videos: Sequence[VideoJob], settings: RunSettings, _: FolderLock, on_event: OnEvent
) -> Generator[TargetResult, None, None]:
    """The `engine.Engine` of a cluster: Ray gets everything at once, and queues what there is no room for.

    A video whose machine or process dies is given to another, with the targets that were not finished. A long video
    whose targets follow one another is tracked in parts, side by side.

    No lock is handed on: Ray itself ends a driver's tasks when the driver is gone.

    Args:
        address: of a cluster (`auto`, `ray://HOST:10001`, `HOST:6379`), or None for one on this machine alone, made now.
        Others as of `engine.Engine`.

    Raises:
        OutputError: a result cannot be written; all tasks are ended.
        SiamtrackError: the cluster cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody unasked
    import ray
    import ray.exceptions

    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address, settings)
    try:
        yield from _Run(ray, settings, on_event).results(videos)
    finally:
        if ours:
            ray.shutdown()


@dataclass(frozen=True)
class _Task:
    """One task of Ray.

    Attributes:
        video: the whole job. part: what of it this task tracks.
        pictures: whether it makes the video's pictures, which show all targets.
        deaths: how many workers it has cost.
    """

    video: VideoJob
    part: VideoJob
    pictures: bool
    deaths: int = 0


class _Run:
    """One batch on a connected cluster."""

    def __init__(self, ray: Any, settings: RunSettings, on_event: OnEvent) -> None:
        self._ray, self._settings, self._on_event = ray, settings, on_event
        # It needs no CPU and may be lost: if its machine dies, Ray makes another one.
        self._board = ray.remote(num_cpus=0, max_restarts=-1)(_ProgressBoard).remote()
        gpu = settings.devices[0] != "cpu"
        resources = {"num_cpus": settings.threads, "num_gpus": 1 / WORKERS_A_GPU if gpu else 0}
        # Retries are counted here, so that `Retried` can be sent.
        self._remote = ray.remote(max_retries=0, **resources)(_track)
        self._tasks: dict[Any, _Task] = {}
        self._parts_left: Counter[str] = Counter()

    def results(self, videos: Sequence[VideoJob]) -> Iterator[TargetResult]:
        """Start everything, and give what comes; Ray queues what the machines have no room for."""
        for video in videos:
            parts = video.parts()
            self._parts_left[video.name] = len(parts)
            for part in parts:
                self._start(_Task(video, part, pictures=len(parts) == 1))
        try:
            while self._tasks:
                ready, _ = self._ray.wait(list(self._tasks), timeout=TELL_S)
                self._tell()
                for reference in ready:
                    yield from self._settled(reference, self._tasks.pop(reference))
        finally:
            for reference in self._tasks:
                with suppress(Exception):  # the cluster may be gone; then so are its tasks
                    self._ray.cancel(reference, force=True)

    def _start(self, task: _Task) -> None:
        self._tasks[self._remote.remote(task.part, self._settings, task.pictures, self._board)] = task

    def _settled(self, reference: Any, task: _Task) -> Iterator[TargetResult]:
        """A task came to an end, for better or worse."""
        errors = self._ray.exceptions
        name = task.video.name
        try:
            yield from self._ray.get(reference)
        except errors.RayTaskError as error:
            # What the task itself raised. A disk that is full for one is full for all.
            if isinstance(error.cause, OutputError):
                raise OutputError(str(error.cause)) from None
            raise SiamtrackError(f"a worker cannot go on: {error.cause}") from None
        except errors.RayError as error:
            died = reason(error)[:200]
            deaths = task.deaths + 1
            if deaths <= self._settings.retries:
                self._on_event(Retried(name, died))
                self._start(replace(task, deaths=deaths))
                return
            yield from give_up(self._settings.out, task.part, self._settings.identity, f"{died}, {deaths} times")
        self._parts_left[name] -= 1
        if self._parts_left[name] == 0 and not task.pictures:
            # All parts are tracked: once more through the video, for the pictures that show all targets.
            self._parts_left[name] = 1
            self._start(_Task(task.video, task.video, pictures=True))
        elif self._parts_left[name] == 0:
            self._on_event(Ended(name))

    def _tell(self) -> None:
        """Report the progress of all tasks; if the board does not answer, that of the next time."""
        with suppress(self._ray.exceptions.RayError):
            for progress in self._ray.get(self._board.read.remote(), timeout=TELL_S):
                self._on_event(progress)


class _ProgressBoard:
    """Collects the progress of all tasks. Runs as an actor of Ray."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, int], VideoProgress] = {}

    def note(self, progress: VideoProgress, first: int) -> None:
        """`first` tells parts of a video apart."""
        self._newest[progress.video, first] = progress

    def read(self) -> list[VideoProgress]:
        """What was noted since the last time, one a video: its parts added up."""
        found: dict[str, VideoProgress] = {}
        for (video, _), one in self._newest.items():
            sofar = found.get(video, replace(one, frames=0, total=0, fps=0.0))
            total = None if one.total is None or sofar.total is None else sofar.total + one.total
            found[video] = VideoProgress(video, sofar.frames + one.frames, total, sofar.fps + one.fps)
        return list(found.values())


_trackers: dict[str, Any] = {}
"""By settings. Ray uses a process for many tasks: the model is loaded once."""


def _track(video: VideoJob, settings: RunSettings, pictures: bool, board: Any) -> list[TargetResult]:
    """Runs on a machine of the cluster."""
    # Of the machine's GPUs a task sees the one that Ray gave it, as number 0.
    device = "cpu" if settings.devices[0] == "cpu" else "cuda:0"
    key = repr(settings)
    if key not in _trackers:
        _trackers.clear()
        _trackers[key] = make_tracker(settings, device)
    told, first = 0.0, min(target.start for target in video.targets)

    def tell(progress: VideoProgress) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= TELL_S:
            told = now
            board.note.remote(progress, first)

    return list(run_video(video, settings, _trackers[key], tell, pictures=pictures))


def _connect(ray: Any, address: str | None, settings: RunSettings) -> None:
    local = {"num_cpus": settings.workers * settings.threads, "include_dashboard": False} if address is None else {}
    try:
        # "local" would otherwise mean whatever cluster the environment names.
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **local)
    except Exception as error:  # Ray raises whatever its transport does
        raise SiamtrackError(f"no Ray cluster at {address}: {reason(error)[:200]}; start one with ray start --head") from error
