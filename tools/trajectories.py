#!/usr/bin/env python3
"""Record what trackers say on labelled videos, and hold a later version of the code to it.

    tools/trajectories.py record VIDEOS before.json
    tools/trajectories.py compare before.json after.json --px 1e-4

VIDEOS is a folder of NAME.mp4 beside NAME.txt, whose first line is the box `x,y,w,h` of the first frame. Boxes, scores and
states are kept in full precision, of one thread, in float32 on the CPU.
"""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

os.environ.setdefault("OMP_NUM_THREADS", "1")

import siamtrack  # after the number of threads is set

app = typer.Typer(
    help=__doc__, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True
)

Row = list[Any]
"""x, y, w, h, score, state of a frame."""


@app.command()
def record(
    videos: Annotated[Path, typer.Argument(help="Folder of videos with boxes.")],
    out: Annotated[Path, typer.Argument(help="JSON file to write.")],
    model: Annotated[list[str], typer.Option(help="Model to run; repeat it for several.")] = ["siamfc-lite", "siamfc"],  # noqa: B006
    frames: Annotated[int, typer.Option(help="First so many frames of each video.")] = 150,
    setting: Annotated[list[str], typer.Option("--set", help="Tracker constant, key=value.")] = [],  # noqa: B006
) -> None:
    """Write the rows of every frame, by model and video."""
    settings = {key: json.loads(value) for key, _, value in (each.partition("=") for each in setting)}
    found: dict[str, dict[str, list[Row]]] = {}
    for name in model:
        tracker = siamtrack.load(name, device="cpu", precision="float32", **settings)
        for video in sorted(videos.glob("*.mp4")):
            box = [float(value) for value in video.with_suffix(".txt").read_text().split("\n", 1)[0].split(",")]
            steps = islice(siamtrack.track(video, box, tracker), frames)
            rows = [[*step.result.box, step.result.score, str(step.result.state)] for step in steps]
            found.setdefault(name, {})[video.stem] = rows
            typer.echo(f"{name} {video.stem}: {len(rows)} frames")
    out.write_text(json.dumps(found) + "\n", encoding="utf-8")


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="What `record` wrote.")],
    after: Annotated[Path, typer.Argument(help="What it wrote later.")],
    px: Annotated[float, typer.Option(help="Largest difference of a coordinate, frame pixels; 0: to the last bit.")] = 0.0,
) -> None:
    """Say where boxes, scores and states differ; status 1 if they do, or if a video is missing."""
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    bad, compared = 0, 0
    for model, name in sorted((model, name) for model, found in old.items() for name in found):
        rows, others = old[model][name], new.get(model, {}).get(name, [])
        pairs = list(zip(rows, others, strict=False))
        apart = [max(abs(a - b) for a, b in zip(row[:4], other[:4], strict=True)) for row, other in pairs]
        scores = [abs(row[4] - other[4]) for row, other in pairs]
        states = sum(row[5] != other[5] for row, other in pairs)
        compared += len(apart)
        if len(rows) != len(others) or max(apart, default=0) > px or max(scores, default=0) > px or states:
            bad += 1
            first = next((i for i, (a, b) in enumerate(zip(apart, scores, strict=True)) if max(a, b) > px), None)
            typer.echo(
                f"{model} {name}: {len(rows)} and {len(others)} frames, boxes up to {max(apart, default=0):.3g} px apart, "
                f"scores {max(scores, default=0):.3g}, {states} states differ; first in frame {first}"
            )
    typer.echo(f"{compared} frames compared, {bad} videos differ by more than {px:g}")
    raise typer.Exit(1 if bad or not compared else 0)


if __name__ == "__main__":
    app()
