"""Runs trackers over a benchmark in several processes, and goes on where it was stopped."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import cv2

from siamtrack.data.benchmarks import Benchmark
from siamtrack.data.sequence import Sequence as Video
from siamtrack.errors import OutputError, SiamtrackError
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.peers import BoxTracker
from siamtrack.eval.sequence_run import run_sequence
from siamtrack.eval.store import ResultStore
from siamtrack.system import leave_with_parent, limit_threads, network_threads, usable_cores

Result = TypeVar("Result")


Progress = Callable[[str, str, int, bool], None]
"""Is told tracker and sequence of a finished run, its frames, and whether it was run now rather than earlier."""


def run_benchmark(
    specs: Sequence[TrackerSpec], data: Benchmark, out: Path, jobs: int = 1, progress: Progress = lambda *_: None
) -> None:
    """Run what is not finished yet; every sequence is kept as soon as it is done.

    Args:
        specs: the trackers. data: the sequences; the first box is all that a tracker sees of the labels.
        out: folder of the evaluation. jobs: processes; 1 runs in this one.
        progress: called for every finished run, those of earlier calls first.

    Raises:
        DataError: results of another tracker are in the way, or a result was cut; nothing was run. Or a sequence cannot
            be read; then the others were run before this is raised.
        OutputError: a result cannot be written. What had not begun is not run: a full disk has no room for it either.
        SiamtrackError: a process was ended from outside.
        Whichever it is, results that are finished are kept, and the same call goes on from them.
    """
    waiting: list[tuple[TrackerSpec, Video]] = []
    for spec in specs:
        store = ResultStore(out, spec.name)
        store.claim(spec.identity())
        for video in data.sequences:
            if store.has(video.name, len(video.boxes_xywh)):
                progress(spec.name, video.name, len(video.boxes_xywh), False)
            else:
                waiting.append((spec, video))
    # The longest first: a long one that starts last would keep one process busy while the others wait.
    waiting.sort(key=lambda item: -len(item[1].boxes_xywh))
    failures = []
    for spec, video, error in _results(waiting, out, jobs):
        if error is None:
            progress(spec.name, video.name, len(video.boxes_xywh), True)
        else:
            failures.append(error)
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise type(failures[0])(f"{failures[0]}{more}; the other sequences are finished and kept")


def _results(
    waiting: list[tuple[TrackerSpec, Video]], out: Path, jobs: int
) -> Iterator[tuple[TrackerSpec, Video, SiamtrackError | None]]:
    jobs = min(jobs, len(waiting))
    if jobs <= 1:
        made: dict[TrackerSpec, BoxTracker] = {}
        for spec, video in waiting:
            yield spec, video, _failure(run_one, spec, video, out, made)
        return
    # Forked processes would inherit torch's threads in an unknown state.
    context, before = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with ProcessPoolExecutor(jobs, context, leave_with_parent) as pool:
        asked = {pool.submit(run_one, spec, video, out): (spec, video) for spec, video in waiting}
        try:
            for future in as_completed(asked):
                yield *asked[future], _failure(future.result)
        except BrokenProcessPool as error:
            raise SiamtrackError(
                "a process was ended from outside (out of memory?); finished sequences are kept, and the same command "
                "goes on; fewer --jobs take less memory"
            ) from error
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):  # a sequence may take minutes, and nobody waits for it now
                for process in set(multiprocessing.active_children()) - before:
                    process.terminate()
            raise


def _failure(run: Callable[..., None], *arguments: Any) -> SiamtrackError | None:
    """Why a sequence cannot be run; None if it was. A full disk is raised: the other sequences would find it as full."""
    try:
        run(*arguments)
    except OutputError:
        raise
    except SiamtrackError as error:
        return error
    return None


def shared(work: Callable[..., Result], calls: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[Result]:
    """Results of work that processes share, one a call, in the order of the calls and as soon as they are there.

    One thread a process: sums in another order round differently, and a track can turn on that.

    Args:
        work: a function of a module. calls: its arguments, one tuple a call. jobs: processes.
    """
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), leave_with_parent) as pool:
        for one in [pool.submit(_alone, work, *call) for call in calls]:
            yield one.result()


def _alone(work: Callable[..., Result], *arguments: Any) -> Result:
    with computing_with(1):
        return work(*arguments)


@contextmanager
def computing_with(threads: int | None) -> Iterator[int]:
    """Compute with so many threads inside, in OpenCV and whatever backend is made inside; yields their number.

    Args:
        threads: None for as many as pay.
    """
    torch = sys.modules.get("torch")
    before = cv2.getNumThreads(), torch.get_num_threads() if torch else 0
    try:
        limit_threads(threads)
        yield network_threads()
    finally:
        limit_threads(None)
        cv2.setNumThreads(before[0])
        if torch:
            torch.set_num_threads(before[1])


_made: dict[TrackerSpec, BoxTracker] = {}
"""Trackers of a process of the pool."""


def run_one(spec: TrackerSpec, video: Video, out: Path, made: dict[TrackerSpec, BoxTracker] = _made) -> None:
    """Run one tracker over one sequence and keep the result in the evaluation's folder `out`; `made`: trackers made before."""
    with computing_with(spec.threads):
        if spec not in made:
            made[spec] = spec.make()
        ResultStore(out, spec.name).write(run_sequence(made[spec], video))


def usual_jobs(threads: int) -> int:
    """As many processes as fill the machine's cores."""
    return max(1, usable_cores() // threads)
