"""A clip whose true boxes are known exactly."""

from __future__ import annotations

import cv2
import numpy as np

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
