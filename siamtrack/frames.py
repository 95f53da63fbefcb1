"""The one place where a frame of another form becomes BGR uint8 (H, W, 3)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A frame or a crop: (H, W, 3) BGR uint8."""


def as_bgr(frame: Any) -> Image:
    """A frame as BGR uint8 of shape (H, W, 3).

    The rule: 8 bits stay as they are; 16 bits keep their upper 8 (the full range 0..65535 is taken for
    black to white, as cameras and PNG files use it); gray becomes three equal channels; of BGRA the alpha
    is dropped. Nothing is guessed about floats: their range could be 0..1 or 0..255.

    Raises:
        ValueError: not an array, another dtype, another shape, or no pixels.
    """
    if not isinstance(frame, np.ndarray):
        raise ValueError(f"frame is {type(frame).__name__}, not a numpy array; pass BGR uint8 (H, W, 3), as cv2 reads it")
    if frame.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"frame has dtype {frame.dtype}; pass uint8 (or uint16), for floats in 0..1: (frame * 255).astype('uint8')"
        )
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] not in (1, 3, 4)):
        raise ValueError(f"frame has shape {frame.shape}; pass (H, W, 3) BGR, (H, W, 4) BGRA or (H, W) gray")
    if frame.size == 0:
        raise ValueError(f"frame has shape {frame.shape}: it holds no pixels")
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    if frame.ndim == 2 or frame.shape[2] == 1:
        return cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]
    if frame.shape[2] == 4:
        return cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR)  # type: ignore[return-value]
    return frame
