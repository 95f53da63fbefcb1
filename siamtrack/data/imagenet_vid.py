"""ImageNet VID: `Data/VID/train/.../SNIPPET/000000.JPEG` and one XML a frame under `Annotations/VID/train`.

Only the train split is read: a source of crops must not see what others validate on. Boxes are 1-based on disk and
0-based from here on.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from siamtrack.data.annotation import read_annotation
from siamtrack.data.dataset import Item
from siamtrack.data.labels import clean_boxes, folders
from siamtrack.data.pictures import list_pictures
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError
from siamtrack.system import natural_path

KIND = "vid"
LAYOUT = "Data/VID/train with images and Annotations/VID/train with an XML a frame"
STILLS = False


def fits(root: Path) -> bool:
    """Whether a root has this layout."""
    return (root / "Data/VID/train").is_dir() and (root / "Annotations/VID/train").is_dir()


def find(root: Path) -> list[Item]:
    """One item a snippet. Snippets lie in the split's folder, or one folder deeper, as the train set has them."""
    labels, data = root / "Annotations/VID/train", root / "Data/VID/train"
    if not labels.is_dir():
        return []
    snippets = []
    for child in folders(labels):
        inner = folders(child)
        snippets += inner or [child]
    names = [path.relative_to(labels).as_posix() for path in snippets]
    return [Item(name, partial(load, name, data / name, labels / name)) for name in names]


def load(name: str, data: Path, labels: Path) -> list[Sequence]:
    """One sequence a `trackid` of a snippet, all on the same frames, called `SNIPPET#TRACK`.

    Raises:
        DataError: an annotation that cannot be read, or not one image an annotation.
    """
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
