#!/usr/bin/env python3
"""Score trackers on a folder of labelled sequences, all in one run.

    tools/score_sequences.py ROOT siamfc cv2:csrt cv2:kcf cv2:nano --onnx-dir DIR
    tools/score_sequences.py ROOT runs/siamfc/checkpoint.pt --limit 100 --set window_influence=0.25 scale_count=5

ROOT holds NAME.mp4 with NAME.txt, or the GOT-10k layout; ROOT@LIST means those that a file names, one a line. One pass, no
reset, first frame left out, boxes clipped to the frame, no re-detection without --redetect; AO and SR over all frames, and the
mean over sequences of AO. Every tracker sees the same decoded frames. A tracker's name may be followed by settings of its own:
siamfc,scale_count=5
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.progress import track

from siamtrack.data.subset import chosen_sequences, label_of
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.runner import computing_with
from siamtrack.eval.scores import pooled
from siamtrack.eval.sequence_run import SequenceRun, run_sequence
from siamtrack.system import write_whole


def main() -> None:
    """Run every tracker on every sequence and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, metavar="ROOT[@LIST]")
    parser.add_argument("trackers", nargs="+")
    parser.add_argument("--limit", type=int, default=None, help="first N frames of each sequence only")
    parser.add_argument("--only", default="", help="comma-separated names of sequences")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="tracker constants")
    parser.add_argument("--onnx-dir", "--nano-dir", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=None, help="of torch and OpenCV alike")
    parser.add_argument("--redetect", action="store_true", help="our trackers look for a LOST target in the whole frame")
    parser.add_argument("--json", type=Path, default=None, help="write scores and every overlap here")
    args = parser.parse_args()

    with computing_with(args.threads):
        specs = [TrackerSpec(name, tuple(args.set), args.onnx_dir, redetect=args.redetect) for name in args.trackers]
        trackers = {spec.name: spec.make() for spec in specs}
        sequences = chosen_sequences(args.root, args.only)
        runs: dict[str, list[SequenceRun]] = {name: [] for name in trackers}
        for sequence in track(sequences, "sequences"):
            for name, tracker in trackers.items():
                runs[name].append(run_sequence(tracker, sequence, args.limit))

    for name, done in runs.items():
        print(f"{name:40s} {label_of(args.root)}: {pooled(run.overlaps for run in done)}  {fps(done):.1f} fps")
    print(f"Re-detection of our trackers: {'on' if args.redetect else 'off'}, where settings do not say otherwise.")
    if args.json:
        rows = {
            name: {
                "overlaps": {run.name: run.overlaps.round(4).tolist() for run in done},
                "scores": {run.name: run.scores[run.counted].round(4).tolist() for run in done},
                "fps": fps(done),
            }
            for name, done in runs.items()
        }
        write_whole(args.json, json.dumps(rows))


def fps(runs: list[SequenceRun]) -> float:
    """Updates a second, over all runs."""
    seconds = sum(float(run.seconds.sum()) for run in runs)
    return sum(len(run.boxes_xywh) - 1 for run in runs) / seconds if seconds else 0.0


if __name__ == "__main__":
    main()
