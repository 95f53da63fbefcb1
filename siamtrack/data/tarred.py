"""Stills in an archive: `NAME.tar` beside `NAME.tsv` (columns image, x, y, w, h, class; one row a box, 0-based).

Images stay in the archive: one is decoded at a time, nothing is unpacked. A row with an empty x says that its
image has no boxes.
"""

from __future__ import annotations

import csv
import io
import tarfile
from functools import partial
from pathlib import Path

from siamtrack.data.dataset import Item
from siamtrack.data.labels import clean_boxes, read_text
from siamtrack.data.pictures import Picture
from siamtrack.data.sequence import Still
from siamtrack.errors import DataError
from siamtrack.video.source import IMAGE_SUFFIXES

KIND = "tar"
LAYOUT = "NAME.tar with images and NAME.tsv beside it"
STILLS = True

COLUMNS = ("image", "x", "y", "w", "h", "class")

_Row = dict[str, str]


def fits(root: Path) -> bool:
    """Whether a root has this layout."""
    return root.suffix == ".tar" and root.is_file()


def find(root: Path) -> list[Item]:
    """One item an image of the archive, and one for each image that only the table has.

    Raises:
        FileNotFoundError: the table is missing.
        DataError: the archive is not an uncompressed .tar, or the table has other columns.
    """
    if not fits(root):
        return []
    rows = _read_table(root.with_suffix(".tsv"))
    pictures, whole = _find_pictures(root)
    items = [Item(name, partial(load, name, picture, rows.get(name, []))) for name, picture in pictures.items()]
    missing = f"not in {root}, though {root.stem}.tsv names it"
    if not whole:
        missing = f"{root} is cut off or damaged after {len(items)} images; get the file again"
        items.append(Item.broken(root.name, missing))
    return items + [Item.broken(name, missing) for name in rows if name not in pictures]


def load(name: str, picture: Picture, rows: list[_Row]) -> list[Still]:
    """One image with its boxes.

    Raises:
        DataError: a row without four finite numbers.
    """
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
    with root.open("rb") as stream:
        stream.seek(end)
        return pictures, stream.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)


def _read_table(table: Path) -> dict[str, list[_Row]]:
    if not table.is_file():
        raise FileNotFoundError(f"{table} not found; stills are NAME.tar beside NAME.tsv")
    reader = csv.DictReader(io.StringIO(read_text(table)), delimiter="\t", restval="")
    rows: dict[str, list[_Row]] = {}
    try:
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{table} has no column {', '.join(missing)}; wanted are {', '.join(COLUMNS)}, parted by tabs")
        for row in reader:
            rows.setdefault(row["image"], []).append({key: row[key] for key in COLUMNS})
    except csv.Error as error:
        raise DataError(f"{table}, line {reader.line_num}: {error}") from error
    return rows
