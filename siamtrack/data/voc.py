"""Stills labelled as PASCAL VOC does: `JPEGImages/NAME.jpg` and `Annotations/NAME.xml`.

Boxes are 1-based on disk and 0-based from here on. All annotated images count; `ImageSets` is not read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from siamtrack.data.annotation import read_annotation
from siamtrack.data.dataset import Item
from siamtrack.data.labels import clean_boxes
from siamtrack.data.pictures import Picture, list_pictures
from siamtrack.data.sequence import Still
from siamtrack.errors import DataError

KIND = "voc"
LAYOUT = "JPEGImages/NAME.jpg with Annotations/NAME.xml"
STILLS = True


def fits(root: Path) -> bool:
    """Whether a root has this layout."""
    return (root / "JPEGImages").is_dir() and (root / "Annotations").is_dir()


def find(root: Path) -> list[Item]:
    """One item an annotation. The file name inside the XML is not used: it is often wrong, and could lead anywhere."""
    images = {path.stem: path for path in list_pictures(root / "JPEGImages")}
    tables = (root / "Annotations").glob("*.xml")
    return [Item(path.stem, partial(load, path.stem, images.get(path.stem), path)) for path in tables]


def load(name: str, image: Path | None, table: Path) -> list[Still]:
    """One image with its boxes.

    Raises:
        DataError: the annotation cannot be read, or its image is missing.
    """
    if image is None:
        raise DataError(f"{table.parent.parent / 'JPEGImages' / name}.jpg not found; {table.name} labels it")
    labels = read_annotation(table)
    boxes = clean_boxes([label.box_xywh for label in labels])
    return [Still(name, Picture(image), boxes, tuple(label.name for label in labels))]
