"""A clip whose true boxes are known exactly, and a source that plays it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from siamtrack.errors import SourceError
from siamtrack.video.source import Frame, Source

FRAME_WH = (320, 240)


def rendered_frame(i: int, size_wh: tuple[int, int] = FRAME_WH) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Frame `i` of a rendered clip: a textured patch that moves and grows over a textured ground, and its exact box."""
    width, height = size_wh
    rng = np.random.default_rng(7)
    ground = cv2.resize(rng.integers(60, 196, (height // 8, width // 8, 3), np.uint8), size_wh, interpolation=cv2.INTER_CUBIC)
    patch = cv2.resize(rng.integers(0, 256, (5, 4, 3), np.uint8), (200, 250), interpolation=cv2.INTER_NEAREST)
    w = 40 * (1 + 0.006 * i)
    h = w * 1.25
    x, y = 60 + 2.5 * i, 80 + 18 * np.sin(i / 9)
    step = 200 / w
    matrix = np.array([[1 / step, 0, x], [0, 1 / step, y]])
    mask = cv2.warpAffine(np.full(patch.shape[:2], 255, np.uint8), matrix, size_wh)
    moved = cv2.warpAffine(patch, matrix, size_wh)
    frame = np.where(mask[..., None] > 127, moved, ground)
    return frame, (x, y, w, h)


class Film(Source):
    """Rendered frames, again and again, as a file or as a camera that can be unplugged.

    Args:
        frames: how many. live: it is a camera. fails: what it says at its end. images: in place of the rendered ones.
    """

    name, fps, frame_count = "film", 100.0, None

    def __init__(self, frames: int = 12, live: bool = False, fails: str = "", images: Sequence[np.ndarray] = ()) -> None:
        self.live, self.frames, self.fails = live, frames, fails
        self.images = images or [rendered_frame(i)[0] for i in range(12)]
        self.unplugged, self.silent = threading.Event(), threading.Event()

    def read(self, start: int = 0) -> Iterator[Frame]:
        for index in range(start, self.frames):
            if self.live and self.unplugged.wait(0.01):
                return
            while self.silent.is_set():
                time.sleep(0.01)
            yield Frame(index, index / self.fps, self.images[index % len(self.images)])
        if self.fails:
            raise SourceError(self.fails)
