#!/usr/bin/env python3
"""Where the microseconds of a tracked frame go, by clocks around the steps of a real tracker.

    experiments/speed/frame_profile.py siamfc-lite siamfc --threads 2

The time of a step leaves out the steps inside it: the network's is without the crops that it asks for. Figures are means over
the middle half of the frames by time: a frame that something else interrupted says nothing about its steps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table

from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.runner import computing_with
from siamtrack.eval.speed import WARM_UP_FRAMES
from siamtrack.eval.speed_clip import Clip, render_clip
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.decode import Decoder
from siamtrack.tracking.network import Network
from siamtrack.tracking.scene_cut import SceneCut
from siamtrack.tracking.target import Target
from siamtrack.tracking.tracker import Tracker

STEPS: dict[str, tuple[type, str]] = {
    "scene cut": (SceneCut, "is_cut"),
    "search regions": (Target, "search_regions"),
    "crops": (SearchRegion, "extract"),
    "network": (Network, "respond"),  # of the tracker's own kind of backend
    "decode": (Decoder, "decode"),
    "target": (Target, "follow"),
    "state": (Target, "judge"),
    "template update": (Target, "update_template"),
}
REST = "everything else"


def profile(tracker: Tracker, clip: Clip, frames: int) -> dict[str, float]:
    """Microseconds of each step of a frame, and of the rest.

    Args:
        tracker: learns the clip's target anew. clip: what to track. frames: of it, after the first few.
    """
    images = clip.read(1 + WARM_UP_FRAMES + frames)
    tracker.init(next(images), clip.box)
    rows = []
    with clocks({**STEPS, "network": (type(tracker.backend), "respond")}) as seconds:
        for image in images:
            seconds.update(dict.fromkeys(seconds, 0.0))
            began = time.perf_counter()
            tracker.update(image)
            whole = time.perf_counter() - began
            rows.append([*seconds.values(), whole - sum(seconds.values())])
    table = np.array(rows[WARM_UP_FRAMES:])
    order = np.argsort(table.sum(axis=1))
    middle = table[order[len(order) // 4 : max(len(order) // 4 + 1, len(order) * 3 // 4)]].mean(axis=0)
    return dict(zip((*STEPS, REST), (1e6 * middle).tolist(), strict=True))


@contextmanager
def clocks(steps: dict[str, tuple[type, str]]) -> Iterator[dict[str, float]]:
    """Seconds spent so far in each step, without those spent in a step inside it."""
    seconds = dict.fromkeys(steps, 0.0)
    inside = 0.0

    def timed(step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            nonlocal inside
            outside, inside, began = inside, 0.0, time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                took = time.perf_counter() - began
                seconds[step] += took - inside
                inside = outside + took

        return run

    with ExitStack() as stack:
        for step, (kind, name) in steps.items():
            stack.enter_context(patch.object(kind, name, timed(step, getattr(kind, name))))
        yield seconds


def main() -> None:
    """Measure, and print a row a step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a name or a weights file, with settings if any")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    with computing_with(args.threads) as threads:
        trackers = [TrackerSpec(name, device=args.device).ours()[0] for name in args.models]
        found = [profile(tracker, render_clip(), args.frames) for tracker in trackers]
    table = Table("us (share)", *args.models, title=f"Where a frame goes; {threads} threads")
    for step in found[0]:
        table.add_row(step, *(f"{one[step]:.0f} ({one[step] / sum(one.values()):.1%})" for one in found))
    table.add_row("whole frame", *(f"{sum(one.values()):.0f}" for one in found))
    Console().print(table)


if __name__ == "__main__":
    main()
