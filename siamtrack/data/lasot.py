"""LaSOT: `CLASS/CLASS-N/` (or `CLASS-N/`) with `img/`, `groundtruth.txt` and two files of flags.

Boxes are 1-based on disk and 0-based from here on.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from siamtrack.data.dataset import Item
from siamtrack.data.labels import folders, read_boxes, read_flags
from siamtrack.data.pictures import list_pictures
from siamtrack.data.sequence import Sequence

KIND = "lasot"
LAYOUT = "CLASS/CLASS-N/img/*.jpg with groundtruth.txt, full_occlusion.txt and out_of_view.txt beside img"
STILLS = False


def fits(root: Path) -> bool:
    """Whether a root has this layout."""
    # The first few folders tell; with thousands of image folders of another layout, listing all would take minutes.
    return any((path / "img").is_dir() for path in _candidates(folders(root)[:5]))


def find(root: Path) -> list[Item]:
    """One item a sequence."""
    paths = [path for path in _candidates(folders(root)) if (path / "img").is_dir() or (path / "groundtruth.txt").is_file()]
    return [Item(path.name, partial(load, path)) for path in paths]


def load(folder: Path) -> list[Sequence]:
    """One sequence; frames under full occlusion or out of view get no box.

    Raises:
        DataError: a label file is missing, cannot be read, or has another length than `groundtruth.txt`.
    """
    boxes = read_boxes(folder / "groundtruth.txt", one_based=True)
    for name in ("full_occlusion.txt", "out_of_view.txt"):
        boxes[read_flags(folder / name, len(boxes)) == 1] = 0
    return [Sequence(folder.name, folder / "img", boxes, list_pictures(folder / "img"))]


def _candidates(children: list[Path]) -> Iterator[Path]:
    return (path for child in children for path in (child, *folders(child)))
