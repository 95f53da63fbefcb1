#!/usr/bin/env python3
"""Where each microsecond of a tracked frame goes, by clocks around the parts of a real tracker.

    experiments/speed/frame_profile.py siamfc-lite siamfc --threads 2

The clocks are put on one tracker's own engine, locator and target, for as long as it is measured: trackers elsewhere run
no slower for it.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from siamtrack.eval.named import our_tracker
from siamtrack.eval.runner import computing_with
from siamtrack.eval.speed import WARM_UP_FRAMES
from siamtrack.eval.speed_clip import Clip, render_clip
from siamtrack.tracking.tracker import Tracker

PARTS = {
    "convert": "checking and converting the frame",
    "crop": "cutting the search region",
    "network": "network",
    "choose": "choosing the box",
    "cut": "noticing a camera cut",
    "target": "updating the target",
    "rest": "everything else",
}
"""The parts by name, in the order in which they come."""

_NETWORK = ("match", "match_box")


@dataclass(frozen=True)
class FrameProfile:
    """Where the time of a frame goes.

    Attributes:
        contender: whose frame. frames: that were tracked.
        us: microseconds of each of `PARTS`, means over the middle half of the frames by time: a frame that something
            else interrupted says nothing about its parts.
        shares: the same as shares of the whole, which sum to 1.
    """

    contender: str
    frames: int
    us: Mapping[str, float]
    shares: Mapping[str, float]

    @property
    def total_us(self) -> float:
        """Microseconds of the whole frame."""
        return sum(self.us.values())


def profile(name: str, tracker: Tracker, clip: Clip, frames: int) -> FrameProfile:
    """Track a clip and say where the time goes.

    Args:
        name: what to call it. tracker: its engine and constants are used, its own target is left alone.
        clip: what to track. frames: of it, after the first; the first few are left out.

    Raises:
        ValueError: the clip holds too few frames.
    """
    clocks = _Clocks()
    engine = copy.copy(tracker.engine)
    for method in _NETWORK:
        clocks.put_on(engine, method, "network")
    watched = Tracker(engine, tracker.config)
    clocks.put_on(watched._locator, "find", "find")
    skip = min(WARM_UP_FRAMES, frames // 4)
    images = clip.read(frames + 1)
    watched.init(next(images), clip.box)
    followed = watched._followed
    assert followed is not None, "init learns"
    clocks.put_on(followed.target, "search_views", "search_views")
    if watched._scene is not None:
        clocks.put_on(watched._scene, "is_cut", "cut")
    clocks.put_on(followed.target, "follow", "follow")
    found = []
    for index, image in enumerate(images):
        clocks.calls.clear()
        network_before, began = engine.network_s, time.perf_counter()
        watched.update(image)
        ended = time.perf_counter()
        if index >= skip:
            found.append(_parts(clocks.calls, began, ended, engine.network_s - network_before))
    if not found:
        raise ValueError(f"{clip.name} holds too few frames for a profile; give a longer one")
    table = np.array([[parts[part] for part in PARTS] for parts in found])
    order = np.argsort(table.sum(axis=1))
    middle = table[order[len(order) // 4 : max(len(order) // 4 + 1, len(order) * 3 // 4)]].mean(axis=0)
    us = {part: float(1e6 * seconds) for part, seconds in zip(PARTS, middle, strict=True)}
    total = sum(us.values())
    return FrameProfile(name, len(found), us, {part: value / total for part, value in us.items()})


class _Clocks:
    """Notes when a part began and ended, in seconds."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float, float]] = []

    def put_on(self, thing: Any, method: str, part: str) -> None:
        """From now on this one thing's method is timed."""
        call = getattr(thing, method)

        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            result = call(*arguments, **named)
            self.calls.append((part, began, time.perf_counter()))
            return result

        setattr(thing, method, timed)


def _parts(calls: list[tuple[str, float, float]], began: float, ended: float, network_s: float) -> dict[str, float]:
    """Seconds of each part of one frame: what has no clock of its own is what lies between two clocks."""
    lasted: Callable[[str], float] = lambda part: sum(end - start for name, start, end in calls if name == part)  # noqa: E731
    starts = {name: start for name, start, _ in reversed(calls)}
    parts = {
        "convert": starts["search_views"] - began,
        # A runtime that does all at once (cuda-graph) has no moment at which crops are cut: all of it counts as network.
        "crop": starts["network"] - starts["find"] if "network" in starts else 0.0,
        "network": lasted("network") if "network" in starts else network_s,
        "cut": lasted("cut"),
        "target": lasted("search_views") + lasted("follow"),
    }
    parts["choose"] = lasted("find") - parts["crop"] - parts["network"]
    return {**parts, "rest": max(0.0, ended - began - sum(parts.values()))}


def main() -> None:
    """Measure, and print a row a part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a name or a weights file, with settings if any")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    clip = render_clip()
    with computing_with(args.threads) as threads:
        found = [profile(name, our_tracker(name, device=args.device)[0], clip, args.frames) for name in args.models]
    table = Table("us (share)", *args.models, title=f"Where a frame goes; {threads} threads")
    for part, words in PARTS.items():
        table.add_row(words, *(f"{one.us[part]:.0f} ({100 * one.shares[part]:.1f} %)" for one in found))
    table.add_row("whole frame", *(f"{one.total_us:.0f}" for one in found))
    Console().print(table)


if __name__ == "__main__":
    main()
