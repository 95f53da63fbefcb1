"""TrackingNet: chunks such as `TRAIN_0/` (or one chunk as the root) with `frames/NAME/0.jpg` and `anno/NAME.txt`.

Boxes are taken as 0-based.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from siamtrack.data.dataset import Item
from siamtrack.data.labels import folders, read_boxes
from siamtrack.data.pictures import list_pictures
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError

KIND = "trackingnet"
LAYOUT = "TRAIN_0/frames/NAME/0.jpg with TRAIN_0/anno/NAME.txt"
STILLS = False


def fits(root: Path) -> bool:
    """Whether a root has this layout."""
    return bool(_chunks(root))


def find(root: Path) -> list[Item]:
    """One item a sequence. Annotations without frames are items too: a chunk that came in part is said to be so."""
    items = []
    for chunk in _chunks(root):
        names = {path.stem for path in (chunk / "anno").glob("*.txt")} | {path.name for path in folders(chunk / "frames")}
        prefix = "" if chunk == root else f"{chunk.name}/"
        items += [Item(prefix + name, partial(load, prefix + name, chunk, name)) for name in names]
    return items


def load(label: str, chunk: Path, name: str) -> list[Sequence]:
    """Sequence `name` of a chunk, called `label`; its images are in order of their numbers.

    Raises:
        DataError: the frames are missing, or the boxes cannot be read.
    """
    folder = chunk / "frames" / name
    if not folder.is_dir():
        raise DataError(f"{folder} not found; its boxes are there")
    return [Sequence(label, folder, read_boxes(chunk / "anno" / f"{name}.txt"), list_pictures(folder))]


def _chunks(root: Path) -> list[Path]:
    return [path for path in (root, *folders(root)) if (path / "anno").is_dir() and (path / "frames").is_dir()]
