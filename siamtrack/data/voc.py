"""Data labelled in the XML of PASCAL VOC: its stills, and the videos of ImageNet VID.

Boxes are 1-based on disk and 0-based from here on.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from siamtrack.data.label_files import clean_boxes, folders
from siamtrack.data.pictures import Picture, list_pictures
from siamtrack.data.sequence import Item, Layout, Sequence, Still
from siamtrack.errors import DataError
from siamtrack.system import natural_path, read_text

MAX_XML_BYTES = 4 * 2**20
"""A real annotation has a few kilobytes; a larger file is none, and is not read."""


class AnnotatedObject(NamedTuple):
    """One object of an annotated image.

    Attributes:
        name: its class.
        track: number of the target within its video; empty in stills.
        box_xywh: 0-based. On disk corners are 1-based and both inclusive.
    """

    name: str
    track: str
    box_xywh: tuple[float, float, float, float]


def read_annotation(path: Path) -> list[AnnotatedObject]:
    """Objects of one annotation file, none if it names none; a DataError if it is missing, too large, not plain, or wrong."""
    try:
        # Other encodings are refused on purpose: in UTF-16 the words below would not be found.
        text = read_text(path, MAX_XML_BYTES)
    except FileNotFoundError as error:
        raise DataError(str(error)) from error
    # Entities make a short file unfold into gigabytes. No annotation needs them.
    if "<!doctype" in text.lower() or "<!entity" in text.lower():
        raise DataError(f"{path} declares a document type or an entity, which an annotation does not; it is not read")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f"{path} is not XML: {error}") from error
    return [_annotated(path, node) for node in root.iter("object")]


def _annotated(path: Path, node: ElementTree.Element) -> AnnotatedObject:
    try:
        left, top, right, bottom = (float(node.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError as error:
        raise DataError(f"{path}: an object without xmin, ymin, xmax, ymax in numbers") from error
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise DataError(f"{path}: an object with a box that is not finite")
    box = (left - 1, top - 1, right - left + 1, bottom - top + 1)
    return AnnotatedObject(node.findtext("name", "").strip(), node.findtext("trackid", "").strip(), box)


# ---- stills: all annotated images count; `ImageSets` is not read


def _is_voc(root: Path) -> bool:
    return (root / "JPEGImages").is_dir() and (root / "Annotations").is_dir()


def _find_voc(root: Path) -> list[Item]:
    """One item an annotation. The file name inside the XML is not used: it is often wrong, and could lead anywhere."""
    images = {path.stem: path for path in list_pictures(root / "JPEGImages")}
    tables = (root / "Annotations").glob("*.xml")
    return [Item(path.stem, partial(_load_voc, path.stem, images.get(path.stem), path)) for path in tables]


def _load_voc(name: str, image: Path | None, table: Path) -> list[Still]:
    if image is None:
        raise DataError(f"{table.parent.parent / 'JPEGImages' / name}.jpg not found; {table.name} labels it")
    labels = read_annotation(table)
    boxes = clean_boxes([label.box_xywh for label in labels])
    return [Still(name, Picture(image), boxes, tuple(label.name for label in labels))]


VOC = Layout("voc", "JPEGImages/NAME.jpg with Annotations/NAME.xml", True, _is_voc, _find_voc)


# ---- ImageNet VID: only the train split, because a source of crops must not see what others validate on


def _is_vid(root: Path) -> bool:
    return (root / "Data/VID/train").is_dir() and (root / "Annotations/VID/train").is_dir()


def _find_vid(root: Path) -> list[Item]:
    """One item a snippet. Snippets lie in the split's folder, or one folder deeper, as the train set has them."""
    labels, data = root / "Annotations/VID/train", root / "Data/VID/train"
    if not labels.is_dir():
        return []
    snippets = [path for child in folders(labels) for path in (folders(child) or [child])]
    names = [path.relative_to(labels).as_posix() for path in snippets]
    return [Item(name, partial(_load_vid, name, data / name, labels / name)) for name in names]


def _load_vid(name: str, data: Path, labels: Path) -> list[Sequence]:
    """One sequence a `trackid` of a snippet, all on the same frames, called `SNIPPET#TRACK`."""
    annotations = sorted(labels.glob("*.xml"), key=natural_path)
    images = list_pictures(data)
    if [path.stem for path in images] != [path.stem for path in annotations]:
        raise DataError(f"{data}: {len(images)} images, {len(annotations)} annotations; every image needs the XML of its name")
    tracks: dict[str, list[tuple[float, float, float, float]]] = {}
    for index, path in enumerate(annotations):
        for label in read_annotation(path):
            if not label.track:
                raise DataError(f"{path}: an object without trackid")
            boxes = tracks.setdefault(label.track, [(0.0, 0.0, 0.0, 0.0)] * len(annotations))
            boxes[index] = label.box_xywh
    return [Sequence(f"{name}#{track}", data, clean_boxes(np.array(boxes)), images) for track, boxes in tracks.items()]


IMAGENET_VID = Layout(
    "vid", "Data/VID/train with images and Annotations/VID/train with an XML a frame", False, _is_vid, _find_vid
)
