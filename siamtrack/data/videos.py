"""A folder of videos or image folders, each with a box file: `NAME.mp4` or `NAME/`, and `NAME.txt`.

A folder of images may keep its boxes inside instead, as `NAME/groundtruth.txt`. Boxes are 0-based.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from siamtrack.data import got10k
from siamtrack.data.dataset import Item
from siamtrack.data.labels import folders, read_boxes
from siamtrack.data.pictures import holds_pictures, list_pictures
from siamtrack.data.sequence import Sequence

KIND = "videos"
LAYOUT = "NAME.mp4 (or .avi .mkv .mov .webm, or a folder NAME of images) with NAME.txt beside it"
STILLS = False

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm")


def fits(root: Path) -> bool:
    """Whether a root has this layout."""
    return bool(_videos(root)) or any(path.with_name(f"{path.name}.txt").is_file() for path in folders(root))


def find(root: Path) -> list[Item]:
    """One item a video or folder. Text files without a video are not labels, and folders without images no videos."""
    named: dict[str, list[Path]] = {}
    for path in _videos(root):
        named.setdefault(path.stem, []).append(path)
    for path in folders(root):
        if (path / "groundtruth.txt").is_file() or path.with_name(f"{path.name}.txt").is_file() or holds_pictures(path):
            named.setdefault(path.name, []).append(path)
    return [_item(name, paths) for name, paths in named.items()]


def load(name: str, path: Path) -> list[Sequence]:
    """One sequence.

    Raises:
        DataError: the box file is missing or cannot be read.
    """
    labels = path.with_name(f"{name}.txt")
    if path.is_dir() and not labels.is_file():
        return got10k.load(name, path)
    return [Sequence(name, path, read_boxes(labels), list_pictures(path))]


def _item(name: str, paths: list[Path]) -> Item:
    if len(paths) > 1:
        both = " and ".join(path.name for path in paths)
        return Item.broken(name, f"{both} in {paths[0].parent} share the boxes {name}.txt; keep one of them")
    return Item(name, partial(load, name, paths[0]))


def _videos(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith("."))
