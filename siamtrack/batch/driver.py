"""`siamtrack.batch`: many targets in many videos, by an engine, resumable."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from siamtrack.batch.engine import Engine, OnEvent, Planned, RunSettings, settings_for, share_machine
from siamtrack.batch.jobs import JobList, VideoJob, checked
from siamtrack.batch.pictures import pictures_missing
from siamtrack.batch.sequences import open_jobs
from siamtrack.batch.target_folder import TargetFolder, TargetResult, write_summary
from siamtrack.config import nearest
from siamtrack.errors import ConfigError, DataError, OutputError, needs
from siamtrack.lock import FolderLock
from siamtrack.models import DEFAULT_MODEL
from siamtrack.video.rows import BOXES_CSV

ENGINES = ("local", "ray")


def batch(
    jobs: str | Path | Iterable[VideoJob],
    out: str | Path,
    *,
    engine: str = "local",
    address: str | None = None,
    model: str | Path = DEFAULT_MODEL,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    workers: int | None = None,
    threads: int | None = None,
    video: bool = False,
    audio: bool = True,
    retry_failed: bool = False,
    force: bool = False,
    retries: int = 2,
    on_event: OnEvent = lambda _: None,
    **constants: Any,
) -> Generator[TargetResult, None, None]:
    """Track many targets in many videos, and go on where an earlier run with the same `out` was stopped.

    Works in scripts without a `__main__` guard, in notebooks and in threads: workers are fresh interpreters that do not
    import the calling program. They work while the iterator is being read, and end when it is closed or its process is.

    Args:
        jobs: a folder or manifest (`batch.sequences.open_jobs` says which), or `VideoJob`s.
        out: folder of the results: `OUT/VIDEO/TARGET/boxes.csv`, boxes.txt and run.json, `OUT/VIDEO/contact_sheet.jpg`,
            `OUT/summary.csv` and summary.json.
        engine: `local`: processes of this machine; `ray`: a cluster, see `batch.ray_engine`.
        address: of the Ray cluster, such as `auto` or `ray://HOST:10001`; None makes one on this machine.
        model, device, precision, backend: as for `siamtrack.load`; with `cuda` and several GPUs, workers take them in turn.
        workers, threads: processes, and threads of each. Default: as many as fill the machine. Threads can change the
            rounding of sums, so the same batch should go on with the same number.
        video: also write `OUT/VIDEO/overlay.mp4` with all targets.
        audio: with the video's sound, if it has any.
        retry_failed: try targets again that failed in an earlier run; otherwise they are reported only.
        force: track everything again, whatever is in `out`.
        retries: how often a video is tried again whose worker died.
        on_event: is told what goes on (`batch.engine.Event`).
        **constants: of `TrackerConfig`, as for `siamtrack.load`.

    Yields:
        A `TargetResult` for every target: first what is settled already, then each as soon as it is.

    Raises:
        FileNotFoundError, SiamtrackError, ValueError: the batch cannot begin, for example because `out` holds results of
            other jobs or another run is running there. While it runs: OutputError, a result cannot be written (what
            is done is kept, and the same call goes on once there is room); SiamtrackError, no worker can be started.

    Examples:
        >>> for result in siamtrack.batch("jobs.csv", "runs/all"):           # doctest: +SKIP
        ...     print(result.video, result.target, result.outcome, result.frames)
    """
    if engine not in ENGINES:
        raise ConfigError(f"no engine {engine!r}; {nearest(engine, ENGINES)}")
    if engine == "ray" and find_spec("ray") is None:
        raise needs("cluster", "--engine ray needs Ray")
    for name, count, least in (("workers", workers, 1), ("threads", threads, 1), ("retries", retries, 0)):
        if count is not None and count < least:
            raise ConfigError(f"{name} is {count}; it must be {least} or more")
    place = Path(os.path.abspath(out))
    if isinstance(jobs, (str, Path)) and Path(os.path.abspath(jobs)) == place:
        raise ConfigError(f"the results cannot go into the folder of the jobs, {place}; give out= (--out) another one")
    found = open_jobs(jobs) if isinstance(jobs, (str, Path)) else checked(jobs)
    settings = settings_for(place, model, device, precision, backend, constants, video=video, audio=audio, retries=retries)
    if engine == "ray" and threads is None:
        threads = 1  # the machines that do the work are others than this one, and a task must fit into the smallest
    workers, threads = share_machine(len(found.videos), settings.devices, workers, threads)
    settings = replace(settings, workers=workers, threads=threads)

    run: Engine
    if engine == "ray":
        from siamtrack.batch.ray_engine import run_on_ray

        run = partial(run_on_ray, address)
    else:
        from siamtrack.batch.local import run_local as run
    return _run(found, settings, run, retry_failed, force, on_event)


def _run(
    found: JobList,
    settings: RunSettings,
    run: Engine,
    retry_failed: bool,
    force: bool,
    on_event: OnEvent,
) -> Generator[TargetResult, None, None]:
    out = Path(settings.out)
    with FolderLock(out) as lock:
        plan = _Plan(found, settings, retry_failed, force)
        on_event(plan.told(settings))
        try:
            yield from plan.refused
            yield from list(plan.settled.values())
            # An engine with nothing to do would start workers, or a cluster, all the same.
            with closing(run(plan.videos, settings, lock, on_event)) as results:
                for result in results if plan.videos else ():
                    key = (result.video, result.target)
                    if key not in plan.settled:  # a video that begins again tells of finished targets again
                        plan.settled[key] = result
                        yield result
        except BaseException:
            with suppress(OutputError):  # the disk may be full, and the first error tells more
                write_summary(out, plan.summary())
            raise
        write_summary(out, plan.summary())


class _Plan:
    """What is done and what is to do.

    Attributes:
        refused: what the jobs name and cannot be used, as results.
        settled: results by video and target; at first those of earlier runs.
        videos: in which something is left to do, the largest file first: a long one that starts last would keep one worker
            busy while the others wait.

    Raises:
        DataError: results of other jobs are in the way.
        OutputError: files of earlier runs cannot be removed.
    """

    def __init__(self, found: JobList, settings: RunSettings, retry_failed: bool, force: bool) -> None:
        self.refused = [
            TargetResult(one.video, one.target, None, 0, 0, "failed", f"{one.where}: {one.reason}") for one in found.refused
        ]
        self.settled: dict[tuple[str, str], TargetResult] = {}
        self.videos: list[VideoJob] = []
        self._folders = {
            (video.label, target.name): TargetFolder(settings.out, video, target, settings.identity)
            for video in found.videos
            for target in video.targets
        }
        if not force:
            self._check()
        for key, folder in self._folders.items():
            result = None if force else folder.outcome()
            if result is None or (retry_failed and result.outcome == "failed"):
                folder.clear()
            else:
                self.settled[key] = replace(result, earlier=True)
        for video in sorted(found.videos, key=lambda video: -(video.size or 0)):
            keys = [(video.label, target.name) for target in video.targets]
            results = any((self._folders[key].path / BOXES_CSV).is_file() for key in keys)
            unsettled = any(key not in self.settled for key in keys)
            if unsettled or (results and pictures_missing(Path(settings.out) / video.name, settings.video)):
                self.videos.append(video)

    def told(self, settings: RunSettings) -> Planned:
        """The plan in figures."""
        targets, settled = len(self.refused) + len(self._folders), len(self.refused) + len(self.settled)
        return Planned(len(self.videos), targets, settled, min(settings.workers, len(self.videos)), settings.threads)

    def summary(self) -> list[TargetResult]:
        """A result for every target, in the order of the jobs."""
        return [
            *self.refused,
            *(self.settled.get(key) or folder.outcome() or folder.unfinished() for key, folder in self._folders.items()),
        ]

    def _check(self) -> None:
        others: Iterator[str | None] = (folder.other_job() for folder in self._folders.values())
        wrong = [other for other in others if other]
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise DataError(f"{wrong[0]}{more}; give another --out, or --force to make them anew")
