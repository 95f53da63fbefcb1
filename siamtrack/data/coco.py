"""Stills labelled as COCO does: one `instances*.json`, and a folder of images.

The root is the JSON file itself, or a folder with one of them in it or in its `annotations/`. Boxes are 0-based.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from siamtrack.data.dataset import Item
from siamtrack.data.labels import below, clean_boxes, read_text
from siamtrack.data.pictures import Picture
from siamtrack.data.sequence import Still
from siamtrack.errors import DataError

KIND = "coco"
LAYOUT = "instances*.json, here or in annotations/, with its images in a folder here"
STILLS = True


def fits(root: Path) -> bool:
    """Whether a root has this layout."""
    return bool(_tables(root))


def find(root: Path) -> list[Item]:
    """One item an image of the table; objects marked `iscrowd` are many things under one box, and left out.

    Raises:
        DataError: several tables, a table that cannot be read, or an image outside the root.
    """
    tables = _tables(root)
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise DataError(f"{root} holds {names}; give one of these files instead, or train and val would be mixed")
    return _read(tables[0]) if tables else []


def load(name: str, path: Path, boxes: list[Any], classes: tuple[str, ...]) -> list[Still]:
    """One image with its boxes.

    Raises:
        DataError: a box is not four finite numbers.
    """
    return [Still(name, Picture(path), clean_boxes(boxes), classes)]


def _tables(root: Path) -> list[Path]:
    if root.is_file():
        return [root] if root.suffix == ".json" else []
    return sorted([*root.glob("instances*.json"), *root.glob("annotations/instances*.json")])


def _read(table: Path) -> list[Item]:
    try:
        data = json.loads(read_text(table))
        names = {image["id"]: str(image["file_name"]) for image in data["images"]}
        kinds = {kind["id"]: str(kind["name"]) for kind in data.get("categories", [])}
        labels: dict[Any, list[tuple[Any, str]]] = {}
        for label in data["annotations"]:
            if not label.get("iscrowd"):
                kind = label.get("category_id")
                labels.setdefault(label["image_id"], []).append((label["bbox"], kinds.get(kind, str(kind))))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{table} is not JSON: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{table} is not a COCO table: {type(error).__name__} {error}") from error
    folder = _images(table, names)
    return [
        Item(name, partial(load, name, below(folder, name, table), *_columns(labels.get(number, []))))
        for number, name in names.items()
    ]


def _columns(labels: list[tuple[Any, str]]) -> tuple[list[Any], tuple[str, ...]]:
    return [box for box, _ in labels], tuple(kind for _, kind in labels)


def _images(table: Path, names: dict[Any, str]) -> Path:
    """The folder that holds a table's images: by COCO's own naming, or whichever holds one of the first few."""
    home = table.parent.parent if table.parent.name == "annotations" else table.parent
    split = table.stem.removeprefix("instances").lstrip("_")
    places = [home / "images" / split, home / split, home / "images", home]
    few = [below(home, name, table) for name in list(names.values())[:20]]
    for place in places:
        if any((place / path.relative_to(home)).is_file() for path in few):
            return place
    raise DataError(f"{table}: none of its images found; looked in {', '.join(map(str, dict.fromkeys(places)))}")
