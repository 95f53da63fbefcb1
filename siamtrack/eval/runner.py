"""Runs trackers over a benchmark in several processes, and goes on where it was stopped."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2

from siamtrack.data.benchmarks import Benchmark
from siamtrack.data.sequence import Sequence as Video
from siamtrack.errors import OutputError, SiamtrackError
from siamtrack.eval.evaluate import run_sequence
from siamtrack.eval.named import is_ours, our_tracker, tracker_by_name
from siamtrack.eval.peers import BoxTracker
from siamtrack.eval.results import ResultStore
from siamtrack.system import leave_with_parent, usable_cores

Result = TypeVar("Result")


@dataclass(frozen=True)
class TrackerSpec:
    """How every process makes a tracker.

    Attributes:
        name: as for `tracker_by_name`.
        settings: `KEY=VALUE` constants. onnx_dir: folder of the peers' ONNX files, as for `tracker_by_name`.
        device, precision, runtime: as for `siamtrack.load`.
        threads: of torch and OpenCV in each process. Sums in another order round differently, and a track can turn
            on that: the number belongs to the result.
    """

    name: str
    settings: tuple[str, ...] = ()
    onnx_dir: str | None = None
    device: str = "cpu"
    precision: str = "auto"
    threads: int = 1
    runtime: str = "auto"

    def make(self) -> BoxTracker:
        """The tracker.

        Raises:
            SiamtrackError, FileNotFoundError: as `tracker_by_name` raises them.
        """
        return tracker_by_name(self.name, self.settings, self.onnx_dir, self.device, self.precision, self.runtime)

    def identity(self) -> dict[str, Any]:
        """What two runs must share for their results to belong together.

        Raises:
            SiamtrackError, FileNotFoundError: the tracker cannot be had, as `make` says it.
        """
        found: dict[str, Any] = {"tracker": self.name, "threads": self.threads}
        if is_ours(self.name):
            tracker, weights = our_tracker(self.name, self.settings, self.device, self.precision, self.runtime)
            found["weights_sha256"] = weights.sha256
            found["settings"] = asdict(tracker.config)
            found["device"], found["precision"] = tracker.engine.device.type, tracker.engine.precision
            found["runtime"] = tracker.engine.runtime
        elif self.name != "identity":
            self.make()  # it may be missing from this OpenCV
            found["opencv"] = cv2.__version__
        return found


class Toolkit(NamedTuple):
    """GOT-10k's folder and subset, for a run through its own toolkit."""

    root: Path
    subset: str


Progress = Callable[[str, str, int, bool], None]
"""Is told tracker and sequence of a finished run, its frames, and whether it was run now rather than earlier."""


def run_benchmark(
    specs: Sequence[TrackerSpec],
    data: Benchmark,
    out: Path,
    jobs: int = 1,
    progress: Progress = lambda *_: None,
    toolkit_root: Path | None = None,
) -> None:
    """Run what is not finished yet; every sequence is kept as soon as it is done.

    Args:
        specs: the trackers.
        data: the sequences; the first box is all that a tracker sees of the labels.
        out: folder of the evaluation.
        jobs: processes.
        progress: called for every finished run, those of earlier calls first.
        toolkit_root: GOT-10k's folder, to run through its own toolkit; None for our own loop.

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
    toolkit = None if toolkit_root is None else Toolkit(toolkit_root, data.subset)
    for spec, video, error in _results(waiting, out, jobs, toolkit):
        if error is None:
            progress(spec.name, video.name, len(video.boxes_xywh), True)
        else:
            failures.append(error)
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise type(failures[0])(f"{failures[0]}{more}; the other sequences are finished and kept")


def _results(
    waiting: list[tuple[TrackerSpec, Video]], out: Path, jobs: int, toolkit: Toolkit | None
) -> Iterator[tuple[TrackerSpec, Video, SiamtrackError | None]]:
    if not waiting:
        return
    # Forked processes would inherit torch's threads in an unknown state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(waiting)), context, leave_with_parent) as pool:
        asked = {pool.submit(run_one, spec, video, out, toolkit): (spec, video) for spec, video in waiting}
        try:
            for future in as_completed(asked):
                spec, video = asked[future]
                try:
                    future.result()
                except OutputError:
                    raise  # the other sequences would find the disk as full
                except SiamtrackError as error:
                    yield spec, video, error
                else:
                    yield spec, video, None
        except BrokenProcessPool as error:
            raise SiamtrackError(
                "a process was ended from outside (out of memory?); finished sequences are kept, and the same command "
                "goes on; fewer --jobs take less memory"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def shared(work: Callable[..., Result], calls: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[Result]:
    """Results of work that processes share, one a call, in the order of the calls and as soon as they are there.

    One thread a process: sums in another order round differently, and a track can turn on that.

    Args:
        work: a function of a module. calls: its arguments, one tuple a call. jobs: processes.
    """
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _start_alone) as pool:
        for one in [pool.submit(work, *call) for call in calls]:
            yield one.result()


def _start_alone() -> None:
    leave_with_parent()
    _set_threads(1)


def _set_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


_made: dict[TrackerSpec, BoxTracker] = {}


def run_one(spec: TrackerSpec, video: Video, out: Path, toolkit: Toolkit | None) -> None:
    """Run one tracker over one sequence and keep the result. Called in a process of the pool."""
    _set_threads(spec.threads)
    if spec not in _made:
        _made[spec] = spec.make()
    store = ResultStore(out, spec.name)
    if toolkit is not None:
        from siamtrack.eval.toolkit import run_toolkit

        run_toolkit(_made[spec], toolkit.root, toolkit.subset, video.name, store)
        return
    store.write(run_sequence(_made[spec], video))


def usual_jobs(threads: int) -> int:
    """As many processes as fill the machine's cores."""
    return max(1, usable_cores() // threads)
