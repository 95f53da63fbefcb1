#!/usr/bin/env python3
"""Score trackers on labelled sequences from many starts, forward and backward: what is chance in one pass averages out.

    tools/score_starts.py ROOT siamfc-lite runs/lite/model.safetensors --jobs 2
    tools/score_starts.py ROOT siamfc-lite siamfc-lite,window_influence=0.4 cv2:nano --onnx-dir DIR --jobs 2

One early loss decides a sequence's overlap, and rounding may decide that loss; so two settings that differ by 0.01 in one
pass over a few sequences do not differ. Here every sequence is followed from its first frame and from a fifth, two and
three fifths of it on; and backward, from its last frame and the mirrored places (as OTB's temporal robustness, TRE: Wu,
Lim, Yang, "Online object tracking: a benchmark", CVPR 2013, section 3; backward is ours). First boxes but the first are
moved and scaled by up to --jitter of their sides, alike for every tracker. No reset, no re-detection, the box that a run
starts with left out, all frames pooled. The last lines compare the first tracker with each other one, sequence by sequence.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from siamtrack.boxes import Box
from siamtrack.data.layout import find_sequences
from siamtrack.eval.named import tracker_by_name
from siamtrack.eval.peers import BoxTracker, box_of
from siamtrack.eval.runner import shared
from siamtrack.eval.scores import overlaps, paired_bootstrap, pooled
from siamtrack.frames import Image

STARTS = (0.0, 0.2, 0.4, 0.6)
MIN_FRAMES = 20
"""Shorter runs say nothing that longer ones of the same sequence do not."""


def main() -> None:
    """Follow everything from everywhere, print a line a tracker and a comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("trackers", nargs="+")
    parser.add_argument("--onnx-dir", type=Path, default=None, help="of cv2:nano and cv2:vit")
    parser.add_argument("--jitter", type=float, default=0.06, help="largest shift and change of size of a first box")
    parser.add_argument("--jobs", type=int, default=1, help="sequences at a time, one thread each")
    args = parser.parse_args()
    if not 0 <= args.jitter < 0.5:
        parser.error(f"--jitter is {args.jitter}; it must be 0 or more and below 0.5")
    names = [one.name for one in find_sequences(args.root)]
    calls = [(args.root, name, args.trackers, args.onnx_dir, args.jitter) for name in names]
    everything = dict(zip(names, track(shared(follow_all, calls, args.jobs), "sequences", total=len(calls)), strict=True))
    found = {name: one for name, one in everything.items() if one}
    for name in sorted(everything.keys() - found.keys()):
        print(f"left out {name}: no run of {MIN_FRAMES} frames begins with a box")
    if not found:
        parser.error(f"{args.root}: no sequence is long enough")
    for name in args.trackers:
        print(f"{name:40s} {pooled(one[name] for one in found.values())}")
    first = [one[args.trackers[0]] for one in found.values()]
    for name in args.trackers[1:]:
        more, _, (low, high) = paired_bootstrap([one[name] for one in found.values()], first)
        print(f"{name}: AO {more:+.3f} against {args.trackers[0]}, by sequences drawn again {low:+.3f} to {high:+.3f} (95 %)")


def follow_all(root: Path, name: str, trackers: list[str], onnx_dir: Path | None, jitter: float) -> dict[str, NDArray[Any]]:
    """Overlaps of one sequence's runs by each tracker, one behind the other; {} if it is too short for any run."""
    sequence = {one.name: one for one in find_sequences(root)}[name]
    frames, boxes = list(sequence.frames()), sequence.boxes_xywh
    tries = list(runs(boxes, jitter))
    found = {}
    for label in trackers if tries else ():
        tracker = tracker_by_name(label, ["redetect=false"], onnx_dir)
        found[label] = np.concatenate([follow(tracker, frames, boxes, order, first) for order, first in tries])
    return found


def runs(boxes: NDArray[np.float64], jitter: float) -> Iterator[tuple[range, NDArray[np.float64]]]:
    """Frames of each run in its order, and the box that it starts with; a run that starts without one is left out.

    Args:
        boxes: (N, 4) of the sequence. jitter: largest shift, and change of size, as a share of the sides.
    """
    last, rng = len(boxes) - 1, np.random.default_rng(len(boxes))
    visible: NDArray[np.bool_] = np.asarray((boxes[:, 2:] > 0).all(axis=1))
    for share in STARTS:
        start = round(share * last)
        for order in (range(start, last + 1), range(last - start, -1, -1)):
            moves = rng.uniform(-jitter, jitter, 4)
            if len(order) < MIN_FRAMES or not visible[order[0]]:
                continue
            box = boxes[order[0]].copy()
            if order[0]:
                size = box[2:] * (1 + moves[2:])
                box = np.concatenate([box[:2] + box[2:] * (0.5 + moves[:2]) - size / 2, size])
            yield order, box


def follow(
    tracker: BoxTracker, frames: list[Image], boxes: NDArray[np.float64], order: range, first: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Overlap of each labelled frame of one run but its first."""
    tracker.init(frames[order[0]], first)
    found = [Box(*first), *(box_of(tracker.update(frames[index])) for index in order[1:])]
    height, width = frames[0].shape[:2]
    return overlaps(found, boxes[list(order)], (width, height))


if __name__ == "__main__":
    main()
