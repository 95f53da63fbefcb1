"""One item of verification: a picture or rows of numbers, and what a tower takes of it."""

from __future__ import annotations

import io
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.data.pictures import Picture
from siamtrack.errors import DataError, one_line
from siamtrack.frames import as_bgr
from siamtrack.system import read_file, read_text
from siamtrack.verify.header import TowerSpec
from siamtrack.video import quiet_opencv
from siamtrack.video.rows import COLUMNS

VerifierItem = str | Path | NDArray[Any]
"""A file, or an array: a picture (H, W, 3) as OpenCV reads it, or a sequence (T, F)."""

MAX_BYTES = 64 * 2**20
"""Items are read whole, many to a batch. A larger file is no glyph, signature or track."""


MAX_SQUARE = 2**26
"""Pixels of a picture made square, if it is not nearly so."""


def tower_input(item: VerifierItem, spec: TowerSpec) -> NDArray[Any]:
    """An item as a tower takes it: a picture (size, size, 1 or 3) uint8, or a sequence (T, features) float32.

    Raises:
        FileNotFoundError, DataError, ValueError: it cannot be read, or is not what the tower takes.
    """
    array = isinstance(item, np.ndarray)
    if spec.kind != "gru":
        return picture_input(as_bgr(item) if array else read_picture(Path(item)), spec)  # type: ignore[arg-type]
    rows = item if isinstance(item, np.ndarray) else read_sequence(Path(item))
    if rows.ndim != 2 or not len(rows) or rows.shape[1] != spec.features or not np.isfinite(rows).all():
        name = "a sequence" if array else str(item)
        raise DataError(f"{name}: rows of finite numbers (T, {spec.features}) are wanted (tower.features), got {rows.shape}")
    return sequence_input(rows, spec)


def picture_input(picture: NDArray[np.uint8], spec: TowerSpec) -> NDArray[np.uint8]:
    """A picture (H, W, 3) BGR as the tower takes it, (size, size, channels) RGB or gray.

    It is made square by repeating its border, not by stretching: a glyph or a face must keep its shape.
    """
    height, width = picture.shape[:2]
    side = max(height, width)
    if side * side > max(MAX_SQUARE, 4 * height * width):
        raise DataError(f"a picture of {width}x{height} is too long to be made square; cut out what is to be compared")
    top, left = (side - height) // 2, (side - width) // 2
    square = cv2.copyMakeBorder(picture, top, side - height - top, left, side - width - left, cv2.BORDER_REPLICATE)
    if side != spec.size:
        how = cv2.INTER_AREA if side > spec.size else cv2.INTER_LINEAR
        square = cv2.resize(square, (spec.size, spec.size), interpolation=how)
    if spec.gray:
        return cv2.cvtColor(square, cv2.COLOR_BGR2GRAY)[..., None]  # type: ignore[return-value]
    return cv2.cvtColor(square, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def sequence_input(rows: NDArray[Any], spec: TowerSpec) -> NDArray[np.float32]:
    """A sequence (T, F) as the tower takes it: centred, divided by its root mean square, at most `spec.length` rows of float32.

    All columns share one divisor, so that the proportions of a signature stay.
    """
    rows = rows.astype(np.float32)
    if len(rows) > spec.length:
        rows = rows[np.linspace(0, len(rows) - 1, spec.length).round().astype(np.int64)]
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    spread = float(np.sqrt(np.square(centred).mean()))
    return (centred / max(spread, 1e-6)).astype(np.float32)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture (H, W, 3) BGR, by the rule of `frames.as_bgr`.

    What is transparent shows white: glyphs and signatures are often saved as ink of one colour, and their form is in
    the alpha alone. A JPEG is turned upright as its EXIF says; of other formats that entry is not read.

    Raises:
        FileNotFoundError: nothing is there.
        DataError: larger than `MAX_BYTES`, cut off, not an image, or of samples that are neither 8 nor 16 bits.
    """
    data = read_file(path, MAX_BYTES)
    if data[:2] == b"\xff\xd8":
        return Picture(path).read()  # type: ignore[return-value]  # a JPEG has no alpha, but may be cut off unnoticed
    try:
        with quiet_opencv():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error as error:  # more pixels than OpenCV allows
        raise DataError(f"{path} cannot be decoded as an image ({error.err})") from error
    if image is None:
        raise DataError(f"{path} cannot be decoded as an image; get the file again, or save it as PNG")
    if image.ndim == 3 and image.shape[2] == 4 and image.dtype in (np.uint8, np.uint16):
        bgra = image if image.dtype == np.uint8 else (image // 256).astype(np.uint8)  # as `as_bgr` does
        alpha = bgra[:, :, 3:].astype(np.float32) / 255
        image = np.rint(bgra[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    try:
        return as_bgr(image)
    except ValueError as error:
        raise DataError(f"{path} is no picture of 8 or 16 bits: {error}") from error


def read_sequence(path: Path) -> NDArray[np.float32]:
    """A sequence (T, F) of finite numbers, T and F at least 1.

    Text has one row a line, its numbers parted by commas, tabs or blanks; the first line may be a header of words. Where
    that is the one of a track's `boxes.csv`, the rows are x, y, w, h in pixels. A `.npy` is a 2-D array of real numbers.

    Raises:
        FileNotFoundError: nothing is there.
        DataError: larger than `MAX_BYTES`, not to be read, or not such rows; the message names the line (of a `.npy` the row).
    """
    return _read_array(path) if path.suffix.lower() == ".npy" else _read_rows(path)


def _read_array(path: Path) -> NDArray[np.float32]:
    data = read_file(path, MAX_BYTES)
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (OSError, ValueError, TypeError, EOFError, MemoryError, OverflowError, SyntaxError, BadZipFile, TokenError) as error:
        raise DataError(f"{path} cannot be read as .npy ({one_line(error)})") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{path} is an archive of arrays; one 2-D array is wanted, save it with numpy.save")
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise DataError(f"{path} has shape {array.shape} of {array.dtype}; a 2-D array of real numbers (T, F) is wanted")
    if array.size == 0:
        raise DataError(f"{path} has shape {array.shape}; a sequence has at least one row and one column")
    with np.errstate(over="ignore"):
        rows = array.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise DataError(f"{path}, row {bad[0] + 1}: NaN or an infinite number; finite numbers are wanted (float32)")
    return rows


def _read_rows(path: Path) -> NDArray[np.float32]:
    lines = read_text(path, MAX_BYTES).rstrip().splitlines()
    header = _cells(lines[0]) if lines else []
    named = bool(header) and not any(map(_is_number, header))
    track = tuple(header) == COLUMNS
    rows: list[NDArray[np.float32]] = []
    width = len(COLUMNS) if track else 0
    for number, line in enumerate(lines[named:], 1 + named):
        cells = _cells(line)
        width = width or len(cells)
        if len(cells) != width:
            raise DataError(
                f"{path}, line {number}: {len(cells)} columns, {width} in the lines above; rows must be equally long"
            )
        try:
            with np.errstate(over="ignore"):
                row = np.array([float(cell) for cell in (cells[2:6] if track else cells)], dtype=np.float32)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {line[:60]!r} is not a row of numbers") from error
        if not np.isfinite(row).all():
            raise DataError(f"{path}, line {number}: {line[:60]!r} has NaN or an infinite number; finite ones are wanted")
        rows.append(row)
    if not rows:
        raise DataError(f"{path} has no rows; one row of numbers a line is wanted")
    return np.stack(rows)


def _cells(line: str) -> list[str]:
    if "," in line:
        return [cell.strip() for cell in line.split(",")]
    # Between tabs a cell may be empty, and must not vanish: the cells after it would move up.
    return [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split() or [""]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
