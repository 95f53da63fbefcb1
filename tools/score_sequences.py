#!/usr/bin/env python3
"""Score trackers on a folder of labelled sequences, all in one run.

    tools/score_sequences.py ROOT siamfc cv2:csrt cv2:kcf cv2:nano --nano-dir DIR
    tools/score_sequences.py ROOT runs/siamfc/checkpoint.pt --limit 100 --set window_influence=0.25 scale_count=5

ROOT holds NAME.mp4 with NAME.txt, or the GOT-10k layout. One pass, no reset, first frame left out, boxes
clipped to the frame, all frames pooled. Every tracker sees the same decoded frames. A tracker's name may be
followed by settings of its own: siamfc,scale_search=search
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import yaml
from rich.progress import Progress

from siamtrack.api import load
from siamtrack.benchmark.peers import BoxTracker, OpenCVTracker
from siamtrack.benchmark.scores import overlaps, pooled
from siamtrack.train.sequences import find_sequences


def main() -> None:
    """Run every tracker on every sequence and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("trackers", nargs="+")
    parser.add_argument("--limit", type=int, default=None, help="first N frames of each sequence only")
    parser.add_argument("--only", default="", help="comma-separated names of sequences")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="tracker constants")
    parser.add_argument("--nano-dir", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=None, help="of torch and OpenCV alike")
    parser.add_argument("--json", type=Path, default=None, help="write scores and every overlap here")
    args = parser.parse_args()
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)

    trackers = {name: make(name, args.set, args.nano_dir) for name in args.trackers}
    found: dict[str, list[np.ndarray]] = {name: [] for name in trackers}
    scores: dict[str, list[np.ndarray]] = {name: [] for name in trackers}
    seconds = dict.fromkeys(trackers, 0.0)
    updates = dict.fromkeys(trackers, 0)
    only = set(filter(None, args.only.split(",")))
    sequences = [s for s in find_sequences(args.root) if not only or s.name in only]
    with Progress() as progress:
        bar = progress.add_task("sequences", total=len(sequences))
        for sequence in sequences:
            truth = sequence.boxes_xywh[: args.limit]
            boxes: dict[str, list[tuple[float, ...]]] = {name: [tuple(truth[0])] for name in trackers}
            values: dict[str, list[float]] = {name: [1.0] for name in trackers}
            for index, frame in enumerate(sequence.frames()):
                if index == len(truth):
                    break
                for name, tracker in trackers.items():
                    if index == 0:
                        tracker.init(frame, truth[0])
                        continue
                    started = time.perf_counter()
                    result = tracker.update(frame)
                    seconds[name] += time.perf_counter() - started
                    updates[name] += 1
                    boxes[name].append(tuple(getattr(result, "box", result)))
                    values[name].append(getattr(result, "score", float("nan")))
            size = (frame.shape[1], frame.shape[0])
            for name in trackers:
                found[name].append(overlaps(boxes[name], truth, size))
                scores[name].append(np.array(values[name][1:])[(truth[1:, 2:] > 0).all(axis=1)])
            progress.advance(bar)

    names = [sequence.name for sequence in sequences]
    for name in trackers:
        print(f"{name:40s} {args.root.name}: {pooled(found[name])}  {updates[name] / seconds[name]:.1f} fps")
    if args.json:
        rows = {
            name: {
                "overlaps": {n: o.round(4).tolist() for n, o in zip(names, found[name], strict=True)},
                "scores": {n: s.round(4).tolist() for n, s in zip(names, scores[name], strict=True)},
                "fps": updates[name] / seconds[name],
            }
            for name in trackers
        }
        args.json.write_text(json.dumps(rows))


def make(name: str, settings: list[str], nano_dir: Path | None) -> BoxTracker:
    """A tracker from its name on the command line."""
    if name.startswith("cv2:"):
        return OpenCVTracker(name.removeprefix("cv2:"), nano_dir)
    model, *own = name.split(",")
    overrides = {key: yaml.safe_load(value) for key, value in (item.split("=", 1) for item in [*settings, *own])}
    return load(model, **overrides)


if __name__ == "__main__":
    main()
