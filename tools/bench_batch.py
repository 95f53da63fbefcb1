#!/usr/bin/env python3
"""What a batch costs: videos at a time, memory over a long video. Prints JSON.

    tools/bench_batch.py                            both; the long video has 2,000 frames
    tools/bench_batch.py --only memory --frames 20000 --search-size 159
    tools/bench_batch.py --only engines             the local engine beside Ray on this machine

Clips are rendered: noise with a moving patch. Every figure is a median of --rounds, taken in turns. What more targets cost
says experiments/speed/costs.py.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from siamtrack.batch.driver import batch
from siamtrack.batch.engine import Event, VideoProgress
from siamtrack.batch.jobs import TargetJob, VideoJob
from siamtrack.video.sink import VideoSink

WIDTH, HEIGHT = 640, 360


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["videos", "memory", "engines"])
    parser.add_argument("--model", default="siamfc-lite")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=2000, help="of the long video")
    parser.add_argument("--search-size", type=int, default=255, help="in pixels: smaller is quicker, for the long video")
    args = parser.parse_args()
    wanted = [args.only] if args.only else ["videos", "memory"]
    figures: dict[str, Any] = {"model": args.model, "rounds": args.rounds}
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as folder:
        place = Path(folder)
        if "videos" in wanted:
            runs: dict[str, dict[str, Any]] = {
                "one_worker": {"workers": 1, "threads": 1},
                "two_workers": {"workers": 2, "threads": 1},
            }
            figures["videos"] = seconds_of(place, args.model, args.rounds, runs)
        if "engines" in wanted:
            common = {"workers": 2, "threads": 1}
            runs = {"local": {**common, "engine": "local"}, "ray": {**common, "engine": "ray"}}
            figures["engines"] = seconds_of(place, args.model, args.rounds, runs)
        if "memory" in wanted:
            figures["memory"] = memory(place, args.model, args.frames, args.search_size)
    print(json.dumps(figures, indent=1))


def seconds_of(place: Path, model: str, rounds: int, runs: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Seconds of four videos under each setting: from the first frame tracked, and in all with the start of processes."""
    jobs = [job(place / f"clip{number}.mp4", 150) for number in range(4)]
    whole: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds):
        for name, settings in runs.items():
            began = time.perf_counter()
            results = list(batch(jobs, place / f"{name}-{turn}", model=model, **settings))
            assert all(result.outcome == "done" for result in results), results
            whole[name].append(time.perf_counter() - began)
    return {f"{name}_s": round(median(seconds), 1) for name, seconds in whole.items()}


def memory(place: Path, model: str, frames: int, search_size: int) -> dict[str, Any]:
    """Resident memory of the worker, MB, at a tenth of a long video and at its end, and the most in between."""
    seen: list[tuple[int, float]] = []

    def watch(event: Event) -> None:
        if isinstance(event, VideoProgress):
            seen.append((event.frames, memory_of_worker()))

    began = time.perf_counter()
    list(
        batch(
            [job(place / "long.mp4", frames)], place / "long", model=model, workers=1, on_event=watch, search_size=search_size
        )
    )
    early = [used for done, used in seen if frames // 10 <= done < frames // 5]
    late = [used for done, used in seen if done >= frames * 9 // 10]
    return {
        "frames": frames,
        "search_size": search_size,
        "fps": round(frames / (time.perf_counter() - began), 1),
        "early_mb": round(median(early), 1),
        "late_mb": round(median(late), 1),
        "most_mb": round(max(used for _, used in seen), 1),
    }


def memory_of_worker() -> float:
    """Resident memory of this process's largest child, MB. Linux only."""
    found = [0.0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if int(lines.get("PPid", "0")) == os.getpid() and "VmRSS" in lines:
            found.append(int(lines["VmRSS"].split()[0]) / 1e3)
    return max(found)


_noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def frame(index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Noise, smooth enough to be encoded, with a bright patch that goes round."""
    picture = np.repeat(np.repeat(_noise[::8, ::8], 8, 0), 8, 1)[:HEIGHT, :WIDTH].copy()
    x, y, w, h = (round(value) for value in box(0, index))
    picture[y : y + h, x : x + w] = (40, 220, 240)
    return picture


def box(number: int, index: int = 0) -> tuple[float, float, float, float]:
    """The patch in a frame; other numbers stand elsewhere."""
    angle = index / 40 + number
    return 280 + 150 * np.cos(angle), 150 + 80 * np.sin(angle), 60.0, 50.0


def job(path: Path, frames: int) -> VideoJob:
    """A rendered video and its one target."""
    if not path.exists():
        with VideoSink(path, 25) as sink:
            for index in range(frames):
                sink.write(frame(index))
    return VideoJob(str(path), (TargetJob("patch", box(0)),))


if __name__ == "__main__":
    main()
