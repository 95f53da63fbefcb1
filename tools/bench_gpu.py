#!/usr/bin/env python3
"""What the GPU path is worth on this machine, and whether it finds what the CPU finds. Prints a table, then JSON.

    tools/bench_gpu.py                                      the first GPU, in the precision that `auto` takes
    tools/bench_gpu.py --precision float16 --model siamfc
    tools/bench_gpu.py --root got10k/val --limit 200        agreement on labelled sequences too
    tools/bench_gpu.py --device cpu --quick                 the same code in seconds on a CPU; its figures mean nothing

Frames are rendered, 1280x720, and lie in pageable host memory, as a decoder leaves them: every figure has the copy to
the GPU and back in it. Warm-up, and with it the capture of graphs, is left out (of "many", a target that outgrows 510 px
later on has one more captured: compare p50 and p99). "Large" is a target whose crop must be
averaged (search region above 510 px). The share of the peak is that of a matrix product of this very device and
precision, 2 operations a multiplication, the network's own counted by torch.utils.flop_counter.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from siamtrack.api import tracker_from
from siamtrack.boxes import iou
from siamtrack.data.layout import find_sequences
from siamtrack.eval.evaluate import evaluate, pool_runs
from siamtrack.frames import Image
from siamtrack.model.weights import Weights, load_weights
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.device.locator import DeviceLocator
from siamtrack.tracking.device.replay import Replay
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.group import MultiTracker
from siamtrack.tracking.placement import PRECISIONS, pick_device
from siamtrack.tracking.sized_locator import for_every_size
from siamtrack.tracking.tracker import Tracker

WIDTH, HEIGHT = 1280, 720
SMALL_WH, LARGE_WH = (60, 80), (240, 320)
WARM_UP = 5


class DeviceTracker(Tracker):
    """By the device's way on a CPU too, where `make_locator` would not choose it."""

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        super().__init__(engine, config)
        self._locator = for_every_size(DeviceLocator, engine, config)


class DeviceGroup(MultiTracker[int]):
    """Likewise."""

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        super().__init__(engine, config)
        self._locator = for_every_size(DeviceLocator, engine, config)


def main() -> None:
    """Measure and print."""
    args = _arguments()
    device = pick_device(args.device)
    weights = load_weights(args.model)
    ours = device_tracker(weights, args.device, args.precision)
    engine = ours.engine
    small, large = (clip(args.frames, size_wh) for size_wh in (SMALL_WH, LARGE_WH))
    figures: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads",
        "model": args.model,
        "precision": engine.precision,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "single": single(ours, *small),
        "single_large": single(ours, *large),
        "many": many(DeviceGroup(engine, ours.config), small[0], args.targets),
        "embedding": embedding(engine, ours.config.search_size, args.crops, args.matmul, args.rounds),
        "agreement": agreement(ours, weights, *small),
    }
    if args.root:
        figures["sequences"] = on_sequences(ours, weights, args.root, args.limit)
    show(figures)
    print(json.dumps(figures, indent=1))


def device_tracker(weights: Weights, device: str, precision: str) -> Tracker:
    """A tracker by the device's way: by CUDA graph on a GPU."""
    runtime = "cuda-graph" if pick_device(device).type == "cuda" else "eager"
    tracker = tracker_from(weights, device, precision, runtime)
    return DeviceTracker(tracker.engine, tracker.config)


def clip(count: int, size_wh: tuple[int, int]) -> tuple[list[Image], tuple[float, float, float, float]]:
    """Frames of a textured patch that moves over a textured ground, and its first box."""
    rng = np.random.default_rng(5)
    width, height = size_wh
    ground = cv2.resize(rng.integers(60, 196, (90, 160, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    patch = cv2.resize(rng.integers(0, 256, (5, 4, 3), np.uint8), size_wh, interpolation=cv2.INTER_CUBIC)
    frames, corners = [], []
    for i in range(count):
        x, y = round(WIDTH / 2 - width / 2 + 90 * np.sin(i / 15)), round(HEIGHT / 2 - height / 2 + 60 * np.sin(i / 11))
        frame = ground.copy()
        frame[y : y + height, x : x + width] = patch
        frames.append(np.asarray(frame, np.uint8))
        corners.append((float(x), float(y)))
    return frames, (*corners[0], float(width), float(height))


def single(tracker: Tracker, frames: list[Image], box: tuple[float, ...]) -> dict[str, float]:
    """One target, a frame after the other: frames a second as N / sum(t), and milliseconds."""
    tracker.init(frames[0], box)
    return timing(seconds_of(tracker.update, frames))


def many(group: DeviceGroup, frames: list[Image], count: int) -> dict[str, float]:
    """Targets all over the frame, in one batch a frame."""
    rng = np.random.default_rng(1)
    width, height = SMALL_WH
    for name in range(count):
        group.add(name, frames[0], (*rng.uniform((0, 0), (WIDTH - width, HEIGHT - height)).tolist(), width, height))
    times = timing(seconds_of(group.update, frames))
    return {"targets": count, "updates_per_s": times["fps"] * count, **times}


def seconds_of(update: Callable[[Image], object], frames: list[Image]) -> NDArray[np.float64]:
    """Seconds of each call; every one ends with its result on the host."""
    seconds = []
    for frame in (*frames[1 : 1 + WARM_UP], *frames[1:]):
        started = time.perf_counter()
        update(frame)
        seconds.append(time.perf_counter() - started)
    return np.array(seconds[min(WARM_UP, len(frames) - 1) :])


def timing(seconds: NDArray[np.float64]) -> dict[str, float]:
    """Rate and percentiles."""
    return {
        "fps": len(seconds) / float(seconds.sum()),
        "p50_ms": float(np.percentile(seconds, 50)) * 1e3,
        "p99_ms": float(np.percentile(seconds, 99)) * 1e3,
        "frames": len(seconds),
    }


@torch.inference_mode()
def embedding(engine: Engine, size: int, count: int, matmul: int, rounds: int) -> dict[str, float]:
    """The backbone alone over a batch of crops that lie on the device, beside the device's own matrix product."""
    crops = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, device=engine.device)
    graph, dtype = engine.graphs["embed"], PRECISIONS[engine.precision]
    with FlopCounterMode(display=False) as counter:
        graph(crops[:1])
    work = counter.get_total_flops() * count
    seconds = fastest(Replay(lambda _: graph(crops), engine.device), engine.device, rounds)
    # cuDNN convolves float32 in TF32 unless told otherwise, cuBLAS multiplies in it only if told so: compare like with like.
    before, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    a, b = (torch.randn(matmul, matmul, device=engine.device).to(dtype) for _ in range(2))
    peak = 2 * matmul**3 / fastest(Replay(lambda _: a @ b, engine.device), engine.device, rounds)
    torch.backends.cuda.matmul.allow_tf32 = before
    return {
        "crops": count,
        "crops_per_s": count / seconds,
        "tflops": work / seconds / 1e12,
        "matmul_tflops": peak / 1e12,
        "share_of_peak": work / seconds / peak,
    }


def fastest(run: Replay[int], device: torch.device, rounds: int) -> float:
    """Least seconds of a call; the first, which captures, is left out."""
    seconds = []
    for _ in range(rounds + 1):
        synchronize(device)
        started = time.perf_counter()
        run(0)
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def agreement(ours: Tracker, weights: Weights, frames: list[Image], box: tuple[float, ...]) -> dict[str, float]:
    """The same clip by the CPU in float32: how far boxes are apart, in pixels and as overlap."""
    host = tracker_from(weights, "cpu", "float32", "eager")
    tracks = []
    for tracker in (ours, host):
        tracker.init(frames[0], box)
        tracks.append(np.array([tracker.update(frame).box for frame in frames[1:]]))
    return apart(*tracks)


def on_sequences(ours: Tracker, weights: Weights, root: str, limit: int | None) -> dict[str, Any]:
    """Labelled sequences by both: the difference of their average overlaps, and of their boxes.

    Tracks that part at one doubtful frame stay apart, so look at the average overlap first.
    """
    sequences = find_sequences(root)
    runs = [list(evaluate(each, sequences, limit)) for each in (ours, tracker_from(weights, "cpu", "float32", "eager"))]
    scores = [pool_runs(each) for each in runs]
    boxes = [np.concatenate([run.boxes_xywh[1:] for run in each]) for each in runs]
    return {
        "root": root,
        "sequences": len(sequences),
        "frames": scores[0].frames,
        "ao": scores[0].ao,
        "ao_cpu": scores[1].ao,
        "ao_difference": scores[0].ao - scores[1].ao,
        **apart(*boxes),
    }


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, float]:
    """How two tracks (N, 4) differ."""
    pixels = np.abs(one - other).max(axis=1)
    return {
        "largest_px": float(pixels.max()),
        "median_px": float(np.median(pixels)),
        "lowest_overlap": float(np.min(iou(one, other))),
    }


def show(figures: dict[str, Any]) -> None:
    """A row a figure."""
    table = Table("what", "figure", "value", title="{device}, {model} in {precision}, torch {torch}".format(**figures))
    for what, found in figures.items():
        if isinstance(found, dict):
            for name, value in found.items():
                table.add_row(what, name, f"{value:,.4g}" if isinstance(value, float) else str(value))
    Console().print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="auto", choices=["auto", *PRECISIONS])
    parser.add_argument("--model", default="siamfc-box", help="a name or a file of weights")
    parser.add_argument("--root", help="of labelled sequences, for the agreement with the CPU")
    parser.add_argument("--limit", type=int, help="frames of each sequence")
    parser.add_argument("--frames", type=int, default=200, help="of the rendered clips, 2.8 MB each")
    parser.add_argument("--targets", type=int, default=64)
    parser.add_argument("--crops", type=int, default=128)
    parser.add_argument("--quick", action="store_true", help="few of everything: to see that it runs")
    args = parser.parse_args()
    args.matmul, args.rounds = (512, 1) if args.quick else (8192, 20)
    if args.quick:
        args.frames, args.targets, args.crops = 2, 2, 1
    for name, least in (("frames", 2), ("targets", 1), ("crops", 1)):
        if getattr(args, name) < least:
            parser.error(f"--{name} is {getattr(args, name)}; it must be {least} or more")
    try:
        pick_device(args.device)
    except ValueError as error:
        parser.error(str(error))
    return args


if __name__ == "__main__":
    main()
