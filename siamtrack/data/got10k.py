"""GOT-10k: `list.txt` naming folders of images, each with `groundtruth.txt`.

Boxes are taken as 0-based, as the GOT-10k toolkit uses them. `list.txt` may be missing: then every folder with
images or `groundtruth.txt` counts.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from siamtrack.data.dataset import Item
from siamtrack.data.labels import below, folders, read_boxes, read_flags, read_text
from siamtrack.data.pictures import holds_pictures, list_pictures
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError

KIND = "got10k"
LAYOUT = "list.txt, or NAME/groundtruth.txt with images beside it"
STILLS = False

MIN_COVER = 3
"""Frames in which less than so many eighths of the target show (`cover.label`, 0 to 8) are not trained on: what
covers the target would be learned as the target."""


def fits(root: Path) -> bool:
    """Whether a root has this layout."""
    return (root / "list.txt").is_file() or next(root.glob("*/groundtruth.txt"), None) is not None


def find(root: Path) -> list[Item]:
    """One item a sequence.

    Raises:
        DataError: `list.txt` is empty, or names something outside the root.
    """
    listing = root / "list.txt"
    if listing.is_file():
        names = [line.strip() for line in read_text(listing).splitlines() if line.strip()]
        if not names:
            raise DataError(f"{listing} is empty; it must name one sequence folder a line (or delete it: all are read)")
        paths = [below(root, name, listing) for name in dict.fromkeys(names)]
    else:
        paths = [path for path in folders(root) if (path / "groundtruth.txt").is_file() or holds_pictures(path)]
    return [Item(path.relative_to(root).as_posix(), partial(load, path.relative_to(root).as_posix(), path)) for path in paths]


def load(name: str, folder: Path) -> list[Sequence]:
    """One sequence folder; frames that are absent (`absence.label`) or mostly covered (`cover.label`) get no box.

    Raises:
        DataError: a label file that cannot be read or has another length than `groundtruth.txt`.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} not found; list.txt names it")
    boxes = read_boxes(folder / "groundtruth.txt")
    absence, cover = folder / "absence.label", folder / "cover.label"
    if absence.is_file():
        boxes[read_flags(absence, len(boxes)) == 1] = 0
    if cover.is_file():
        eighths = read_flags(cover, len(boxes))
        if eighths.min() < 0 or eighths.max() > 8:
            raise DataError(f"{cover}: covers are 0 to 8, found {eighths.min()} to {eighths.max()}")
        boxes[eighths < MIN_COVER] = 0
    return [Sequence(name, folder, boxes, list_pictures(folder))]
