"""DTB70: `NAME/img/00001.jpg` with `NAME/groundtruth_rect.txt`.

Boxes are 1-based on disk (the benchmark runs in OTB's MATLAB toolkit) and 0-based from here on.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from siamtrack.data.dataset import Item
from siamtrack.data.labels import folders, read_boxes
from siamtrack.data.pictures import list_pictures
from siamtrack.data.sequence import Sequence

LAYOUT = "NAME/img/00001.jpg with NAME/groundtruth_rect.txt (70 of them)"
COUNT = 70


def find(root: Path) -> list[Item]:
    """One item a sequence, sorted by name: every folder with `img` or labels in it."""
    paths = [path for path in folders(root) if (path / "img").is_dir() or (path / "groundtruth_rect.txt").is_file()]
    return [Item(path.name, partial(load, path)) for path in paths]


def load(folder: Path) -> list[Sequence]:
    """One sequence.

    Raises:
        DataError: the labels are missing or cannot be read.
    """
    boxes = read_boxes(folder / "groundtruth_rect.txt", one_based=True)
    return [Sequence(folder.name, folder / "img", boxes, list_pictures(folder / "img"))]
