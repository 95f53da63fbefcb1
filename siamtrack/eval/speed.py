"""How fast trackers are: on the same frames, in the same process, in turns.

Machines are noisy, so that a figure taken now and one taken a minute later do not compare. Every tracker runs a round, then
all of them the next one; figures are medians over the rounds, and ratios are medians of the ratios within a round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
import torch

from siamtrack.config import nearest
from siamtrack.errors import SiamtrackError
from siamtrack.eval.peers import OpenCVTracker
from siamtrack.eval.speed_clip import Clip
from siamtrack.eval.speed_contender import Contender, Entry
from siamtrack.eval.speed_memory import forget_peak, peak_mb, resident_mb
from siamtrack.video import quiet_opencv

WARM_UP_FRAMES = 20
"""Frames of the round that is left out: the first ones pay for compiling, for buffers and for choosing algorithms."""

Watch = Callable[[str], None]
"""Told what was just finished."""


@dataclass(frozen=True)
class Figures:
    """Speed of one kind of work over some frames.

    Attributes:
        fps: frames by the sum of their times. p50_ms, p95_ms, p99_ms: percentiles of a frame's time.
    """

    fps: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


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
class Outcome:
    """One tracker over all rounds.

    Attributes:
        name: of the contender.
        runtime, precision, device: of our own; `opencv`, '' and `cpu` of OpenCV's.
        frames: tracked in each round.
        network, tracker, end_to_end: medians over the rounds of each figure of `Round`.
        ratio: fps of the tracker as a multiple of those of the one that all are compared with, the median over rounds.
        memory_mb: peak of the process's resident memory while it was loaded and warmed up, less what was resident
            before. What several share, such as libraries, counts for the first of them.
        gpu_memory_mb: the same of what PyTorch allocated on the GPU; None on a CPU.
        rounds: what the medians are of.
    """

    name: str
    runtime: str
    precision: str
    device: str
    frames: int
    network: Figures | None
    tracker: Figures
    end_to_end: Figures
    ratio: float
    memory_mb: float
    gpu_memory_mb: float | None
    rounds: tuple[Round, ...]


@dataclass(frozen=True)
class LeftOut:
    """A tracker that was asked for and is not there. Attributes: its name, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Ready:
    """A contender that is loaded and warm. Attributes: `contender`; the rest as of `Outcome`."""

    contender: Contender
    memory_mb: float
    gpu_memory_mb: float | None


@contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Compute with so many threads inside, in PyTorch, OpenCV and whatever runtime is made inside.

    Args:
        count: None for as many as PyTorch would take.

    Yields:
        Their number.
    """
    before = torch.get_num_threads(), cv2.getNumThreads()
    used = count or before[0]
    try:
        torch.set_num_threads(used)
        cv2.setNumThreads(used)
        yield used
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def warm_up(
    wanted: Sequence[Entry], make: Callable[[Entry], Contender], clip: Clip, frames: int, watch: Watch = lambda _: None
) -> tuple[list[Ready], list[LeftOut]]:
    """Load every tracker and run it over a few frames, which do not count.

    Args:
        wanted: what was asked for. make: loads one of them.
        clip: what to track. frames: how many the rounds will have.
        watch: told of each.

    Returns:
        Those that are ready, and the optional ones that are not there.

    Raises:
        SiamtrackError, FileNotFoundError, ValueError: one that is not optional cannot be loaded, or the clip not be read.
    """
    ready, left_out = [], []
    for entry in wanted:
        before = resident_mb()
        gpu_before = _gpu_mb()
        forget_peak()
        try:
            contender = make(entry)
        except SiamtrackError as error:
            if not entry.optional:
                raise
            left_out.append(LeftOut(entry.label, str(error)))
            watch(f"{entry.label}: left out")
            continue
        run_round(contender, clip, min(frames, WARM_UP_FRAMES))
        on_gpu = contender.engine is not None and contender.engine.device.type == "cuda"
        gpu = torch.cuda.max_memory_allocated() / 1e6 - gpu_before if on_gpu else None
        ready.append(Ready(contender, max(0.0, peak_mb() - before), gpu))
        watch(f"{entry.label}: warm")
    return ready, left_out


def compare(
    ready: Sequence[Ready], clip: Clip, frames: int, rounds: int, against: str | None = None, watch: Watch = lambda _: None
) -> list[Outcome]:
    """Run all trackers over a clip in turns.

    Args:
        ready: who takes part; see `warm_up`.
        clip: what to track. frames: of it, after the first one. rounds: how often.
        against: the one whose speed is 1; None for the first.
        watch: told of each tracker's round.

    Raises:
        ValueError: nobody of the name `against`, or a clip of one frame.
    """
    names = [one.contender.name for one in ready]
    base = against if against is not None else names[0]
    if base not in names:
        raise ValueError(f"no tracker {base!r} to compare with; {nearest(base, names)}")
    found: dict[str, list[Round]] = {name: [] for name in names}
    count = frames
    for turn in range(rounds):
        first = turn % len(ready)  # who comes first changes: it finds the machine as the last one left it
        for one in (*ready[first:], *ready[:first]):
            round_, count = run_round(one.contender, clip, frames)
            found[one.contender.name].append(round_)
            watch(f"{one.contender.name}: round {turn + 1} of {rounds}")
    return [_outcome(one, count, found[one.contender.name], found[base]) for one in ready]


def run_round(contender: Contender, clip: Clip, frames: int) -> tuple[Round, int]:
    """One tracker over a clip once.

    Returns:
        Its figures, and the number of frames that they are of.

    Raises:
        ValueError: a clip of one frame.
    """
    engine, tracker = contender.engine, contender.tracker
    network_s, tracker_s, whole_s = [], [], []
    images = clip.read(frames + 1)
    with quiet_opencv():  # a new DNN tracker of OpenCV's warns of its own engine each time
        tracker.init(next(images), clip.box)
    ended = time.perf_counter()
    for image in images:
        network_before, began = engine.network_s if engine else 0.0, time.perf_counter()
        tracker.update(image)
        before, ended = ended, time.perf_counter()
        tracker_s.append(ended - began)
        whole_s.append(ended - before)
        if engine:
            network_s.append(engine.network_s - network_before)
    if not tracker_s:
        raise ValueError(f"{clip.name} has one frame; speed needs two or more")
    return Round(figures(network_s) if engine else None, figures(tracker_s), figures(whole_s)), len(tracker_s)


def figures(seconds: Sequence[float]) -> Figures:
    """What times of single frames, in seconds, amount to."""
    p50, p95, p99 = np.percentile(seconds, [50, 95, 99]) * 1e3
    return Figures(len(seconds) / max(sum(seconds), 1e-9), float(p50), float(p95), float(p99))


def _outcome(one: Ready, frames: int, rounds: Sequence[Round], base: Sequence[Round]) -> Outcome:
    engine = one.contender.engine
    networks = [each.network for each in rounds if each.network]
    return Outcome(
        one.contender.name,
        engine.runtime if engine else ("opencv" if isinstance(one.contender.tracker, OpenCVTracker) else ""),
        engine.precision if engine else "",
        str(engine.device) if engine else "cpu",
        frames,
        _middle(networks) if networks else None,
        _middle([each.tracker for each in rounds]),
        _middle([each.end_to_end for each in rounds]),
        median(mine.tracker.fps / theirs.tracker.fps for mine, theirs in zip(rounds, base, strict=True)),
        one.memory_mb,
        one.gpu_memory_mb,
        tuple(rounds),
    )


def _middle(found: Sequence[Figures]) -> Figures:
    return Figures(
        *(median(values) for values in zip(*((one.fps, one.p50_ms, one.p95_ms, one.p99_ms) for one in found), strict=True))
    )


def _gpu_mb() -> float:
    """What is allocated on the GPU now; its peak begins anew."""
    if not torch.cuda.is_available():
        return 0.0
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated() / 1e6
