"""One item of a verification data set: a picture, or a sequence of rows of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.data.labels import read_text
from siamtrack.data.pictures import Picture
from siamtrack.errors import DataError
from siamtrack.frames import as_bgr
from siamtrack.video import quiet_opencv
from siamtrack.video.results import COLUMNS
from siamtrack.video.source import IMAGE_SUFFIXES

Kind = Literal["picture", "sequence"]

PICTURES = IMAGE_SUFFIXES
SEQUENCES = (".csv", ".txt", ".npy")

MAX_BYTES = 64 * 2**20
"""Items are read whole, many to a batch. A larger file is no glyph, signature or track."""


def kind_of(path: Path) -> Kind | None:
    """What a file is by the ending of its name, in capitals or not; None where the ending is of neither kind."""
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return "picture"
    return "sequence" if suffix in SEQUENCES else None


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture on white.

    What is transparent shows white: glyphs and signatures are often saved as ink of one colour, and their form is in
    the alpha alone. A JPEG is turned upright as its EXIF says; of other formats that entry is not read.

    Returns:
        (H, W, 3) BGR, by the rule of `frames.as_bgr`.

    Raises:
        FileNotFoundError: nothing is there.
        DataError: larger than `MAX_BYTES`, cut off, not an image, or of samples that are neither 8 nor 16 bits.
    """
    check_size(path, MAX_BYTES)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
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
        image = _on_white(image)
    try:
        return as_bgr(image)
    except ValueError as error:
        raise DataError(f"{path} is no picture of 8 or 16 bits: {error}") from error


def read_sequence(path: Path) -> NDArray[np.float32]:
    """A sequence of rows of numbers.

    Text has one row a line, its numbers parted by commas, tabs or blanks; the first line may be a header of words.
    Where that is the header of a track's `boxes.csv`, the rows are x, y, w, h in pixels, and the other columns are
    left out. A `.npy` is a 2-D array of real numbers.

    Returns:
        (T, F), T and F at least 1, all finite.

    Raises:
        FileNotFoundError: nothing is there.
        DataError: larger than `MAX_BYTES`, not to be read, no rows, a row that is no numbers or has another length
            than the first one, NaN or an infinite number; the message names the line (of a `.npy` the row, from 1).
    """
    check_size(path, MAX_BYTES)
    return _read_array(path) if path.suffix.lower() == ".npy" else _read_rows(path)


def check_size(path: Path, max_bytes: int) -> None:
    """Refuse what is too large before it is read.

    Raises:
        FileNotFoundError: nothing is there.
        DataError: not a file, or larger than `max_bytes`.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} not found; was it moved or renamed?") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DataError(f"{path} cannot be read ({error})") from error
    if not path.is_file():
        raise DataError(f"{path} is not a file; give a file")
    if size > max_bytes:
        raise DataError(f"{path} has {size / 2**20:.1f} MiB; at most {max_bytes // 2**20} MiB are read, make it smaller")


def _on_white(bgra: NDArray[Any]) -> NDArray[np.uint8]:
    if bgra.dtype == np.uint16:
        bgra = (bgra >> 8).astype(np.uint8)  # as `as_bgr` does
    alpha = bgra[:, :, 3:].astype(np.float32) / 255
    return np.rint(bgra[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def _read_array(path: Path) -> NDArray[np.float32]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{path} cannot be read as .npy ({' '.join(str(error).split())})") from error
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
    lines = read_text(path).rstrip().splitlines()
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
    # Between tabs a cell may be empty, and must not vanish: the cells behind it would move up.
    return [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split() or [""]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
