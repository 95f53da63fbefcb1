"""NfS (Need for Speed): `NAME/240/NAME/00001.jpg` with `NAME/240/NAME.txt`, and the same below `NAME/30`.

A line of labels is `id left top right bottom frame lost occluded generated "class"`, parted by blanks. Boxes are
0-based. The columns behind the box are not used: the benchmark counts every frame.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.data.dataset import Item
from siamtrack.data.labels import clean_boxes, folders, read_text
from siamtrack.data.pictures import list_pictures
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError

LAYOUT = "NAME/30/NAME/00001.jpg with NAME/30/NAME.txt, or NAME/240/... (100 of them)"
COUNT = 100

RATIO = 8
"""240 frames a second are made 30 by keeping every 8th; the labels may still be those of all 240."""


def find(root: Path, fps: int) -> list[Item]:
    """One item a sequence, sorted by name.

    Args:
        root: the folder of the sequences' folders.
        fps: 30 or 240.

    Raises:
        ValueError: another fps.
    """
    if fps not in (30, 240):
        raise ValueError(f"NfS has 30 and 240 frames a second, not {fps}")
    paths = [path for path in folders(root) if (path / "30").is_dir() or (path / "240").is_dir()]
    return [Item(path.name, partial(load, path, fps)) for path in paths]


def load(folder: Path, fps: int) -> list[Sequence]:
    """One sequence at one frame rate.

    Raises:
        DataError: the labels are missing or cannot be read.
    """
    images = list_pictures(folder / str(fps) / folder.name)
    boxes = _read_corners(folder / str(fps) / f"{folder.name}.txt")
    differ = abs(len(boxes) - len(images)) > 1
    if fps == 30 and differ and abs(len(boxes[::RATIO]) - len(images)) <= 1:
        boxes = boxes[::RATIO]
    # Ten sequences have one label less than frames, at either rate; a frame that nobody labelled cannot be scored.
    if abs(len(boxes) - len(images)) == 1:
        count = min(len(boxes), len(images))
        boxes, images = boxes[:count], images[:count]
    return [Sequence(folder.name, folder / str(fps) / folder.name, boxes, images)]


def _read_corners(path: Path) -> NDArray[np.float64]:
    """(N, 4) boxes x, y, w, h of a file that gives corners."""
    rows = []
    for number, line in enumerate(read_text(path).rstrip().splitlines(), 1):
        try:
            corners = [float(part) for part in line.split()[1:5]]
        except ValueError:
            corners = []
        if len(corners) != 4 or not all(map(math.isfinite, corners)):
            raise DataError(f"{path}, line {number}: {line[:60]!r} is not id left top right bottom in finite numbers")
        left, top, right, bottom = corners
        rows.append([left, top, right - left, bottom - top])
    if not rows:
        raise DataError(f"{path} is empty; one line a frame is wanted")
    return clean_boxes(rows)
