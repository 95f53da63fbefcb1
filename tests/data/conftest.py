"""Small trees of images, in whatever layout a test wants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from rendered import rendered_frame

SIZE_WH = (64, 48)
WriteImages = Callable[..., list[Path]]


@pytest.fixture(scope="session")
def write_images() -> WriteImages:
    """A function that writes frames into a folder; `name` is a format of the frame's number."""

    def write(folder: Path, count: int = 3, name: str = "{:08d}.jpg", first: int = 1) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name.format(first + i) for i in range(count)]
        for i, path in enumerate(paths):
            ok, data = cv2.imencode(path.suffix.lower(), cv2.resize(rendered_frame(i)[0], SIZE_WH))
            assert ok
            path.write_bytes(data.tobytes())
        return paths

    return write
