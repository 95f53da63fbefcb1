#!/usr/bin/env python3
"""Measure whether trackers know that they have lost their target, and whether they find it again.

    experiments/lost/measure_lost.py ROOT --tracker siamfc-lite --tracker siamfc-lite,redetect=false --out lost
    experiments/lost/measure_lost.py ROOT --tracker cv2:csrt --tracker cv2:nano --onnx-dir nanotrack --out lost

Every tracker runs over the labelled sequences of ROOT as they are, and over the clips that absences/ makes of them by
the same seed, frame-exact. A frame is good where its box overlaps the target by more than one half; the target is
lost where it is absent, or the overlap is below one tenth. OUT gets frames-SEED.json with every frame's score, state and
overlap, lost.json with the figures below, and reliability.png. What is finished is kept: the same command goes on.

    AUROC     probability that a good frame scores above one that is not
    ECE       expected calibration error of the score as the probability of a good frame
    lost as TRACKING, good as LOST    shares of such frames with the wrong state
    found     absences that end: the target is TRACKING and good within 30 frames of its return, where it was good just before
    false     the first TRACKING after LOST, right behind it or by way of UNCERTAIN, where the target is not; of all such

OpenCV's trackers have no state: theirs is taken as TRACKING where their score is at least one half, else LOST.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from absences.clip import AbsenceClip
from absences.making import make_clips
from numpy.typing import NDArray
from reliability import auroc, calibration_error, reliability
from rich.console import Console
from rich.progress import track
from rich.table import Table

from siamtrack.boxes import iou
from siamtrack.data.layout import find_sequences
from siamtrack.data.subset import chosen_sequences, root_and_list
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.peers import box_of
from siamtrack.eval.runner import shared
from siamtrack.system import make_folder, write_whole
from siamtrack.tracking.result import State

FOUND_WITHIN = 30
"""Frames after the target's return within which it must be found."""

GOOD, LOST = 0.5, 0.1
"""Overlap above which a frame is good, and below which the target is lost."""


@dataclass(frozen=True)
class Run:
    """What one tracker did on one clip; the first frame, whose box is given, is left out.

    Attributes:
        tracker, clip, kind: names; kind is `plain` for a sequence as it is.
        visible, overlaps, scores, states: one a frame. overlaps: 0 where the target is not visible.
        absent: first frame of the absence, and the first after it; None for plain sequences.
        made_by: `fingerprint` of the tracker.
    """

    tracker: str
    clip: str
    kind: str
    visible: list[bool]
    overlaps: list[float]
    scores: list[float]
    states: list[str]
    absent: tuple[int, int] | None
    made_by: str = ""

    @property
    def comes_back(self) -> bool:
        """Whether the target is lost to sight and seen again, having been tracked well before."""
        if self.absent is None or self.absent[1] >= len(self.visible):
            return False
        before = self.overlaps[max(0, self.absent[0] - 5) : self.absent[0]]
        return bool(before) and max(before) > GOOD

    @property
    def found_after(self) -> int | None:
        """Frames from the target's return to the first that is TRACKING and good; None for never."""
        assert self.absent is not None
        rest = zip(self.overlaps[self.absent[1] :], self.states[self.absent[1] :], strict=True)
        return next((i for i, (overlap, state) in enumerate(rest) if overlap > GOOD and state == State.TRACKING), None)

    def redetections(self) -> Iterator[bool]:
        """Whether the target was there, for each time that a target which had been LOST was TRACKING again."""
        was_lost = False
        for state, overlap in zip(self.states, self.overlaps, strict=True):
            if state == State.TRACKING and was_lost:
                yield overlap >= LOST
            was_lost = state == State.LOST or (was_lost and state != State.TRACKING)


@dataclass(frozen=True)
class Figures:
    """The figures of one tracker over some runs; see this file's beginning. Shares are 0..1, NaN where there is nothing."""

    frames: int
    good: float
    auroc: float
    ece: float
    lost_as_tracking: float
    good_as_lost: float
    returns: int
    found: float
    redetections: int
    false_redetections: float


def main() -> None:
    """Run what was not run before, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", metavar="ROOT[@LIST]", help="sequences; LIST is a file with some of the names, one a line")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tracker", action="append", required=True, help="as for siamtrack eval; repeatable")
    parser.add_argument("--onnx-dir", type=Path, help="of cv2:nano")
    parser.add_argument("--only", default="", help="comma-separated names of sequences")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="sequences at a time, one thread each")
    args = parser.parse_args()
    make_folder(args.out)
    kept = args.out / f"frames-{args.seed}.json"  # another seed makes other clips
    onnx_dir = str(args.onnx_dir) if args.onnx_dir else None
    prints = {name: fingerprint(name, onnx_dir) for name in args.tracker}
    runs = [_read(row) for row in json.loads(kept.read_text())] if kept.is_file() else []
    changed = {run.tracker for run in runs if prints.get(run.tracker, run.made_by) != run.made_by}
    if changed:
        parser.error(f"{kept} holds runs of {', '.join(sorted(changed))} with other weights or settings; use another --out")
    names = [sequence.name for sequence in chosen_sequences(args.root, args.only)]
    todo = {
        name: [one for one in args.tracker if not any((r.tracker, _source(r)) == (one, name) for r in runs)] for name in names
    }
    root, _ = root_and_list(args.root)
    calls = [(root, name, args.seed, todo[name], onnx_dir) for name in names]
    for found in track(shared(run_sequence, calls, args.jobs), "sequences", total=len(calls)):
        runs += [replace(run, made_by=prints[run.tracker]) for run in found]
        write_whole(kept, json.dumps([asdict(run) for run in runs]))
    report(runs, args.tracker, args.out)


def fingerprint(tracker: str, onnx_dir: str | None) -> str:
    """A hash of a tracker's weights and settings, by which kept runs are told from those of another."""
    identity = TrackerSpec(tracker, onnx_dir=onnx_dir).identity()
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _source(run: Run) -> str:
    return run.clip if run.kind == "plain" else run.clip.removeprefix(f"{run.kind}_")


def _read(row: dict[str, Any]) -> Run:
    return Run(**{**row, "absent": tuple(row["absent"]) if row["absent"] else None})


def run_sequence(root: Path, name: str, seed: int, trackers: Sequence[str], onnx_dir: str | None) -> list[Run]:
    """Every tracker over one sequence as it is, and over the clips made of it."""
    if not trackers:
        return []
    sequences = {one.name: one for one in find_sequences(root)}
    sequence = sequences[name]
    made = {one: TrackerSpec(one, onnx_dir=onnx_dir).make() for one in trackers}
    found = run_clip(made, name, "plain", sequence.frames(), sequence.boxes_xywh, None)
    for clip in make_clips(sequence, sequences.values(), seed):
        found += run_clip(made, clip.name, clip.kind, clip.frames, clip.boxes, _ends(clip))
    return found


def _ends(clip: AbsenceClip) -> tuple[int, int]:
    return clip.absent.start - 1, clip.absent.stop - 1  # rows begin with the second frame


def run_clip(
    trackers: dict[str, Any],
    clip: str,
    kind: str,
    frames: Iterable[NDArray[np.uint8]],
    boxes: NDArray[np.float64],
    absent: tuple[int, int] | None,
) -> list[Run]:
    """Every tracker over one clip, whose frames are made once."""
    visible: NDArray[np.bool_] = np.asarray((boxes[:, 2:] > 0).all(axis=1))
    first = int(visible.argmax())
    rows: dict[str, list[tuple[float, float, str]]] = {name: [] for name in trackers}
    for i, frame in enumerate(frames):
        for name, tracker in trackers.items():
            if i < first:
                continue
            if i == first:
                tracker.init(frame, boxes[i])
                continue
            result = tracker.update(frame)
            score = float(getattr(result, "score", getattr(tracker, "score", 1.0)))
            state = str(getattr(result, "state", State.TRACKING if score >= 0.5 else State.LOST))
            overlap = float(iou(box_of(result), boxes[i])) if visible[i] else 0.0
            rows[name].append((round(overlap, 4), round(score, 4), state))
    seen = visible[first + 1 :].tolist()
    shifted = (absent[0] - first, absent[1] - first) if absent else None
    return [
        Run(name, clip, kind, seen, [row[0] for row in each], [row[1] for row in each], [row[2] for row in each], shifted)
        for name, each in rows.items()
    ]


def figures(runs: Sequence[Run]) -> Figures:
    """All frames of all runs together."""
    overlaps = np.array([value for run in runs for value in run.overlaps])
    scores = np.array([value for run in runs for value in run.scores])
    states = np.array([value for run in runs for value in run.states])
    good, lost = overlaps > GOOD, overlaps < LOST
    returns = [run for run in runs if run.comes_back]
    found = [run.found_after is not None and run.found_after < FOUND_WITHIN for run in returns]
    redetections = [right for run in runs for right in run.redetections()]
    return Figures(
        len(overlaps),
        float(good.mean()),
        auroc(scores, good),
        calibration_error(scores, good),
        _share(states[lost] == State.TRACKING),
        _share(states[good] == State.LOST),
        len(returns),
        _share(found),
        len(redetections),
        _share([not right for right in redetections]),
    )


def _share(flags: Any) -> float:
    return float(np.mean(flags)) if len(flags) else float("nan")


def report(runs: Sequence[Run], trackers: Sequence[str], out: Path) -> None:
    """Tables on the screen, lost.json and reliability.png in the folder."""
    console, everything = Console(), {}
    if not console.is_terminal:
        console = Console(width=120)  # a file has room for whole numbers
    for name in trackers:
        own = [run for run in runs if run.tracker == name]
        kinds = list(dict.fromkeys(run.kind for run in own))
        groups = {kind: [run for run in own if run.kind == kind] for kind in kinds}
        groups["made"] = [run for run in own if run.kind != "plain"]
        groups["all"] = own
        everything[name] = {kind: asdict(figures(group)) for kind, group in groups.items() if group}
        table = Table(
            "", "frames", "good", "AUROC", "ECE", "lost as TRACKING", "good as LOST", "returns", "found", "re-detected", "false"
        )
        for kind, found in everything[name].items():
            table.add_row(kind, *(f"{value:.3f}" if isinstance(value, float) else str(value) for value in found.values()))
        console.print(name)
        console.print(table)
    write_whole(out / "lost.json", json.dumps(everything, indent=1))
    draw(runs, trackers, out / "reliability.png")


def draw(runs: Sequence[Run], trackers: Sequence[str], path: Path) -> None:
    """The reliability diagram: what scores say against how often it is so."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    panel.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name in trackers:
        own = [run for run in runs if run.tracker == name]
        scores = np.array([value for run in own for value in run.scores])
        good = np.array([value > GOOD for run in own for value in run.overlaps])
        bins = reliability(scores, good)
        panel.plot([one.score for one in bins], [one.good for one in bins], linewidth=1, label=name)
        panel.scatter(
            [one.score for one in bins], [one.good for one in bins], s=[10 + 400 * one.share for one in bins], alpha=0.6
        )
    panel.set_xlabel("score")
    panel.set_ylabel("share of good frames (the larger the dot, the more frames)")
    panel.set_aspect("equal")
    panel.legend(frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
