"""Images as a source of frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2

from siamtrack.errors import SourceError
from siamtrack.video.source import FOLDER_FPS, Frame, Source

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


class ImageSource(Source):
    """Image files as frames, in natural order (`9.png` before `10.png`), at `FOLDER_FPS`."""

    def __init__(self, name: str, paths: list[Path]) -> None:
        if not paths:
            raise SourceError(f"{name} holds no images; known endings: {', '.join(IMAGE_SUFFIXES)}")
        self.name, self._paths = name, paths
        self.fps = FOLDER_FPS
        self.frame_count = len(paths)

    def read(self, start: int = 0) -> Iterator[Frame]:
        """Images as frames; see `Source.read`."""
        if start >= len(self._paths):
            raise SourceError(f"{self.name} holds {len(self._paths)} images; frame {start} was asked for (counting from 0)")
        for index, path in enumerate(self._paths[start:], start):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise SourceError(f"{path} cannot be read as an image; the frames before it are done")
            yield Frame(index, index / self.fps, image)  # type: ignore[arg-type]
