"""Encoded images on disk: found, put in order, decoded, and refused if they are cut off."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from siamtrack.errors import DataError
from siamtrack.frames import Image, as_bgr
from siamtrack.system import MIB, natural_path, open_file, read_file
from siamtrack.video.image_file import DepthRange, decode_image, is_image_name

MAX_BYTES = 1024 * MIB
"""Bytes of an encoded image: more than OpenCV decodes."""


@dataclass(frozen=True)
class Picture:
    """One encoded image: a whole file, or a stretch of an archive.

    Attributes:
        path: the file.
        begin: first byte of the image in it.
        length: bytes of the image; None for everything up to the end of the file.
        name: what messages call it; empty for the path.
    """

    path: Path
    begin: int = 0
    length: int | None = None
    name: str = ""

    def read(self, depth: DepthRange | None = None) -> Image:
        """The image, (H, W, 3) BGR uint8, upright.

        Args:
            depth: the range of images of 16 bits, if it is one of a sequence; None takes all of them.

        Raises:
            DataError: the file is missing, cut off, or not an image of 8 or 16 bits.
        """
        image = self.decode()
        try:
            return as_bgr(image) if depth is None else depth.frame(image)
        except DataError:  # of the sequence's first image
            raise
        except ValueError as error:
            raise DataError(f"{self.name or self.path} cannot be used ({error}); save it with 8 or 16 bits") from error

    def decode(self) -> NDArray[Any]:
        """The image as the file has it; errors as of `read`."""
        name = self.name or str(self.path)
        try:
            if self.length is None and not self.begin:
                data = read_file(self.path, MAX_BYTES)
            else:
                with open_file(self.path, sys.maxsize) as stream:
                    stream.seek(self.begin)
                    data = stream.read(-1 if self.length is None else min(self.length, MAX_BYTES))
        except FileNotFoundError as error:
            raise DataError(str(error)) from error
        except OSError as error:
            raise DataError(f"{name} cannot be read ({error.strerror})") from error
        if self.length is not None and len(data) < self.length:
            raise DataError(f"{name} is cut off after {len(data)} bytes; get the file again")
        try:
            return decode_image(data)
        except ValueError as error:
            raise DataError(f"{name} {error}") from error


def list_pictures(folder: Path) -> tuple[Path, ...]:
    """Image files of a folder in natural order (`9.jpg` before `10.jpg`); none if there is no such folder."""
    if not folder.is_dir():
        return ()
    return tuple(sorted((path for path in folder.iterdir() if is_image_name(path.name)), key=natural_path))


def holds_pictures(folder: Path) -> bool:
    """Whether at least one image lies in a folder; stops at the first."""
    return folder.is_dir() and any(is_image_name(path.name) for path in folder.iterdir())
