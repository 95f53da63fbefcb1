"""Encoded images on disk: found, put in order, decoded, and refused if they are cut off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from siamtrack.errors import DataError
from siamtrack.frames import Image
from siamtrack.system import natural_path
from siamtrack.video import quiet_opencv
from siamtrack.video.images import IMAGE_SUFFIXES


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

    def read(self) -> Image:
        """The image, (H, W, 3) BGR uint8, upright.

        Raises:
            DataError: the file is missing, cut off, or not an image.
        """
        name = self.name or str(self.path)
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.begin)
                data = stream.read(-1 if self.length is None else self.length)
        except OSError as error:
            raise DataError(f"{name} cannot be read ({error.strerror})") from error
        # OpenCV before 5 fills the missing part of a cut JPEG with grey and says nothing; so does `imread` in 5.
        if _is_cut_jpeg(data) or (self.length is not None and len(data) < self.length):
            raise DataError(f"{name} is cut off after {len(data)} bytes; get the file again")
        with quiet_opencv():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if image is None:
            raise DataError(f"{name} cannot be decoded as an image")
        return image  # type: ignore[return-value]


def list_pictures(folder: Path) -> tuple[Path, ...]:
    """Image files of a folder in natural order (`9.jpg` before `10.jpg`); none if there is no such folder."""
    if not folder.is_dir():
        return ()
    return tuple(sorted((path for path in folder.iterdir() if _is_picture(path)), key=natural_path))


def holds_pictures(folder: Path) -> bool:
    """Whether at least one image lies in a folder; stops at the first."""
    return folder.is_dir() and any(_is_picture(path) for path in folder.iterdir())


def _is_picture(path: Path) -> bool:
    # macOS leaves "._1.jpg" beside "1.jpg" on foreign disks: no image, whatever its name says.
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _is_cut_jpeg(data: bytes) -> bool:
    """Whether a JPEG has no end marker behind its first scan.

    The header is stepped over segment by segment: a thumbnail in it has an end marker of its own.
    """
    if data[:2] != b"\xff\xd8":
        return False
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.rfind(b"\xff\xd9", at) < 0
