"""How fast trackers are: on the same frames, in the same process, in turns.

Machines are noisy, so that a figure taken now and one taken a minute later do not compare. Every tracker runs a round, then
all of them the next one; figures are medians over the rounds, and ratios are medians of the ratios within a round.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from siamtrack.config import nearest
from siamtrack.errors import SiamtrackError
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.peers import BoxTracker, OpenCVTracker
from siamtrack.eval.runner import computing_with
from siamtrack.eval.speed_clip import Clip
from siamtrack.machine import forget_peak, peak_mb, processor_name, resident_mb, versions
from siamtrack.system import write_folder
from siamtrack.tracking.tracker import Tracker
from siamtrack.video import quiet_opencv

WARM_UP_FRAMES = 20
"""Frames of the round that is left out: the first ones pay for compiling, for buffers and for choosing algorithms."""

Watch = Callable[[str], None]
"""Told what was just finished: each tracker when it is warm, and each of its rounds."""


@dataclass(frozen=True)
class Contender:
    """A tracker to be measured.

    Attributes:
        name: what reports call it. make: loads it.
        optional: whether it is left out where it is not installed, rather than an error.
    """

    name: str
    make: Callable[[], BoxTracker]
    optional: bool = False


@dataclass(frozen=True)
class Loaded:
    """A contender's name and its tracker, ready to run; memory as of `Speed`."""

    name: str
    tracker: BoxTracker
    memory_mb: float = 0.0
    gpu_memory_mb: float | None = None


@dataclass(frozen=True)
class Figures:
    """Speed of one kind of work over some frames: frames by the sum of their times, and percentiles of a frame's time."""

    fps: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Round:
    """One tracker over the clip once.

    Attributes:
        network: of the network alone; None where it cannot be told apart, as in OpenCV's trackers.
        tracker: of `update`: no reading of frames.
        end_to_end: from one result to the next, reading of the frame included.
    """

    network: Figures | None
    tracker: Figures
    end_to_end: Figures


@dataclass(frozen=True)
class Speed:
    """One tracker over all rounds.

    Attributes:
        name: of the contender.
        backend, precision, device: of our own; `opencv`, '' and `cpu` of OpenCV's.
        network, tracker, end_to_end: medians over the rounds of each figure of `Round`.
        ratio: fps of the tracker as a multiple of those of the one that all are compared with, the median over rounds.
        memory_mb: peak of the process's resident memory while it was loaded and warmed up, less what was resident
            before. What several share, such as libraries, counts for the first of them.
        gpu_memory_mb: the same of what PyTorch allocated on the GPU; None on a CPU.
        rounds: what the medians are of.
    """

    name: str
    backend: str
    precision: str
    device: str
    network: Figures | None
    tracker: Figures
    end_to_end: Figures
    ratio: float
    memory_mb: float
    gpu_memory_mb: float | None
    rounds: tuple[Round, ...]


@dataclass(frozen=True)
class SpeedReport:
    """What was measured.

    Attributes:
        clip: name, size_wh, box, frames of a round, and whether they were decoded or lay in memory.
        rounds: that count. against: whose speed is 1.
        machine: processor, cores, threads used, and load: the processes that were busy in the minute before; None if unknown.
        versions: of all that matters.
        contenders: who took part. left_out: who could not, and why.
    """

    clip: Mapping[str, Any]
    rounds: int
    against: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    contenders: tuple[Speed, ...]
    left_out: Mapping[str, str]


def contenders(
    names: Sequence[str],
    backends: Sequence[str] = ("auto",),
    peers: bool = False,
    device: str = "auto",
    precision: str = "auto",
    onnx_dir: str | Path | None = None,
) -> list[Contender]:
    """Each model with each backend, everything else once, and with `peers` OpenCV's trackers after them.

    Args:
        names, device, precision, onnx_dir: as of `TrackerSpec`.

    Raises:
        ValueError: no names, or one of them twice.
    """
    if not names:
        raise ValueError("no tracker to measure; name a model")
    found = []
    for name in names:
        several = TrackerSpec(name).is_ours and len(backends) > 1
        for backend in backends if TrackerSpec(name).is_ours else ("auto",):
            spec = TrackerSpec(name, (), onnx_dir, device, precision, backend)
            found.append(Contender(f"{name} ({backend})" if several else name, spec.make))
    if peers:
        others = [f"cv2:{one}" for one in OpenCVTracker.NAMES if f"cv2:{one}" not in names]
        found += [Contender(name, TrackerSpec(name, (), onnx_dir).make, optional=True) for name in others]
    labels = [one.name for one in found]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"{label} is asked for twice; once is enough")
    return found


def bench(
    wanted: Sequence[Contender],
    clip: Clip,
    frames: int = 60,
    rounds: int = 5,
    against: str | None = None,
    threads: int | None = None,
    watch: Watch = lambda _: None,
) -> SpeedReport:
    """Load every tracker, warm it up, and run all of them over a clip in turns.

    Args:
        wanted: who takes part. clip: what to track. frames: of each round, after the first. rounds: how often.
        against: whose speed is 1; None for the first. threads: to compute with; None for PyTorch's own choice.
        watch: see `Watch`.

    Raises:
        SiamtrackError, FileNotFoundError, ValueError: a tracker that is not optional cannot be loaded, or the clip not be
            read; nobody is left; or nobody has the name `against`.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    # Backends take the number of threads when they are made, hence before anything is loaded.
    with computing_with(threads) as used:
        ready, left_out = warm_up(wanted, clip, frames, watch)
        if not ready:
            raise ValueError("no tracker is left to measure; name a model")
        found, count = compare(ready, clip, frames, rounds, against, watch)
    about = {"name": clip.name, "size_wh": clip.size_wh, "box": clip.box, "frames": count, "decoded": clip.decoded}
    machine = {"processor": processor_name(), "cores": os.cpu_count() or 1, "threads": used, "load": load}
    return SpeedReport(about, rounds, against or found[0].name, machine, versions(), tuple(found), left_out)


def write_json(path: Path, report: SpeedReport) -> None:
    """Write the report as JSON, its classes' fields by name, whole or not at all; an OutputError where that cannot be."""
    text = json.dumps(asdict(report), indent=1, allow_nan=False) + "\n"
    write_folder(path.parent, {path.name: text}, "give --json a place that can")


def warm_up(
    wanted: Sequence[Contender], clip: Clip, frames: int, watch: Watch = lambda _: None
) -> tuple[list[Loaded], dict[str, str]]:
    """Load every tracker and run it over a few frames, which do not count; arguments and errors as of `bench`.

    Returns:
        Those that are ready, with the memory that they took, and why optional ones are not there.
    """
    ready, left_out = [], {}
    for one in wanted:
        before, gpu_before = resident_mb(), _gpu_mb()
        forget_peak()
        try:
            tracker = one.make()
        except SiamtrackError as error:
            if not one.optional:
                raise
            left_out[one.name] = str(error)
            continue
        run_round(tracker, clip, min(frames, WARM_UP_FRAMES))
        on_gpu = isinstance(tracker, Tracker) and tracker.backend.device != "cpu"
        gpu_mb = sys.modules["torch"].cuda.max_memory_allocated() / 1e6 - gpu_before if on_gpu else None
        ready.append(Loaded(one.name, tracker, max(0.0, peak_mb() - before), gpu_mb))
        watch(f"{one.name}: warm")
    return ready, left_out


def compare(
    ready: Sequence[Loaded], clip: Clip, frames: int, rounds: int, against: str | None = None, watch: Watch = lambda _: None
) -> tuple[list[Speed], int]:
    """Run trackers that are warm over a clip in turns; arguments and errors as of `bench`.

    Returns:
        Their speeds, and the number of frames in a round.
    """
    names = [one.name for one in ready]
    base = against if against is not None else names[0]
    if base not in names:
        raise ValueError(f"no tracker {base!r} to compare with; {nearest(base, names)}")
    found: dict[str, list[Round]] = {name: [] for name in names}
    count = frames
    for turn in range(rounds):
        first = turn % len(ready)  # who comes first changes: it finds the machine as the last one left it
        for one in (*ready[first:], *ready[:first]):
            done, count = run_round(one.tracker, clip, frames)
            found[one.name].append(done)
            watch(f"{one.name}: round {turn + 1} of {rounds}")
    return [_speed(one, found[one.name], found[base]) for one in ready], count


def run_round(tracker: BoxTracker, clip: Clip, frames: int) -> tuple[Round, int]:
    """One tracker over a clip once: its figures, and the number of frames that they are of.

    Raises:
        ValueError: a clip of one frame.
    """
    backend = tracker.backend if isinstance(tracker, Tracker) else None
    network_s, tracker_s, whole_s = [], [], []
    images = clip.read(frames + 1)
    with quiet_opencv():  # a new DNN tracker of OpenCV's warns of its own engine each time
        tracker.init(next(images), clip.box)
    ended = time.perf_counter()
    for image in images:
        network_before, began = backend.network_s if backend else 0.0, time.perf_counter()
        tracker.update(image)
        before, ended = ended, time.perf_counter()
        tracker_s.append(ended - began)
        whole_s.append(ended - before)
        if backend:
            network_s.append(backend.network_s - network_before)
    if not tracker_s:
        raise ValueError(f"{clip.name} has one frame; speed needs two or more")
    return Round(figures(network_s) if backend else None, figures(tracker_s), figures(whole_s)), len(tracker_s)


def figures(seconds: Sequence[float]) -> Figures:
    """What times of single frames, in seconds, amount to."""
    p50, p95 = np.percentile(seconds, [50, 95]) * 1e3
    return Figures(len(seconds) / max(sum(seconds), 1e-9), float(p50), float(p95))


def _speed(one: Loaded, rounds: Sequence[Round], base: Sequence[Round]) -> Speed:
    backend = one.tracker.backend if isinstance(one.tracker, Tracker) else None
    networks = [each.network for each in rounds if each.network]
    return Speed(
        one.name,
        backend.name if backend else ("opencv" if isinstance(one.tracker, OpenCVTracker) else ""),
        backend.precision if backend else "",
        backend.device if backend else "cpu",
        _middle(networks) if networks else None,
        _middle([each.tracker for each in rounds]),
        _middle([each.end_to_end for each in rounds]),
        median(mine.tracker.fps / theirs.tracker.fps for mine, theirs in zip(rounds, base, strict=True)),
        one.memory_mb,
        one.gpu_memory_mb,
        tuple(rounds),
    )


def _middle(found: Sequence[Figures]) -> Figures:
    return Figures(*(median(values) for values in zip(*((one.fps, one.p50_ms, one.p95_ms) for one in found), strict=True)))


def _gpu_mb() -> float:
    """What is allocated on the GPU now; its peak begins anew."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0.0
    torch.cuda.reset_peak_memory_stats()
    return float(torch.cuda.memory_allocated()) / 1e6
