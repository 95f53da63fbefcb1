"""Frames: the one rule by which those of other forms become BGR uint8 (H, W, 3), and their way into files."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import OutputError

Image = NDArray[np.uint8]
"""A frame or a crop: (H, W, 3) BGR uint8."""


DEPTHS = (8, 10, 12, 14, 16)
"""Bits that cameras give in frames of 16."""


def as_bgr(frame: Any, bits: int = 16) -> Image:
    """A frame as BGR uint8 of shape (H, W, 3).

    The rule: 8 bits stay as they are; of 16 bits the upper 8 of those that are used are kept (black to white is
    0 to 2^bits - 1, and what is brighter is white); gray becomes three equal channels; of BGRA the alpha is dropped.
    Nothing is guessed about floats: their range could be 0..1 or 0..255.

    Args:
        frame: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA; uint8 or uint16.
        bits: of a uint16 frame that are used, 8 to 16. One number for all frames of a sequence: `used_bits` of its first.

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
        frame = np.minimum(frame >> (bits - 8), 255).astype(np.uint8)
    if frame.ndim == 2 or frame.shape[2] == 1:
        return cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]
    if frame.shape[2] == 4:
        return cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR)  # type: ignore[return-value]
    return frame


def used_bits(frame: NDArray[np.uint16]) -> int:
    """The smallest of `DEPTHS` that holds all values of a frame: many cameras fill 10 or 12 of 16 bits."""
    brightest = int(frame.max(initial=0))
    return next(bits for bits in DEPTHS if brightest < 1 << bits)


def encoded(image: Image, ending: str, *parameters: int) -> bytes:
    """An image file's bytes. Args: ending: of its name, such as `.png`. parameters: as of `cv2.imencode`.

    Raises:
        OutputError: such a file cannot hold the image.
    """
    try:
        whole, data = cv2.imencode(ending, image, parameters)
    except cv2.error:
        whole = False
    if not whole:
        height, width = image.shape[:2]
        raise OutputError(f"{width}x{height} pixels cannot be encoded as {ending} (a JPEG has 65500 a side); make them fewer")
    return data.tobytes()
