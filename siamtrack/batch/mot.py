"""MOT sequences as jobs: `SEQ/img1` with `SEQ/gt/gt.txt` or `SEQ/det/det.txt`.

A line is `frame,id,left,top,width,height` and more, frames and pixels counted from 1. A track's first box is the
target, from its first to its last frame. Lines of gt.txt whose seventh number is 0 are passed over, as the MOT
benchmark does. Where det.txt names no tracks (id -1), the boxes of its first frame are the targets.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from siamtrack.batch.jobs import TargetJob
from siamtrack.data.labels import read_text
from siamtrack.errors import DataError

IMAGES = "img1"


class MotBox(NamedTuple):
    """One line, 0-based. `track` is -1 where nobody knows."""

    frame: int
    track: int
    box_xywh: tuple[float, float, float, float]
    counts: bool


def mot_file(folder: Path) -> Path | None:
    """The file with a sequence's boxes: the ground truth, or else detections."""
    files = (folder / "gt" / "gt.txt", folder / "det" / "det.txt")
    return next((path for path in files if path.is_file()), None)


def read_mot(path: Path) -> list[TargetJob]:
    """The targets of gt.txt or det.txt, by the frames in which they start.

    Raises:
        DataError: it cannot be read, a line is not of the form, or there are no boxes.
    """
    boxes = [_parse(line, number, path) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
    if path.name == "gt.txt":
        boxes = [box for box in boxes if box.counts]
    tracks: dict[int, list[MotBox]] = {}
    for box in sorted(boxes, key=lambda box: box.frame):
        tracks.setdefault(box.track, []).append(box)
    if not tracks:
        raise DataError(f"{path} holds no box that counts; lines frame,id,left,top,width,height are wanted")
    if set(tracks) == {-1}:
        first = [box for box in tracks[-1] if box.frame == tracks[-1][0].frame]
        return [TargetJob(str(number), box.box_xywh, box.frame) for number, box in enumerate(first, 1)]
    return [TargetJob(str(track), run[0].box_xywh, run[0].frame, run[-1].frame) for track, run in tracks.items() if track >= 0]


def _parse(line: str, number: int, path: Path) -> MotBox:
    try:
        values = [float(part) for part in line.replace(",", " ").split()]
    except ValueError:
        values = []
    if len(values) < 6 or not all(map(math.isfinite, values[:6])) or values[0] < 1 or any(v % 1 for v in values[:2]):
        raise DataError(f"{path}, line {number}: {line.strip()[:60]!r} is not frame,id,left,top,width,height from frame 1 on")
    frame, track, left, top, width, height = values[:6]
    return MotBox(int(frame) - 1, int(track), (left - 1, top - 1, width, height), len(values) < 7 or values[6] != 0)
