#!/usr/bin/env python3
"""Score trackers on labelled sequences from many starts, forward and backward: what is chance in one pass averages out.

    tools/score_starts.py siamfc-lite runs/lite/model.safetensors --on VAL TRAIN@configs/dev.txt --keep runs/starts --jobs 2
    tools/score_starts.py siamfc-lite,window_influence=0.4 onnx:fear_xs onnx:nanotrackv3 cv2:nano --on VAL --onnx-dir PEERS

One early loss decides a sequence's overlap, and rounding may decide that loss; so two settings that differ by 0.01 in one
pass over a few sequences do not differ. Here every sequence is followed from its first frame and from a fifth, two and
three fifths of it on; and backward, from its last frame and the mirrored places (as OTB's temporal robustness, TRE: Wu,
Lim, Yang, "Online object tracking: a benchmark", CVPR 2013, section 3; backward is ours). First boxes but the first are
moved and scaled by up to --jitter of their sides, alike for every tracker. No reset, no re-detection without --redetect, the
box that a run starts with left out.

Two means are printed, of all frames and of sequences: a few long sequences are a third of the frames. Intervals are the
middle 95 % by sequences drawn again, for a difference the same sequences of both. The first tracker is compared with each
other one. With --keep, what was scored once is read again, as long as the weights are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from siamtrack.boxes import Box
from siamtrack.data.layout import find_sequences
from siamtrack.data.subset import chosen_sequences, label_of, root_and_list
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.peers import BoxTracker, box_of
from siamtrack.eval.runner import shared
from siamtrack.eval.scores import bootstrap_gain, overlaps
from siamtrack.eval.sequence_run import MIN_FRAMES, STARTS, many_starts
from siamtrack.frames import Image
from siamtrack.model.weights import load_weights
from siamtrack.system import write_whole

Found = dict[str, NDArray[np.float64]]
"""Overlaps by the name of the sequence."""


def main() -> None:
    """Follow everything from everywhere, and print a table for each folder and one for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trackers", nargs="+", help="as for siamtrack eval; the first is compared with the others")
    parser.add_argument("--on", nargs="+", required=True, metavar="ROOT[@LIST]", help="sequences; LIST has a name a line")
    parser.add_argument("--onnx-dir", type=Path, default=None, help="of the peers' networks")
    parser.add_argument("--starts", type=int, default=len(STARTS), choices=range(1, len(STARTS) + 1), help="both ways each")
    parser.add_argument("--jitter", type=float, default=0.06, help="largest shift and change of size of a first box")
    parser.add_argument("--keep", type=Path, default=None, help="folder for overlaps, which are not computed twice")
    parser.add_argument("--jobs", type=int, default=1, help="sequences at a time, one thread each")
    parser.add_argument("--redetect", action="store_true", help="our trackers look for a LOST target in the whole frame")
    args = parser.parse_args()
    if not 0 <= args.jitter < 0.5:
        parser.error(f"--jitter is {args.jitter}; it must be 0 or more and below 0.5")
    parts = {}
    for word in args.on:
        parts[label_of(word)] = found_on(root_and_list(word)[0], [one.name for one in chosen_sequences(word)], args)
    if not any(found for part in parts.values() for found in part.values()):
        parser.error(f"{', '.join(args.on)}: no sequence is long enough")
    if len(parts) > 1:
        together = {
            name: {f"{on}/{key}": value for on, part in parts.items() for key, value in part[name].items()}
            for name in args.trackers
        }
        parts[" + ".join(parts)] = together
    for label, part in parts.items():
        Console(width=150).print(table(label, part))
    print(f"Re-detection of our trackers: {'on' if args.redetect else 'off'}, where settings do not say otherwise.")


def found_on(root: Path, names: Sequence[str], args: argparse.Namespace) -> dict[str, Found]:
    """Overlaps of every tracker on a folder's sequences, kept ones included."""
    files = {label: kept_file(args, label, root) for label in args.trackers}
    found = {label: read_kept(path) for label, path in files.items()}
    calls = []
    for name in names:
        missing = [label for label in args.trackers if name not in found[label]]
        if missing:
            calls.append((root, name, missing, args.onnx_dir, args.jitter, STARTS[: args.starts], args.redetect))
    done = track(shared(follow_all, calls, args.jobs), "sequences", total=len(calls)) if calls else ()
    for call, overlap in zip(calls, done, strict=True):
        for label, values in overlap.items():
            found[label][call[1]] = values
            path = files[label]
            if path is not None:
                write_whole(path, json.dumps({name: each.round(4).tolist() for name, each in found[label].items()}))
        if not overlap:
            print(f"left out {call[1]}: no run of {MIN_FRAMES} frames begins with a box")
    return {label: {name: found[label][name] for name in names if name in found[label]} for label in args.trackers}


def kept_file(args: argparse.Namespace, label: str, root: Path) -> Path | None:
    """Where a tracker's overlaps on a folder are kept; another file for other weights, starts or first boxes."""
    if args.keep is None:
        return None
    args.keep.mkdir(parents=True, exist_ok=True)
    weights = load_weights(label.split(",")[0]).sha256 if TrackerSpec(label).is_ours else ""
    how = f"{label.partition(',')[2]} {weights} {args.starts} {args.jitter}{' redetect' if args.redetect else ''}"
    key = hashlib.sha256(how.encode()).hexdigest()[:10]
    name = Path(label.split(",")[0]).stem.replace(":", "-")
    return Path(args.keep) / f"{root.name}-{name}-{key}.json"


def read_kept(path: Path | None) -> Found:
    """What was kept; {} if nothing was."""
    if path is None or not path.is_file():
        return {}
    return {name: np.array(values) for name, values in json.loads(path.read_text()).items()}


def follow_all(
    root: Path,
    name: str,
    trackers: list[str],
    onnx_dir: Path | None,
    jitter: float,
    starts: Sequence[float] = STARTS,
    redetect: bool = False,
) -> dict[str, NDArray[Any]]:
    """Overlaps of one sequence's runs by each tracker, one behind the other; {} if it is too short for any run."""
    sequence = {one.name: one for one in find_sequences(root)}[name]
    frames, boxes = list(sequence.frames()), sequence.boxes_xywh
    tries = list(many_starts(boxes, jitter, starts))
    found = {}
    for label in trackers if tries else ():
        tracker = TrackerSpec(label, (), onnx_dir, redetect=redetect).make()
        found[label] = np.concatenate([follow(tracker, frames, boxes, order, first) for order, first in tries])
    return found


def follow(
    tracker: BoxTracker, frames: list[Image], boxes: NDArray[np.float64], order: range, first: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Overlap of each labelled frame of one run but its first."""
    tracker.init(frames[order[0]], first)
    found = [Box(*first), *(box_of(tracker.update(frames[index])) for index in order[1:])]
    height, width = frames[0].shape[:2]
    return overlaps(found, boxes[list(order)], (width, height))


def table(title: str, found: Mapping[str, Found]) -> Table:
    """Two lines a tracker: the mean of all frames and of sequences, with what the first tracker has more."""
    (first, theirs), *_ = found.items()
    frames = sum(map(len, theirs.values()))
    result = Table(
        "tracker",
        "mean of",
        "AO",
        "SR0.50",
        "SR0.75",
        f"AO of {first} less it",
        "SR0.75 less",
        title=f"{title}: {len(theirs)} sequences, {frames} frames",
    )
    for label, ours in found.items():
        for kind in ("frames", "sequences"):
            pooled = kind == "frames"
            figures = [interval(measured(ours, above), pooled) for above in (None, 0.5, 0.75)]
            cells = [
                f"{figures[0][0]:.3f} ({figures[0][1]:.3f} to {figures[0][2]:.3f})",
                *(f"{each[0]:.3f}" for each in figures[1:]),
            ]
            for above in (None, 0.75) if label != first else ():
                gain, low, high = interval(measured(theirs, above), pooled, measured(ours, above))
                cells.append(f"{gain:+.3f} ({low:+.3f} to {high:+.3f})")
            result.add_row(label if pooled else "", kind, *cells)
    return result


def measured(found: Found, above: float | None) -> list[NDArray[np.float64]]:
    """Overlaps, or whether each is above a threshold."""
    return [values if above is None else (values > above).astype(np.float64) for _, values in sorted(found.items())]


def interval(
    ours: Sequence[NDArray[np.float64]], pooled: bool, theirs: Sequence[NDArray[np.float64]] | None = None
) -> tuple[float, float, float]:
    """A mean, or the difference of two, with the middle 95 % of sequences drawn again.

    Args:
        ours, theirs: values of each sequence. pooled: every frame counts alike; otherwise every sequence.
    """
    frames = np.array([len(values) if pooled else 1 for values in ours], np.float64)
    sums = [[values.sum() if pooled else values.mean() for values in each] for each in (ours, theirs or [])]
    gains = np.array(sums[0]) - (np.array(sums[1]) if theirs else 0)
    mean, _, (low, high) = bootstrap_gain(gains, frames)
    return mean, low, high


if __name__ == "__main__":
    main()
