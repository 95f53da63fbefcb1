#!/usr/bin/env python3
"""How fast tracking is on a GPU, and whether it finds what the CPU finds. Prints a table, then JSON.

    tools/bench_gpu.py                                      the first GPU, in the precision that `auto` takes
    tools/bench_gpu.py --precision float16 --model siamfc
    tools/bench_gpu.py --root got10k/val --limit 200        agreement on labelled sequences too
    tools/bench_gpu.py --device cpu --frames 4 --targets 2  the same code in seconds on a CPU

Clips are rendered and lie in memory, as a decoder leaves them: every figure has the copy of the frame to the GPU in it. Warm-up
is left out. In 4K the search region is so large that its crop is averaged. How much of the GPU's peak the network reaches says
experiments/speed/roofline.py.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import siamtrack
from siamtrack.boxes import iou
from siamtrack.data.layout import find_sequences
from siamtrack.eval.evaluate import evaluate, pool_runs
from siamtrack.eval.speed import Contender, Figures, figures, run_round
from siamtrack.eval.speed_clip import RenderedClip, render_clip
from siamtrack.system import versions
from siamtrack.tracking.tracker import MultiTracker, Tracker

WARM_UP = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--model", default="siamfc-lite", help="a name or a file of weights")
    parser.add_argument("--root", help="of labelled sequences, for the agreement with the CPU")
    parser.add_argument("--limit", type=int, help="frames of each sequence")
    parser.add_argument("--frames", type=int, default=200, help="of a round")
    parser.add_argument("--targets", type=int, default=64)
    args = parser.parse_args()
    for name in ("frames", "targets"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}; it must be 1 or more")
    try:
        ours = siamtrack.load(args.model, args.device, args.precision)
    except ValueError as error:
        parser.error(str(error))
    host = siamtrack.load(args.model, "cpu", "float32")
    small, large, crowd = render_clip(), render_clip((3840, 2160)), render_clip(targets=args.targets)
    found: dict[str, Any] = {
        "device": str(ours.backend.device),
        "model": args.model,
        "precision": ours.backend.precision,
        "versions": versions(),
        "one target": single(ours, small, args.frames),
        "one target, 4K": single(ours, large, args.frames),
        f"{args.targets} targets": asdict(many(ours, crowd, args.frames)),
        "agreement": apart(*(track(each, small, args.frames) for each in (ours, host))),
    }
    if args.root:
        found["sequences"] = on_sequences(ours, host, args.root, args.limit)
    table = Table("what", "figure", "value", title=f"{args.model} on {found['device']} in {found['precision']}")
    for what, values in found.items():
        if isinstance(values, dict) and what != "versions":
            for name, value in values.items():
                table.add_row(what, name, f"{value:,.4g}" if isinstance(value, float) else str(value))
    Console().print(table)
    print(json.dumps(found, indent=1))


def single(tracker: Tracker, clip: RenderedClip, frames: int) -> dict[str, float]:
    """Speed with one target: the network's and the tracker's."""
    contender = Contender("", tracker)
    run_round(contender, clip, WARM_UP)
    done, _ = run_round(contender, clip, frames)
    assert done.network is not None, "ours has a network"
    return {"network_fps": done.network.fps, **asdict(done.tracker)}


def many(tracker: Tracker, clip: RenderedClip, frames: int) -> Figures:
    """Speed with all targets of a clip, in one batch a frame."""
    group: MultiTracker[int] = MultiTracker(tracker.backend, tracker.config)
    images = clip.read(1 + WARM_UP + frames)
    first = next(images)
    for name, box in enumerate(clip.boxes):
        group.add(name, first, box)
    seconds = []
    for image in images:
        began = time.perf_counter()
        group.update(image)
        seconds.append(time.perf_counter() - began)
    return figures(seconds[WARM_UP:])


def track(tracker: Tracker, clip: RenderedClip, frames: int) -> NDArray[np.float64]:
    """Boxes (N, 4) of the frames behind the first."""
    images = clip.read(1 + frames)
    tracker.init(next(images), clip.box)
    return np.array([tracker.update(image).box for image in images])


def on_sequences(ours: Tracker, host: Tracker, root: str, limit: int | None) -> dict[str, Any]:
    """Labelled sequences by both: the difference of their average overlaps, and of their boxes.

    Tracks that part at one doubtful frame stay apart, so look at the average overlap first.
    """
    sequences = find_sequences(root)
    runs = [list(evaluate(each, sequences, limit)) for each in (ours, host)]
    scores = [pool_runs(each) for each in runs]
    return {
        "sequences": len(sequences),
        "frames": scores[0].frames,
        "ao": scores[0].ao,
        "ao_cpu": scores[1].ao,
        "ao_difference": scores[0].ao - scores[1].ao,
        **apart(*(np.concatenate([run.boxes_xywh[1:] for run in each]) for each in runs)),
    }


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, float]:
    """How two tracks (N, 4) differ."""
    pixels = np.abs(one - other).max(axis=1)
    return {
        "largest_px": float(pixels.max()),
        "median_px": float(np.median(pixels)),
        "lowest_overlap": float(np.min(iou(one, other))),
    }


if __name__ == "__main__":
    main()
