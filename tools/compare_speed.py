#!/usr/bin/env python3
"""Frames per second of the shipped models beside the plain recipe, on one video, in one process.

    tools/compare_speed.py VIDEO X,Y,W,H --rounds 5 --frames 120

The plain recipe embeds three 255 px search crops a frame with the network as it was trained: contiguous
float32, nothing folded. Both run in turns, and medians over the rounds are printed, so that a noisy machine
disturbs both alike.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from siamtrack.api import tracker_from
from siamtrack.boxes import parse_box
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import load_weights
from siamtrack.tracking.crop import Image
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.run import run
from siamtrack.video.source import open_source

PLAIN = "plain recipe"


class PlainEngine(Engine):
    """The network as it was trained, with contiguous float32 input: what the default is measured against."""

    def __init__(self, net: Siamese) -> None:
        super().__init__(net, "cpu", "float32")
        self._net = net

    @torch.inference_mode()
    def embed(self, crops: Sequence[Image]) -> Tensor:
        """Embeddings (N, C, h, w) of crops (S, S, 3)."""
        started = time.perf_counter()
        batch = np.stack([np.ascontiguousarray(crop[..., ::-1].transpose(2, 0, 1)) for crop in crops])
        embedding = self._net.embed(torch.from_numpy(batch).float())
        self._clock(started)
        return embedding


def main() -> None:
    """Run both in turns and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("box", type=parse_box)
    parser.add_argument("--models", nargs="+", default=["siamfc-box", "siamfc"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)

    trackers = {model: tracker_from(load_weights(model), "cpu", "float32") for model in args.models}
    weights = load_weights("siamfc")
    classic = tracker_from(weights, "cpu", "float32", scale_search="search", scale_count=3)
    trackers[PLAIN] = Tracker(PlainEngine(weights.net), classic.config)
    figures: dict[str, dict[str, list[float]]] = {name: {} for name in trackers}
    for _ in range(args.rounds):
        for name, tracker in trackers.items():
            with open_source(args.video) as source, tempfile.TemporaryDirectory() as out:
                summary = run(tracker, source, Path(out), args.box, stop=args.frames)
            for kind, values in summary.fps.items():
                figures[name].setdefault(kind, []).append(values["fps"])
    print(f"{args.video}, {args.frames} frames, {args.rounds} rounds, cpu, {torch.get_num_threads()} threads, float32: fps")
    for name, found in figures.items():
        cells = []
        for kind in ("network", "tracker", "end_to_end"):
            ratio = statistics.median(ours / plain for ours, plain in zip(found[kind], figures[PLAIN][kind], strict=True))
            cells.append(f"{kind} {statistics.median(found[kind]):.1f} (x {ratio:.2f})")
        print(f"  {name:20s}  " + "  ".join(cells))


if __name__ == "__main__":
    main()
