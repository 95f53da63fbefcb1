"""Labelled sequences and stills on disk, read once and in order."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import MIN_SIDE_PX
from siamtrack.errors import DataError
from siamtrack.tracking.crop import Image
from siamtrack.video.source import IMAGE_SUFFIXES, open_source


@dataclass(frozen=True)
class Sequence:
    """One video of one target.

    Attributes:
        name: unique within its root.
        path: a video file, or a folder of images that sort into frame order.
        boxes_xywh: (N, 4) float, 0-based; rows of zeros where the target is absent or unsure.
    """

    name: str
    path: Path
    boxes_xywh: NDArray[np.float64]

    @property
    def visible(self) -> NDArray[np.bool_]:
        """(N,) whether the frame has a box that can be used."""
        return np.asarray((self.boxes_xywh[:, 2:] >= MIN_SIDE_PX).all(axis=1))

    def frames(self) -> Iterator[Image]:
        """Frames in order, BGR uint8, decoded one at a time.

        Raises:
            SourceError: a frame cannot be read.
            DataError: there are fewer frames than boxes.
        """
        count = 0
        with open_source(self.path) as source:
            for frame in source.read():
                if count == len(self.boxes_xywh):
                    return
                count += 1
                yield frame.image
        if count < len(self.boxes_xywh):
            raise DataError(f"{self.path}: {count} frames, {len(self.boxes_xywh)} boxes; every box needs a frame")


@dataclass(frozen=True)
class Still:
    """One labelled image; an image without boxes has none."""

    name: str
    image: Image
    boxes_xywh: NDArray[np.float64]
    classes: tuple[str, ...]


def find_sequences(root: str | Path) -> list[Sequence]:
    """Sequences below a folder, in either of two forms.

    `NAME.mp4` beside `NAME.txt` (0-based boxes), or the GOT-10k layout: `list.txt` (or every folder) naming
    folders of images with `groundtruth.txt` and, optionally, `absence.label`.

    Raises:
        FileNotFoundError: no such folder.
        DataError: nothing found, or a sequence whose labels cannot be read; the message names it.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"data folder {root} not found")
    videos = sorted(root.glob("*.mp4"))
    if videos:
        return [Sequence(path.stem, path, _read_boxes(path.with_suffix(".txt"))) for path in videos]
    listing = root / "list.txt"
    names = (
        listing.read_text().split()
        if listing.is_file()
        else sorted(path.parent.name for path in root.glob("*/groundtruth.txt"))
    )
    if not names:
        raise DataError(f"{root}: no sequences; expected NAME.mp4 with NAME.txt, or NAME/groundtruth.txt with images")
    return [_got10k_sequence(root / name) for name in names]


def read_stills(tar_path: str | Path) -> Iterator[Still]:
    """Images of a tar file with their boxes from the .tsv beside it (columns image, x, y, w, h, class).

    Images stay in the archive: one is decoded at a time, nothing is unpacked.

    Raises:
        FileNotFoundError: the archive or its .tsv is missing.
        DataError: an image of the archive cannot be decoded.
    """
    tar_path = Path(tar_path)
    table = tar_path.with_suffix(".tsv")
    for path in (tar_path, table):
        if not path.is_file():
            raise FileNotFoundError(f"{path} not found; stills are NAME.tar beside NAME.tsv")
    rows: dict[str, list[tuple[list[float], str]]] = {}
    with table.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            boxes = rows.setdefault(row["image"], [])
            if row["x"]:
                boxes.append(([float(row[key]) for key in "xywh"], row["class"]))
    with tarfile.open(tar_path) as archive:
        for member in archive:
            if not member.isfile() or not member.name.lower().endswith(IMAGE_SUFFIXES):
                continue
            name = member.name.removeprefix("./")
            stream = archive.extractfile(member)
            data = np.frombuffer((stream or io.BytesIO()).read(), np.uint8)
            image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
            if image is None:
                raise DataError(f"{tar_path}: {member.name} cannot be decoded as an image")
            labels = rows.get(name, [])
            boxes_xywh = np.array([box for box, _ in labels], dtype=np.float64).reshape(-1, 4)
            yield Still(name, image, boxes_xywh, tuple(label for _, label in labels))  # type: ignore[arg-type]


def _got10k_sequence(folder: Path) -> Sequence:
    boxes = _read_boxes(folder / "groundtruth.txt")
    absence = folder / "absence.label"
    if absence.is_file():
        absent = np.loadtxt(absence, dtype=int, ndmin=1)
        if len(absent) != len(boxes):
            raise DataError(f"{absence}: {len(absent)} lines, but {len(boxes)} boxes")
        boxes[absent == 1] = 0
    return Sequence(folder.name, folder, boxes)


def _read_boxes(path: Path) -> NDArray[np.float64]:
    if not path.is_file():
        raise DataError(f"{path} not found; every sequence needs its boxes, one x,y,w,h line a frame")
    try:
        boxes = np.array([[float(part) for part in line.replace(",", " ").split()] for line in path.read_text().splitlines()])
    except ValueError as error:
        raise DataError(f"{path}: a line is not x,y,w,h: {error}") from error
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise DataError(f"{path}: expected one x,y,w,h line a frame, found an array of shape {boxes.shape}")
    return boxes
