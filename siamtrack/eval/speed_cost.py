"""What a frame costs as the work grows: more targets, larger frames, longer videos."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from siamtrack.eval.speed import Figures, Watch, figures, run_round
from siamtrack.eval.speed_clip import Clip, RenderedClip
from siamtrack.eval.speed_contender import Contender
from siamtrack.eval.speed_memory import resident_mb
from siamtrack.tracking.group import MultiTracker
from siamtrack.tracking.tracker import Tracker

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


@dataclass(frozen=True)
class CostCurve:
    """One tracker's costs. Attributes: `contender`, and `points` by growing work."""

    contender: str
    points: tuple[Cost, ...]


@dataclass(frozen=True)
class LengthCurve:
    """One tracker through one long video. Attributes: `contender`, and `points`, the first after few frames."""

    contender: str
    points: tuple[LengthCost, ...]


def cost_of_targets(
    name: str,
    tracker: Tracker,
    clip: RenderedClip,
    counts: Sequence[int],
    frames: int,
    rounds: int,
    watch: Watch = lambda _: None,
) -> CostCurve:
    """Time of a frame with so many targets in it, all in one batch of the network; no reading of frames.

    Args:
        name: what to call it. tracker: its engine and constants are used.
        clip: has as many targets as the greatest count.
        counts: of targets.
        frames: of a round with one target; a round with N has N times fewer, but 4 at least.
        rounds: how often, in turns. watch: told of each count's round.

    Raises:
        ValueError: more targets than the clip has.
    """
    if max(counts) > len(clip.boxes):
        raise ValueError(f"{max(counts)} targets, but the clip has {len(clip.boxes)}")
    found: dict[int, list[Figures]] = {count: [] for count in sorted(set(counts))}
    for _ in range(rounds):
        for count, each in found.items():
            each.append(_round_of_targets(tracker, clip, count, max(4, frames // count)))
            watch(f"{name}: {count} targets")
    return CostCurve(name, tuple(_cost(count, str(count), each) for count, each in found.items()))


def cost_of_sizes(
    contender: Contender, clips: Mapping[str, Clip], frames: int, rounds: int, watch: Watch = lambda _: None
) -> CostCurve:
    """Time of a frame of each size; no reading of frames. Targets should be the same share of each clip's frame.

    Args:
        contender: what is measured. clips: by what people call their size.
        frames: of a round. rounds: how often, in turns. watch: told of each size's round.
    """
    found: dict[str, list[Figures]] = {label: [] for label in clips}
    for clip in clips.values():
        run_round(contender, clip, _WARM_UP)
    for _ in range(rounds):
        for label, clip in clips.items():
            found[label].append(run_round(contender, clip, frames)[0].tracker)
            watch(f"{contender.name}: {label}")
    costs = [_cost(clips[label].size_wh[0] * clips[label].size_wh[1], label, each) for label, each in found.items()]
    return CostCurve(contender.name, tuple(sorted(costs, key=lambda cost: cost.at)))


def cost_of_lengths(contender: Contender, clip: Clip, lengths: Sequence[int], watch: Watch = lambda _: None) -> LengthCurve:
    """Time and memory along one video, at each of some lengths.

    Args:
        contender: what is measured. clip: must have as many frames.
        lengths: in frames. watch: told of each length.
    """
    marks = sorted(set(lengths) | {min(_SETTLED, *lengths)})
    images = clip.read(marks[-1] + 1)
    contender.tracker.init(next(images), clip.box)
    points: list[LengthCost] = []
    began = time.perf_counter()
    for done, image in enumerate(images, 1):
        contender.tracker.update(image)
        if done == marks[len(points)]:
            total = time.perf_counter() - began
            before = points[-1] if points else LengthCost(0, 0.0, 0.0, 0.0)
            ms = 1e3 * (total - before.total_s) / (done - before.frames)
            points.append(LengthCost(done, total, ms, resident_mb()))
            if done in lengths:
                watch(f"{contender.name}: {done} frames")
    return LengthCurve(contender.name, tuple(points))


def _round_of_targets(tracker: Tracker, clip: RenderedClip, count: int, frames: int) -> Figures:
    group: MultiTracker[int] = MultiTracker(tracker.engine, tracker.config)
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
