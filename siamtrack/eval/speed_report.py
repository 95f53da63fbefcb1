"""All that `siamtrack bench` measures, in one call and one plain result."""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from siamtrack.eval.folder import write_folder
from siamtrack.eval.frame_profile import FrameProfile, profile
from siamtrack.eval.plain_runtime import PlainEngine
from siamtrack.eval.roofline import Machine, Roofline, count_work, measure_machine, place
from siamtrack.eval.speed import LeftOut, Outcome, Ready, Watch, compare, threads, warm_up
from siamtrack.eval.speed_clip import SIZES, Clip, render_clip
from siamtrack.eval.speed_contender import Contender, Entry, make_contender
from siamtrack.eval.speed_cost import CostCurve, LengthCurve, cost_of_lengths, cost_of_sizes, cost_of_targets
from siamtrack.eval.speed_memory import resident_mb
from siamtrack.system import versions
from siamtrack.tracking.placement import pick_device

Expect = Callable[[str, int], None]
"""Told what comes next, and how many steps it has."""


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        entries: who takes part. clip: what they track.
        frames: of each round, after the first. rounds: that count.
        against: whose speed is 1; None for the first.
        threads: to compute with; None for PyTorch's own choice.
        device, precision: of our own models. onnx_dir: see `make_contender`.
        profile: whether to say where a frame's time goes.
        targets: numbers of targets. sizes: of frames, by name; (width, height) in pixels. lengths: in frames.
    """

    entries: Sequence[Entry]
    clip: Clip
    frames: int = 60
    rounds: int = 5
    against: str | None = None
    threads: int | None = None
    device: str = "auto"
    precision: str = "auto"
    onnx_dir: Path | None = None
    profile: bool = False
    targets: Sequence[int] = ()
    sizes: Mapping[str, tuple[int, int]] | None = None
    lengths: Sequence[int] = ()


@dataclass(frozen=True)
class SpeedReport:
    """What was measured; what was not asked for is empty.

    Attributes:
        clip: name, size_wh, box, and whether frames were decoded or lay in memory.
        rounds: that count. against: whose speed is 1.
        machine: its peaks. versions: of all that matters.
        contenders, left_out: who took part and who could not.
        rooflines, profiles: of our own models. targets, sizes, lengths: what growing work costs them, but for the plain
            recipe, which nobody means to use.
        memory_mb: resident memory of the whole process at the end.
    """

    clip: Mapping[str, Any]
    rounds: int
    against: str
    machine: Machine
    versions: Mapping[str, str]
    contenders: tuple[Outcome, ...]
    left_out: tuple[LeftOut, ...]
    rooflines: tuple[Roofline, ...]
    profiles: tuple[FrameProfile, ...]
    targets: tuple[CostCurve, ...]
    sizes: tuple[CostCurve, ...]
    lengths: tuple[LengthCurve, ...]
    memory_mb: float


def bench(plan: Plan, expect: Expect = lambda *_: None, watch: Watch = lambda _: None) -> SpeedReport:
    """Measure all that is asked for.

    Args:
        plan: what to measure.
        expect: told what comes next, and in how many steps. watch: told of every step that is done.

    Raises:
        SiamtrackError, FileNotFoundError, ValueError: a tracker that cannot be loaded, or a clip that cannot be read.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    device = pick_device(plan.device)
    # Runtimes take PyTorch's number of threads when they are made, hence before anything is loaded.
    with threads(plan.threads):
        expect("loading", len(plan.entries))
        ready, left_out = warm_up(
            plan.entries,
            lambda entry: make_contender(entry, plan.device, plan.precision, plan.onnx_dir),
            plan.clip,
            plan.frames,
            watch,
        )
        if not ready:
            raise ValueError("no tracker is left to measure; name a model")
        expect("rounds", len(ready) * plan.rounds)
        outcomes = compare(ready, plan.clip, plan.frames, plan.rounds, plan.against, watch)
        ours = [one.contender for one in ready if one.contender.ours]
        growing = [one for one in ours if not isinstance(one.engine, PlainEngine)]
        expect("the machine's peaks", 1)
        machine = measure_machine(device, [one.engine.precision for one in ours if one.engine], load)
        watch("peaks")
        return SpeedReport(
            {
                "name": plan.clip.name,
                "size_wh": plan.clip.size_wh,
                "box": plan.clip.box,
                "frames": outcomes[0].frames,
                "decoded": plan.clip.decoded,
            },
            plan.rounds,
            plan.against or outcomes[0].name,
            machine,
            _versions(),
            tuple(outcomes),
            tuple(left_out),
            _rooflines(ready, outcomes, machine),
            _profiles(plan, ours, expect, watch),
            _targets(plan, growing, expect, watch),
            _sizes(plan, growing, expect, watch),
            _lengths(plan, growing, expect, watch),
            resident_mb(),
        )


def plain_report(report: SpeedReport) -> dict[str, Any]:
    """The report as plain data, for JSON: the fields of the classes, by name."""
    return asdict(report)


def write_json(path: Path, report: SpeedReport) -> None:
    """Write the report, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(plain_report(report), indent=1, allow_nan=False) + "\n"
    write_folder(path.parent, {path.name: text}, "give --json a place that can")


def _rooflines(ready: Sequence[Ready], outcomes: Sequence[Outcome], machine: Machine) -> tuple[Roofline, ...]:
    found = []
    for one, outcome in zip(ready, outcomes, strict=True):
        contender = one.contender
        if contender.ours and contender.net is not None and outcome.network:
            work = count_work(contender.net, contender.ours.config)
            found.append(place(contender, work, 1 / outcome.network.fps, machine))
    return tuple(found)


def _profiles(plan: Plan, ours: Sequence[Contender], expect: Expect, watch: Watch) -> tuple[FrameProfile, ...]:
    if not plan.profile:
        return ()
    expect("profiles", len(ours))
    found = []
    for one in ours:
        assert one.ours is not None, "ours are our own"
        found.append(profile(one.name, one.ours, plan.clip, plan.frames))
        watch(f"{one.name}: profile")
    return tuple(found)


def _targets(plan: Plan, ours: Sequence[Contender], expect: Expect, watch: Watch) -> tuple[CostCurve, ...]:
    if not plan.targets:
        return ()
    expect("targets", len(ours) * len(set(plan.targets)) * plan.rounds)
    clip = render_clip(SIZES["720p"], max(plan.targets))
    return tuple(
        cost_of_targets(one.name, one.ours, clip, plan.targets, plan.frames, plan.rounds, watch) for one in ours if one.ours
    )


def _sizes(plan: Plan, ours: Sequence[Contender], expect: Expect, watch: Watch) -> tuple[CostCurve, ...]:
    if not plan.sizes:
        return ()
    expect("frame sizes", len(ours) * len(plan.sizes) * plan.rounds)
    clips = {label: render_clip(size_wh) for label, size_wh in plan.sizes.items()}
    return tuple(cost_of_sizes(one, clips, plan.frames, plan.rounds, watch) for one in ours)


def _lengths(plan: Plan, ours: Sequence[Contender], expect: Expect, watch: Watch) -> tuple[LengthCurve, ...]:
    if not plan.lengths:
        return ()
    expect("lengths", len(ours) * len(set(plan.lengths)))
    clip = render_clip()
    return tuple(cost_of_lengths(one, clip, plan.lengths, watch) for one in ours)


def _versions() -> dict[str, str]:
    found = versions()
    for name in ("onnxruntime", "openvino"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
