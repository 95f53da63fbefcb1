#!/usr/bin/env python3
"""Fit score_weights and score_offset of a model: what its candidates say of "the box overlaps the target by more than 0.5".

    experiments/lost/fit_score.py training/siamfc-lite_without_dev.safetensors --on VAL TRAIN@configs/dev.txt --jobs 2
    experiments/lost/fit_score.py runs/siamfc-lite/checkpoint.pt --on TRAIN@configs/dev.txt --features logit,margin --jobs 2

The tracker follows the targets of labelled sequences from many starts each, so that it fails by itself, which is harder to
tell than clips made by hand. The network must not have been trained on the sequences: it knows the others by heart, and would
promise too little for new ones. A logistic regression in which every sequence counts alike gives weights and offset. Printed
beside are AUROC and expected calibration error (ECE) of each sequence's frames by a fit to the other sequences, and how many
frames whose box is off the target (overlap below 0.05) have a score above the one that 95 % of the good frames exceed. Before
them stands what the tracker says with the score that it has: how many of the frames off the target, and of the good ones, are
TRACKING and LOST.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from reliability import auroc, calibration_error
from rich.progress import track

from siamtrack.api import load
from siamtrack.boxes import iou
from siamtrack.config import load_yaml
from siamtrack.data.layout import find_sequences
from siamtrack.data.subset import chosen_sequences, label_of, root_and_list
from siamtrack.eval.runner import shared
from siamtrack.eval.sequence_run import STARTS, many_starts
from siamtrack.tracking.confidence import shape_change
from siamtrack.tracking.result import State

FEATURES = ("logit", "margin", "quality", "shape")

OFF = 0.05
"""A box that overlaps less with the target's is off it."""

JITTER = 0.06
"""Largest shift, and change of size, of a first box, as in tools/score_starts.py."""

RIDGE = 1e-2
"""Pull of the weights of standardised features towards 0, per unit of the frames' mean weight."""


Row = tuple[Sequence[float], float, str, float, str]
"""Features, overlap and sequence of a frame, and the score and state that the tracker gave it."""


class Frames(NamedTuple):
    """What was seen: (N, F) features in the order of `FEATURES`, and (N,) of each what a `Row` has."""

    features: NDArray[np.float64]
    overlaps: NDArray[np.float64]
    sequence: NDArray[np.str_]
    score: NDArray[np.float64]
    state: NDArray[np.str_]

    @property
    def good(self) -> NDArray[np.bool_]:
        """(N,) what the score is the probability of."""
        return self.overlaps > 0.5

    def of(self, chosen: NDArray[np.bool_]) -> Frames:
        """Some of the frames."""
        return Frames(*(values[chosen] for values in self))  # type: ignore[arg-type]  # in order

    def weights(self) -> NDArray[np.float64]:
        """(N,) so that each sequence counts alike; their mean is 1."""
        _, place, count = np.unique(self.sequence, return_inverse=True, return_counts=True)
        weights: NDArray[np.float64] = 1 / count[place]
        return weights / weights.mean()


def main() -> None:
    """Collect, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--on", nargs="+", required=True, metavar="ROOT[@LIST]", help="sequences; LIST has a name a line")
    parser.add_argument("--starts", type=int, default=len(STARTS), choices=range(1, len(STARTS) + 1), help="both ways each")
    parser.add_argument("--features", default="", help=f"of {','.join(FEATURES)}; default: every choice is compared")
    parser.add_argument("--config", type=Path, default=None, help="tracker constants; default: the model's own")
    parser.add_argument("--jobs", type=int, default=1, help="sequences at a time, one thread each")
    parser.add_argument("--keep", type=Path, default=None, help=".npz for what was seen; used if it is there")
    args = parser.parse_args()
    seen = collect(args)
    print(f"{len(seen.overlaps)} frames of {len(set(seen.sequence))} sequences, {seen.good.mean():.3f} of them good")
    print(as_it_is(seen))
    names = tuple(args.features.split(",")) if args.features else ()
    for features in [names] if names else choices():
        weights, offset = fit(seen, features)
        scores = leave_one_out(seen, features)
        quality = f"AUROC {auroc(scores, seen.good):.3f}  ECE {calibration_error(scores, seen.good):.3f}"
        off = f"off the target above: {share_above(scores, seen):.1%} of {(seen.overlaps < OFF).sum()}"
        print(f"{','.join(features):28} {quality}   {off}")
    print(f"score_weights: {[round(float(weight), 4) for weight in weights]}\nscore_offset: {offset:.4f}")


def choices() -> Iterator[tuple[str, ...]]:
    """Every set of features."""
    for count in range(1, len(FEATURES) + 1):
        yield from combinations(FEATURES, count)


def as_it_is(seen: Frames) -> str:
    """How true the tracker's own scores and states are."""
    lines = [f"as it is: AUROC {auroc(seen.score, seen.good):.3f}  ECE {calibration_error(seen.score, seen.good):.3f}"]
    for name, chosen in (("off the target", seen.overlaps < OFF), ("good", seen.good)):
        tracking, lost = (np.mean(seen.state[chosen] == state.value) for state in (State.TRACKING, State.LOST))
        lines.append(f"  {name}: {tracking:.1%} TRACKING, {lost:.1%} LOST of {chosen.sum()}")
    return "\n".join(lines)


def share_above(scores: NDArray[np.float64], seen: Frames) -> float:
    """Share of the frames off the target whose score is above the one that 95 % of the good frames exceed."""
    off = scores[seen.overlaps < OFF]
    return float((off > np.quantile(scores[seen.good], 0.05)).mean()) if len(off) and seen.good.any() else 0.0


def collect(args: argparse.Namespace) -> Frames:
    """Follow every target, in processes of their own."""
    if args.keep and args.keep.is_file():
        with np.load(args.keep, allow_pickle=False) as file:
            return Frames(*(file[name] for name in Frames._fields))
    rows: list[Row] = []
    settings = {**(load_yaml(args.config) if args.config else {}), "redetect": False}
    calls = [
        (root_and_list(word)[0], one.name, f"{label_of(word)}/{one.name}", args.model, settings, STARTS[: args.starts])
        for word in args.on
        for one in chosen_sequences(word)
    ]
    for found in track(shared(observe, calls, args.jobs), "sequences", total=len(calls)):
        rows += found
    seen = Frames(*(np.array(values) for values in zip(*rows, strict=True)))
    if args.keep:
        np.savez_compressed(args.keep, **seen._asdict())
    return seen


def observe(root: Path, name: str, label: str, model: str, settings: dict[str, Any], starts: Sequence[float]) -> list[Row]:
    """What is seen in each frame of one sequence, called `label`, from each start."""
    sequence = {one.name: one for one in find_sequences(root)}[name]
    tracker, frames, boxes = load(model, **settings), list(sequence.frames()), sequence.boxes_xywh
    rows: list[Row] = []
    for order, first in many_starts(boxes, JITTER, starts):
        known = tracker.init(frames[order[0]], first).box
        for index in order[1:]:
            result, candidate = tracker.update(frames[index]), tracker.details.candidate
            assert candidate is not None
            if (boxes[index, 2:] > 0).all():
                seen = candidate.logit, candidate.margin, candidate.quality, shape_change(candidate, known.w / known.h)
                rows.append((seen, float(iou(result.box, boxes[index])), label, result.score, result.state.value))
    return rows


def fit(seen: Frames, features: Sequence[str]) -> tuple[NDArray[np.float64], float]:
    """Weights (F,), 0 for features that are left out, by a logistic regression (Newton's method), and its offset."""
    columns = [FEATURES.index(name) for name in features]
    chosen = seen.features[:, columns]
    mean, spread = chosen.mean(0), np.maximum(chosen.std(0), 1e-9)
    known = np.column_stack([(chosen - mean) / spread, np.ones(len(chosen))])
    share, found = seen.weights(), np.zeros(known.shape[1])
    pull = RIDGE * len(known) * np.diag([1.0] * len(columns) + [0.0])
    for _ in range(50):
        likely = 1 / (1 + np.exp(-np.clip(known @ found, -50, 50)))
        slope = known.T @ (share * (likely - seen.good)) + pull @ found
        bend = (known * (share * likely * (1 - likely))[:, None]).T @ known + pull + 1e-9 * np.eye(len(found))
        found -= np.linalg.solve(bend, slope)
    weights = np.zeros(seen.features.shape[1])
    weights[columns] = found[:-1] / spread
    return weights, float(found[-1] - mean @ weights[columns])


def leave_one_out(seen: Frames, features: Sequence[str]) -> NDArray[np.float64]:
    """The scores (N,) that frames get from a fit to the other sequences."""
    scores = np.zeros(len(seen.overlaps))
    for name in set(seen.sequence.tolist()):
        own = seen.sequence == name
        weights, offset = fit(seen.of(~own), features)
        scores[own] = 1 / (1 + np.exp(-np.clip(seen.features[own] @ weights + offset, -50, 50)))
    return scores


if __name__ == "__main__":
    main()
