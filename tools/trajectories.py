#!/usr/bin/env python3
"""Record what trackers say on labelled videos, and hold a later version of the code to it.

    tools/trajectories.py record VIDEOS before.json
    tools/trajectories.py record VIDEOS after.json --set update_weight=0 --model siamfc-lite
    tools/trajectories.py compare before.json after.json --px 1e-4

VIDEOS is a folder of NAME.mp4 beside NAME.txt, whose first line is the box `x,y,w,h` of the first frame. Boxes, scores and
states are kept in full precision, of one thread, in float32 on the CPU. `compare` ends with status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import siamtrack  # after the number of threads is set

Row = list[Any]
"""x, y, w, h, score, state of a frame."""


def main() -> None:
    """Record, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record", help="write the rows of every frame, by model and video")
    one.add_argument("videos", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("--model", nargs="+", default=["siamfc-lite", "siamfc"])
    one.add_argument("--frames", type=int, default=150, help="first so many of each video")
    one.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="tracker constants, as JSON")
    two = commands.add_parser("compare", help="say where boxes, scores and states differ")
    two.add_argument("before", type=Path)
    two.add_argument("after", type=Path)
    two.add_argument("--px", type=float, default=0.0, help="largest difference that passes; 0: to the last bit")
    args = parser.parse_args()
    if args.command == "record":
        settings = {key: json.loads(value) for key, _, value in (each.partition("=") for each in args.set)}
        args.out.write_text(json.dumps(record(args.videos, args.model, args.frames, settings)) + "\n", encoding="utf-8")
        return
    before, after = (json.loads(path.read_text(encoding="utf-8")) for path in (args.before, args.after))
    lines, compared = compare(before, after, args.px)
    print(*lines, f"{compared} frames compared, {len(lines)} videos differ by more than {args.px:g}", sep="\n")
    sys.exit(1 if lines or not compared else 0)


def record(videos: Path, models: list[str], frames: int, settings: dict[str, Any]) -> dict[str, dict[str, list[Row]]]:
    """Rows by model and video."""
    found: dict[str, dict[str, list[Row]]] = {}
    for model in models:
        tracker = siamtrack.load(model, device="cpu", precision="float32", **settings)
        for video in sorted(videos.glob("*.mp4")):
            box = [float(value) for value in video.with_suffix(".txt").read_text().split("\n", 1)[0].split(",")]
            steps = islice(siamtrack.track(video, box, tracker), frames)
            rows = [[*step.result.box, step.result.score, str(step.result.state)] for step in steps]
            found.setdefault(model, {})[video.stem] = rows
            print(f"{model} {video.stem}: {len(rows)} frames")
    return found


def compare(old: dict[str, Any], new: dict[str, Any], px: float) -> tuple[list[str], int]:
    """A line for each video that differs, and the number of frames compared."""
    lines, compared = [], 0
    for model, name in sorted((model, name) for model, found in old.items() for name in found):
        rows, others = old[model][name], new.get(model, {}).get(name, [])
        pairs = list(zip(rows, others, strict=False))
        apart = [max(abs(a - b) for a, b in zip(row[:4], other[:4], strict=True)) for row, other in pairs]
        scores = [abs(row[4] - other[4]) for row, other in pairs]
        states = sum(row[5] != other[5] for row, other in pairs)
        compared += len(pairs)
        if len(rows) != len(others) or max(apart, default=0) > px or max(scores, default=0) > px or states:
            first = next((i for i, (a, b) in enumerate(zip(apart, scores, strict=True)) if max(a, b) > px), None)
            lines.append(
                f"{model} {name}: {len(rows)} and {len(others)} frames, boxes up to {max(apart, default=0):.3g} px apart, "
                f"scores {max(scores, default=0):.3g}, {states} states differ; first in frame {first}"
            )
    return lines, compared


if __name__ == "__main__":
    main()
