"""Label files: boxes and flags as text, names that must stay below their root."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamtrack import system
from siamtrack.boxes import upright_box
from siamtrack.errors import DataError, shown


def read_text(path: Path) -> str:
    """A whole label file; a DataError if it is missing, not readable, or not UTF-8 text."""
    try:
        return system.read_text(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} not found; every video needs its labels") from error


def read_boxes(path: Path, one_based: bool = False, nan_absent: bool = False) -> NDArray[np.float64]:
    """Boxes of a text file, one a line as `boxes.upright_box` takes it, parted by commas, blanks or both.

    Args:
        path: the file.
        one_based: its first pixel is (1, 1); the result is 0-based all the same.
        nan_absent: a line with NaN says that the target is absent, as UAV123 writes it; otherwise it is an error.

    Returns:
        (N, 4), as `clean_boxes` gives them.

    Raises:
        DataError: missing or empty, or a line that is not four or eight finite numbers; the message names the line.
    """
    boxes = []
    for number, line in enumerate(read_text(path).rstrip().splitlines(), 1):
        try:
            values = [float(part) for part in line.replace(",", " ").split()]
            if nan_absent and any(map(math.isnan, values)) and not any(map(math.isinf, values)):
                values = [0.0] * len(values)
            if not all(map(math.isfinite, values)):
                raise ValueError
            boxes.append(upright_box(values))
        except ValueError as error:
            wanted = "numbers or NaN" if nan_absent else "finite numbers"
            what = f"{shown(line[:60])} is not x,y,w,h in {wanted}, nor four corners"
            raise DataError(f"{path}, line {number}: {what}") from error
    if not boxes:
        raise DataError(f"{path} is empty; one x,y,w,h line a frame is wanted")
    return clean_boxes(np.array(boxes) - (np.array([1, 1, 0, 0]) if one_based else 0))


def clean_boxes(boxes_xywh: ArrayLike) -> NDArray[np.float64]:
    """Boxes as an (N, 4) array; one without area says that the target is absent, and becomes zeros. DataError if not finite."""
    try:
        boxes = np.array(boxes_xywh, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"a box is not four numbers: {error}") from error
    boxes = boxes.reshape(-1, 4) if boxes.size == 0 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise DataError("a box is not x,y,w,h in finite numbers")
    boxes[(boxes[:, 2:] <= 0).any(axis=1)] = 0
    return boxes


def read_flags(path: Path, count: int, most: int | None = None) -> NDArray[np.int64]:
    """Whole numbers of a text file, one a frame, parted by commas, blanks or line ends.

    Raises:
        DataError: missing, not whole numbers, not `count` of them, or, with `most`, not all from 0 to `most`.
    """
    try:
        flags = np.array([int(part) for part in read_text(path).replace(",", " ").split()], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: expected whole numbers: {error}") from error
    if len(flags) != count:
        raise DataError(f"{path}: {len(flags)} flags, {count} boxes; every frame needs one of each")
    if most is not None and flags.size and (flags.min() < 0 or flags.max() > most):
        raise DataError(f"{path}: numbers are 0 to {most}, found {flags.min()} to {flags.max()}")
    return flags


def below(root: Path, name: str, source: Path) -> Path:
    """The path of a name that a label file gives, which must stay in the folder `root`; `source` is that file, for the message.

    Raises:
        DataError: the name leads out of the root. Links on disk are the user's own and are followed.
    """
    plain = name.replace("\\", "/")
    parts = PurePosixPath(plain).parts
    if not parts or ".." in parts or plain.startswith("/") or "\0" in name or PureWindowsPath(name).drive:
        raise DataError(f"{source}: the name {shown(name)} leads out of {root}; names below it are wanted")
    return root / plain


def folders(root: Path) -> list[Path]:
    """Folders directly below a folder, hidden ones left out, sorted."""
    with os.scandir(root) as entries:  # which knows a folder from a file without asking the disk for each
        below = [entry for entry in entries if not entry.name.startswith(".")]
    # A link that leads nowhere, or to itself, is none.
    return sorted(root / entry.name for entry in below if (os.path.isdir if entry.is_symlink() else os.DirEntry.is_dir)(entry))
