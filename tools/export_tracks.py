#!/usr/bin/env python3
"""Cut labelled tracks into a folder a class, for training and measuring a verifier of objects.

    tools/export_tracks.py ROOT/sequences/train OUT --merge 'UAV123_.*(?=_[0-9]$)'
    siamtrack train objects --data OUT --out runs/objects

Every track becomes a class of up to 16 context crops, as the tracker cuts exemplars, spread over the track's length.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from siamtrack.data.sequence import Sequence
from siamtrack.data.subset import chosen_sequences
from siamtrack.models import EXEMPLAR_SIZE
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color

VIEWS = 16
MIN_SIDE_PX = 12
"""Boxes with a shorter side are passed over."""


def main() -> None:
    """Read every sequence once and write its crops."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", metavar="ROOT[@LIST]", help="sequences; LIST is a file with some of the names, one a line")
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--merge", default=None, help="regular expression; tracks in whose names it finds the same text are one class"
    )
    args = parser.parse_args()
    for sequence in track(chosen_sequences(args.root), "tracks"):
        found = re.search(args.merge, sequence.name) if args.merge else None
        folder = args.out / (found[0] if found else sequence.name)
        folder.mkdir(parents=True, exist_ok=True)
        write_views(sequence, folder)


def write_views(sequence: Sequence, folder: Path) -> None:
    """Write a track's crops as FOLDER/TRACK-FRAME.jpg."""
    boxes = sequence.boxes_xywh
    usable = np.flatnonzero(sequence.visible & (boxes[:, 2:].min(axis=1) >= MIN_SIDE_PX))
    if not len(usable):
        return
    chosen = set(usable[np.unique(np.linspace(0, len(usable) - 1, VIEWS).round().astype(int))].tolist())
    for index, frame in sequence.frames_at(chosen):
        x, y, w, h = (float(value) for value in boxes[index])
        crop = SearchRegion((x + w / 2, y + h / 2), context_side((w, h)), EXEMPLAR_SIZE).extract(frame, mean_color(frame))
        cv2.imwrite(str(folder / f"{sequence.name}-{index:06d}.jpg"), crop, [cv2.IMWRITE_JPEG_QUALITY, 95])


if __name__ == "__main__":
    main()
