"""Data sets of labelled stills: COCO's JSON, and an archive of images beside a table. Boxes are 0-based."""

from __future__ import annotations

import csv
import io
import sys
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

from siamtrack.data.label_files import below, clean_boxes
from siamtrack.data.pictures import Picture
from siamtrack.data.sequence import Item, Layout, Still
from siamtrack.errors import DataError, one_line
from siamtrack.outside import parse_json
from siamtrack.system import MIB, open_file, read_text
from siamtrack.video.image_file import IMAGE_SUFFIXES

TAR_COLUMNS = ("image", "x", "y", "w", "h", "class")

MAX_TABLE = 4096 * MIB
"""Bytes of a table of labels; that of COCO's 118,000 images has 450 MB."""

_Row = dict[str, str]


# ---- COCO: the root is the JSON file itself, or a folder with one of them in it or in its `annotations/`


def _find_coco(root: Path) -> list[Item]:
    """One item an image of the table; objects marked `iscrowd` are many things under one box, and left out."""
    tables = _tables(root)
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise DataError(f"{root} holds {names}; give one of these files instead, or train and val would be mixed")
    return _read_coco(tables[0]) if tables else []


def _load_coco(name: str, path: Path, labels: list[tuple[Any, str]]) -> list[Still]:
    return [Still(name, Picture(path), clean_boxes([box for box, _ in labels]), tuple(kind for _, kind in labels))]


def _tables(root: Path) -> list[Path]:
    if root.is_file():
        return [root] if root.suffix == ".json" else []
    return sorted([*root.glob("instances*.json"), *root.glob("annotations/instances*.json")])


def _read_coco(table: Path) -> list[Item]:
    try:
        data = parse_json(read_text(table, MAX_TABLE), table, depth=None)
        names = {image["id"]: str(image["file_name"]) for image in data["images"]}
        kinds = {kind["id"]: str(kind["name"]) for kind in data.get("categories", [])}
        labels: dict[Any, list[tuple[Any, str]]] = {}
        for label in data["annotations"]:
            if not label.get("iscrowd"):
                kind = label.get("category_id")
                labels.setdefault(label["image_id"], []).append((label["bbox"], kinds.get(kind, str(kind))))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{table} is not a COCO table: {type(error).__name__} {one_line(error)}") from error
    folder = _images(table, names)
    return [
        Item(name, partial(_load_coco, name, below(folder, name, table), labels.get(number, [])))
        for number, name in names.items()
    ]


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


COCO = Layout(
    "coco",
    "instances*.json, here or in annotations/, with its images in a folder here",
    True,
    lambda root: bool(_tables(root)),
    _find_coco,
)


# ---- `NAME.tar` beside `NAME.tsv`: columns image, x, y, w, h, class; one row a box. A row with an empty x says that its
# image has no boxes. Images stay in the archive: one is decoded at a time, nothing is unpacked.


def _is_tar(root: Path) -> bool:
    return root.suffix == ".tar" and root.is_file()


def _find_tar(root: Path) -> list[Item]:
    """One item an image of the archive, and one for each image that only the table has."""
    if not _is_tar(root):
        return []
    rows = _read_table(root.with_suffix(".tsv"))
    pictures, whole = _find_pictures(root)
    items = [Item(name, partial(_load_tar, name, picture, rows.get(name, []))) for name, picture in pictures.items()]
    missing = f"not in {root}, though {root.stem}.tsv names it"
    if not whole:
        missing = f"{root} is cut off or damaged after {len(items)} images; get the file again"
        items.append(Item.broken(root.name, missing))
    return items + [Item.broken(name, missing) for name in rows if name not in pictures]


def _load_tar(name: str, picture: Picture, rows: list[_Row]) -> list[Still]:
    labels = [row for row in rows if row["x"]]
    boxes = clean_boxes([[row[key] for key in "xywh"] for row in labels])
    return [Still(name, picture, boxes, tuple(row["class"] for row in labels))]


def _find_pictures(root: Path) -> tuple[dict[str, Picture], bool]:
    """Images of an archive by name, and whether the archive has its end."""
    pictures = {}
    end = 0
    try:
        # Images are read later by their place in the file, which only an uncompressed archive has.
        with tarfile.open(root, "r:") as archive:
            for member in archive:
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                if member.isfile() and member.name.lower().endswith(IMAGE_SUFFIXES):
                    name = member.name.removeprefix("./")
                    pictures[name] = Picture(root, member.offset_data, member.size, f"{root}: {name}")
    except tarfile.TarError as error:
        if not pictures:
            raise DataError(f"{root} cannot be read as an uncompressed .tar: {error}") from error
        return pictures, False
    # tarfile takes half a header for the end; a whole archive ends in blocks of zeros.
    with open_file(root, sys.maxsize) as stream:
        stream.seek(end)
        return pictures, stream.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)


def _read_table(table: Path) -> dict[str, list[_Row]]:
    if not table.is_file():
        raise FileNotFoundError(f"{table} not found; stills are NAME.tar beside NAME.tsv")
    reader = csv.DictReader(io.StringIO(read_text(table)), delimiter="\t", restval="")
    rows: dict[str, list[_Row]] = {}
    try:
        missing = [name for name in TAR_COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{table} has no column {', '.join(missing)}; wanted are {', '.join(TAR_COLUMNS)}, parted by tabs")
        for row in reader:
            rows.setdefault(row["image"], []).append({key: row[key] for key in TAR_COLUMNS})
    except csv.Error as error:
        raise DataError(f"{table}, line {reader.line_num}: {error}") from error
    return rows


TAR = Layout("tar", "NAME.tar with images and NAME.tsv beside it", True, _is_tar, _find_tar)
