#!/usr/bin/env python3
"""Hold the whole tracker's two graphs (`siamtrack export --whole`) to the package, sequence by sequence.

    tools/compare_whole.py ROOT
    tools/compare_whole.py ROOT --only OTB_Deer,OTB_David --limit 100
    tools/compare_whole.py ROOT --float32

Both see the same decoded frames and run in ONNX Runtime with as many threads; the package sees camera cuts too. A line says
how far their boxes are apart at most, in how many frames their states differ, the mean overlap of each with the labels, and
the milliseconds that each took, in the thread that called it (with more than one thread of the network, whoever waits is not
counted: measure with --threads 1).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.api import config_of, tracker_from
from siamtrack.backends.onnx import open_graph
from siamtrack.boxes import Box, iou
from siamtrack.data.sequence import Sequence
from siamtrack.data.subset import chosen_sequences
from siamtrack.eval.runner import computing_with
from siamtrack.frames import Image
from siamtrack.model.weights import load_weights
from siamtrack.system import network_threads
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.tracker import Tracker
from siamtrack.whole.folder import whole_graphs
from siamtrack.whole.graph import Real
from siamtrack.whole.state import STATES


class WholeTracker:
    """Runs the graphs `init` and `update` in ONNX Runtime. Args: their bytes by name, threads, and their dtype."""

    def __init__(self, graphs: dict[str, bytes], threads: int, real: Real = "float64") -> None:
        self._init, self._update = (open_graph(graphs[name], {}, threads) for name in ("init", "update"))
        self._real = real
        self.known: list[NDArray[Any]] = []

    def init(self, frame: Image, box: Iterable[float]) -> None:
        """Learn the target."""
        self.known = list(self._init({"frame": frame, "box": np.array(list(box), self._real)}))

    def update(self, frame: Image) -> TrackResult:
        """Find it in the next frame."""
        inputs = dict(zip(("exemplars", "kernels", "memory"), self.known, strict=True))
        box, score, state, *self.known = self._update({"frame": frame, **inputs})
        return TrackResult(Box(*box.tolist()), float(score[0]), STATES[int(state[0])])


@dataclass
class Comparison:
    """What `compare` found: frames after the first, and those with a label; the largest difference of boxes in pixels and of
    scores, and frames whose states differ; sums of the overlaps of package and graphs with the labels, and their seconds."""

    frames: int = 0
    labelled: int = 0
    box_px: float = 0.0
    score: float = 0.0
    states: int = 0
    package_overlap: float = 0.0
    whole_overlap: float = 0.0
    package_s: float = 0.0
    whole_s: float = 0.0

    def __iadd__(self, other: Comparison) -> Comparison:
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            setattr(self, field.name, max(mine, theirs) if field.name in ("box_px", "score") else mine + theirs)
        return self

    def __str__(self) -> str:
        ratio = self.whole_s / self.package_s if self.package_s else 0.0
        labelled = max(self.labelled, 1)
        return (
            f"{self.frames:6d} frames  box {self.box_px:.2g} px  score {self.score:.2g}  states {self.states}  "
            f"overlap {self.package_overlap / labelled:.4f} {self.whole_overlap / labelled:.4f}  "
            f"package {1000 * self.package_s / max(self.frames, 1):.2f} ms  graphs {ratio:.2f} times that"
        )


def compare(package: Tracker, whole: WholeTracker, sequence: Sequence, limit: int | None = None) -> Comparison:
    """Run both over a sequence, frame by frame."""
    found = Comparison()
    for index, frame in enumerate(sequence.frames()):
        if index == limit:
            break
        if index == 0:
            box = package.init(frame, sequence.boxes_xywh[0]).box
            whole.init(frame, box)
            continue
        started = time.thread_time()
        expected = package.update(frame)
        between = time.thread_time()
        got = whole.update(frame)
        found.whole_s += time.thread_time() - between
        found.package_s += between - started
        found.frames += 1
        found.box_px = max(found.box_px, *(abs(a - b) for a, b in zip(got.box, expected.box, strict=True)))
        found.score = max(found.score, abs(got.score - expected.score))
        found.states += got.state is not expected.state
        if sequence.visible[index]:
            found.labelled += 1
            found.package_overlap += float(iou(expected.box, sequence.boxes_xywh[index]))
            found.whole_overlap += float(iou(got.box, sequence.boxes_xywh[index]))
    return found


def main() -> None:
    """Print a line a sequence, and one for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", metavar="ROOT[@LIST]", help="sequences; LIST is a file with some of the names, one a line")
    parser.add_argument("--model", default="siamfc-lite")
    parser.add_argument("--limit", type=int, default=None, help="first N frames of each sequence only")
    parser.add_argument("--only", default="", help="comma-separated names of sequences")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--float32", action="store_true", help="the graphs for engines without 64 bits")
    args = parser.parse_args()

    with computing_with(args.threads):
        weights = load_weights(args.model)
        package = tracker_from(weights, device="cpu", backend="onnx")
        real: Real = "float32" if args.float32 else "float64"
        whole = WholeTracker(whole_graphs(weights, config_of(weights), real), network_threads(), real)
        total = Comparison()
        for sequence in chosen_sequences(args.root, args.only):
            one = compare(package, whole, sequence, args.limit)
            print(f"{sequence.name:20s} {one}", flush=True)
            total += one
        print(f"{'all':20s} {total}")


if __name__ == "__main__":
    main()
