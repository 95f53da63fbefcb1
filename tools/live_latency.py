#!/usr/bin/env python3
"""How old a live frame is when a slow tracker has done with it, and whether memory grows: one line of JSON.

tools/live_latency.py                              60 s: 30 frames a second made, 10 a second taken
tools/live_latency.py --minutes 60                 the same for an hour
tools/live_latency.py --source 0 --consumer-fps 5  a real camera
tools/live_latency.py --model siamfc --minutes 10  a session with two targets and a recording behind it
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np

from siamtrack.live.capture import Capture, Captured
from siamtrack.system import resident_mb
from siamtrack.video.moment import Moment
from siamtrack.video.open_source import open_source
from siamtrack.video.source import Frame, Source

WARM_UP = 10
"""First frames that are left out, of memory too: they pay for what is set up once."""


class Ticking(Source):
    """A camera that cannot be told from a real one by its timing: a new picture at every tick."""

    live = True

    def __init__(self, fps: float, size_wh: tuple[int, int]) -> None:
        self.name, self.fps, self.frame_count = "made frames", fps, None
        width, height = size_wh
        self._picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)

    def read(self, start: Moment = 0) -> Iterator[Frame]:
        """Frames by the clock, each a picture of its own in memory."""
        began = time.perf_counter()
        for index in count():
            time.sleep(max(0.0, began + index / self.fps - time.perf_counter()))
            yield Frame(index, index / self.fps, self._picture.copy())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="camera index or stream URL; without it frames are made")
    parser.add_argument("--source-fps", type=float, default=30.0, help="of made frames")
    parser.add_argument("--consumer-fps", type=float, default=10.0, help="what the tracker would manage")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, help="in place of --seconds")
    parser.add_argument("--model", help="follow two targets with this model, and record, within each period")
    args = parser.parse_args()
    seconds = args.seconds if args.minutes is None else 60 * args.minutes
    period_s = 1 / args.consumer_fps

    to_taken, to_done = [], []
    memory_start = 0.0
    opener = (lambda: open_source(args.source)) if args.source else lambda: Ticking(args.source_fps, (1280, 720))
    with tempfile.TemporaryDirectory() as out, Capture(opener) as capture:
        work = follow(args.model, Path(out)) if args.model else lambda _: None
        ends_at = time.perf_counter() + seconds
        for taken, captured in enumerate(capture):
            now = time.perf_counter()
            if now > ends_at:
                break
            work(captured)
            time.sleep(max(0.0, period_s - (time.perf_counter() - now)))
            if taken == WARM_UP:
                memory_start = resident_mb()
            if taken >= WARM_UP:
                to_taken.append(now - captured.captured_at)
                to_done.append(time.perf_counter() - captured.captured_at)
        status, memory_end = capture.status, resident_mb()
    figures = {
        "source": capture.name,
        "seconds": seconds,
        "frames": status.frames,
        "taken": len(to_done) + WARM_UP,
        "dropped": status.dropped,
        "reconnects": status.reconnects,
        "to_taken_ms": summary(to_taken),
        "to_done_ms": summary(to_done),
        "limit_ms": round(2e3 * period_s, 1),
        "within_limit": max(to_done, default=np.inf) < 2 * period_s,
        "memory_start_mb": round(memory_start, 1),
        "memory_end_mb": round(memory_end, 1),
    }
    print(json.dumps(figures))


def follow(model: str, out: Path) -> Callable[[Captured], object]:
    """What a live session does with a frame, with two targets that are drawn in the first one."""
    from siamtrack.api import load
    from siamtrack.live.session import Session

    tracker = load(model)
    session = Session(tracker.backend, tracker.config, out)

    def step(captured: Captured) -> None:
        session.step(captured)
        if not session.names:
            for box in ((100, 100, 80, 60), (600, 300, 120, 160)):
                session.add(box, captured)
            session.record(True)

    return step


def summary(seconds: list[float]) -> dict[str, float]:
    """p50, p95 and the greatest, in ms."""
    if not seconds:
        return {}
    p50, p95 = np.percentile(seconds, [50, 95])
    return {"p50": round(1e3 * p50, 1), "p95": round(1e3 * p95, 1), "max": round(1e3 * max(seconds), 1)}


if __name__ == "__main__":
    main()
