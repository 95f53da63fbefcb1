"""The numbers that say how a crop is sampled: worked out on the host in double precision, a row a crop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from siamtrack.tracking.crop import SearchRegion


class Sampling(NamedTuple):
    """Where the pixels of a crop lie in the frame, or in the frame averaged over blocks.

    It is the arithmetic of `SearchRegion.extract`: a window that is f times larger than its crop, f rounded down, sees the
    frame averaged over blocks of f x f pixels.

    Attributes:
        x, y: block, counted from the first one's middle, on which the middle of the crop's first pixel lies.
        step: blocks between neighbouring pixels of the crop.
        left, top: frame pixel at which the first block begins. factor: side of a block in pixels.
        columns, rows: number of blocks; none where the window lies outside the frame.
        blue, green, red: the colour of whatever lies outside, whole numbers.
    """

    x: float
    y: float
    step: float
    left: int
    top: int
    factor: int
    columns: int
    rows: int
    blue: int
    green: int
    red: int

    @classmethod
    def of(cls, window: SearchRegion, frame_wh: tuple[int, int], fill: Sequence[float]) -> Sampling:
        """How a window is sampled out of a frame of a size. Args: fill: by channel, 0..255."""
        factor = max(1, int(window.scale))
        (left, columns), (top, rows) = (0, frame_wh[0]), (0, frame_wh[1])
        if factor > 1:
            begin, end = window.to_frame(0, 0), window.to_frame(window.size, window.size)
            left, columns = _blocks(begin[0], end[0], factor, frame_wh[0])
            top, rows = _blocks(begin[1], end[1], factor, frame_wh[1])
        x, y = window.to_frame(0.5, 0.5)
        blue, green, red = (min(max(round(value), 0), 255) for value in fill)
        return cls(
            (x - left) / factor - 0.5,
            (y - top) / factor - 0.5,
            window.scale / factor,
            left,
            top,
            factor,
            columns,
            rows,
            blue,
            green,
            red,
        )


FIELDS = len(Sampling._fields)


def _blocks(begin: float, end: float, factor: int, limit: int) -> tuple[int, int]:
    """First pixel and number of the whole blocks that an axis of the window sees, of `limit` pixels."""
    first = min(max(math.floor(begin) - factor, 0), limit - 1)
    return first, max(0, (min(math.ceil(end) + factor, limit) - first) // factor)
