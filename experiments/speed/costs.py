#!/usr/bin/env python3
"""What a frame costs as the work grows: more targets, larger frames, longer videos.

    experiments/speed/costs.py siamfc-lite --threads 2 --targets 1 4 16 64 --sizes 240p 720p 4K
    experiments/speed/costs.py siamfc-lite --threads 2 --lengths 100 1000 20000

Clips are rendered and lie in memory. Without --targets, --sizes and --lengths, the first two are measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.peers import BoxTracker
from siamtrack.eval.runner import computing_with
from siamtrack.eval.speed import Figures, figures, run_round
from siamtrack.eval.speed_clip import Clip, RenderedClip, render_clip
from siamtrack.machine import resident_mb
from siamtrack.tracking.tracker import MultiTracker, Tracker

SIZES = {"240p": (426, 240), "480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}
_WARM_UP = 2
_SETTLED = 20  # frames after which memory counts as that of a tracker at work


@dataclass(frozen=True)
class Cost:
    """Time of a frame for so much work.

    Attributes:
        at: targets, or pixels of a frame. label: the same for people.
        p50_ms, p95_ms: medians over the rounds.
    """

    at: int
    label: str
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class LengthCost:
    """A video up to some frame.

    Attributes:
        frames: tracked so far. total_s: seconds since the first one.
        ms: mean time of a frame since the point before, reading included.
        memory_mb: resident memory of the process now.
    """

    frames: int
    total_s: float
    ms: float
    memory_mb: float


def cost_of_targets(
    tracker: Tracker,
    clip: RenderedClip,
    counts: Sequence[int],
    frames: int,
    rounds: int,
) -> list[Cost]:
    """Time of a frame with so many targets in it, all in one batch of the network; no reading of frames.

    Args:
        tracker: its backend and constants are used.
        clip: has as many targets as the greatest count.
        counts: of targets.
        frames: of a round with one target; a round with N has N times fewer, but 4 at least.
        rounds: how often, in turns.

    Raises:
        ValueError: more targets than the clip has.
    """
    if max(counts) > len(clip.boxes):
        raise ValueError(f"{max(counts)} targets, but the clip has {len(clip.boxes)}")
    found: dict[int, list[Figures]] = {count: [] for count in sorted(set(counts))}
    for _ in range(rounds):
        for count, each in found.items():
            each.append(_round_of_targets(tracker, clip, count, max(4, frames // count)))
    return [_cost(count, str(count), each) for count, each in found.items()]


def cost_of_sizes(tracker: BoxTracker, clips: Mapping[str, Clip], frames: int, rounds: int) -> list[Cost]:
    """Time of a frame of each size; no reading of frames. Targets should be the same share of each clip's frame.

    Args:
        tracker: what is measured. clips: by what people call their size.
        frames: of a round. rounds: how often, in turns.
    """
    found: dict[str, list[Figures]] = {label: [] for label in clips}
    for clip in clips.values():
        run_round(tracker, clip, _WARM_UP)
    for _ in range(rounds):
        for label, clip in clips.items():
            found[label].append(run_round(tracker, clip, frames)[0].tracker)
    costs = [_cost(clips[label].size_wh[0] * clips[label].size_wh[1], label, each) for label, each in found.items()]
    return sorted(costs, key=lambda cost: cost.at)


def cost_of_lengths(tracker: BoxTracker, clip: Clip, lengths: Sequence[int]) -> list[LengthCost]:
    """Time and memory along one video, at each of some lengths.

    Args:
        tracker: what is measured. clip: must have as many frames.
        lengths: in frames.
    """
    marks = sorted(set(lengths) | {min(_SETTLED, *lengths)})
    images = clip.read(marks[-1] + 1)
    tracker.init(next(images), clip.box)
    points: list[LengthCost] = []
    began = time.perf_counter()
    for done, image in enumerate(images, 1):
        tracker.update(image)
        if done == marks[len(points)]:
            total = time.perf_counter() - began
            before = points[-1] if points else LengthCost(0, 0.0, 0.0, 0.0)
            ms = 1e3 * (total - before.total_s) / (done - before.frames)
            points.append(LengthCost(done, total, ms, resident_mb()))
    return points


def _round_of_targets(tracker: Tracker, clip: RenderedClip, count: int, frames: int) -> Figures:
    group: MultiTracker[int] = MultiTracker(tracker.backend, tracker.config)
    images = clip.read(_WARM_UP + frames + 1)
    first = next(images)
    for number, box in enumerate(clip.boxes[:count]):
        group.add(number, first, box)
    seconds = []
    for image in images:
        began = time.perf_counter()
        group.update(image)
        seconds.append(time.perf_counter() - began)
    return figures(seconds[_WARM_UP:])


def _cost(at: int, label: str, rounds: Sequence[Figures]) -> Cost:
    return Cost(at, label, median(one.p50_ms for one in rounds), median(one.p95_ms for one in rounds))


def main() -> None:
    """Measure, and print a table a kind of cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a name or a weights file, with settings if any")
    parser.add_argument("--targets", type=int, nargs="+", default=[])
    parser.add_argument("--sizes", nargs="+", default=[], choices=SIZES)
    parser.add_argument("--lengths", type=int, nargs="+", default=[], help="frames")
    parser.add_argument("--frames", type=int, default=30, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    if not (args.targets or args.sizes or args.lengths):
        args.targets, args.sizes = [1, 2, 4, 8, 16, 32, 64], list(SIZES)
    with computing_with(args.threads):
        for name in args.models:
            tracker, _ = TrackerSpec(name, device=args.device).ours()
            if args.targets:
                clip = render_clip(targets=max(args.targets))
                show(f"{name}: targets", cost_of_targets(tracker, clip, args.targets, args.frames, args.rounds))
            if args.sizes:
                clips: dict[str, Clip] = {label: render_clip(SIZES[label]) for label in args.sizes}
                show(f"{name}: frame size", cost_of_sizes(tracker, clips, args.frames, args.rounds))
            if args.lengths:
                table = Table("frames", "s", "ms a frame", "MB", title=f"{name}: length")
                for point in cost_of_lengths(tracker, render_clip(), args.lengths):
                    table.add_row(f"{point.frames:,}", f"{point.total_s:.1f}", f"{point.ms:.2f}", f"{point.memory_mb:.1f}")
                Console().print(table)


def show(title: str, costs: Sequence[Cost]) -> None:
    """A row a cost."""
    table = Table("", "ms a frame, p50", "p95", title=title)
    for cost in costs:
        table.add_row(cost.label, f"{cost.p50_ms:.2f}", f"{cost.p95_ms:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
