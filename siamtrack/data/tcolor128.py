"""TColor-128 (Temple Color): `NAME/img/0001.jpg` with `NAME/NAME_gt.txt` and `NAME/NAME_frames.txt`.

Boxes are 1-based on disk and 0-based from here on. `NAME_frames.txt` holds `first,last`: which images are labelled.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from siamtrack.data.dataset import Item
from siamtrack.data.labels import folders, read_boxes, read_text
from siamtrack.data.otb import frames_between
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError

LAYOUT = "NAME/img/0001.jpg with NAME/NAME_gt.txt and NAME/NAME_frames.txt (128 of them)"
COUNT = 128


def find(root: Path) -> list[Item]:
    """One item a sequence, sorted by name: every folder with `img` or labels in it."""
    paths = [path for path in folders(root) if (path / "img").is_dir() or any(path.glob("*_gt.txt"))]
    return [Item(path.name, partial(load, path)) for path in paths]


def load(folder: Path) -> list[Sequence]:
    """One sequence.

    Raises:
        DataError: one of the two label files is missing or cannot be read.
    """
    first, last = _read_range(_only(folder, "_frames.txt"))
    boxes = read_boxes(_only(folder, "_gt.txt"), one_based=True)
    return [Sequence(folder.name, folder / "img", boxes, frames_between(folder / "img", first, last))]


def _only(folder: Path, ending: str) -> Path:
    """The one file of a folder with an ending, in any case: the names of some do not repeat the folder's letter by letter."""
    found = [path for path in folder.iterdir() if path.name.lower().endswith(ending) and not path.name.startswith(".")]
    if len(found) != 1:
        raise DataError(f"{folder} holds {len(found)} files *{ending}; one is wanted, {folder.name}{ending}")
    return found[0]


def _read_range(path: Path) -> tuple[int, int]:
    text = read_text(path).strip()
    try:
        first, last = (int(part) for part in text.replace(",", " ").split())
    except ValueError:
        first, last = 1, 0
    if last < first:
        raise DataError(f"{path}: {text[:60]!r} is not first,last in whole numbers")
    return first, last
