"""Box forms, clipping, overlap and parsing.

A box is 0-based float `(x, y, w, h)` in frame pixels, x before y. Coordinates are continuous: pixel i
covers the half-open interval [i, i + 1), so the box `(0, 0, W, H)` is the whole frame and the centre of
`(x, y, w, h)` is `(x + w / 2, y + h / 2)`.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamtrack.errors import shown
from siamtrack.outside import finite

MIN_SIDE_PX = 4.0
"""Shortest box side that is accepted: below it an exemplar holds nothing but interpolation."""


class Box(NamedTuple):
    """A 0-based box `(x, y, w, h)` in frame pixels. It is a tuple, so it unpacks and compares as one."""

    x: float
    y: float
    w: float
    h: float

    @property
    def center_xy(self) -> tuple[float, float]:
        """Centre `(x, y)`, continuous frame coordinates."""
        return self.x + self.w / 2, self.y + self.h / 2

    @property
    def size_wh(self) -> tuple[float, float]:
        """Size `(w, h)`, frame pixels."""
        return self.w, self.h


def from_center(center_xy: Sequence[float], size_wh: Sequence[float]) -> Box:
    """Box with the given centre and size."""
    (cx, cy), (w, h) = center_xy, size_wh
    return Box(float(cx - w / 2), float(cy - h / 2), float(w), float(h))


FORMATS = ("xywh", "xyxy")
"""How four numbers may say a box: its corner and size, or two corners."""


def parse_box(text: str, form: str = "xywh") -> Box:
    """Read a box from text; commas, semicolons and blanks may part the numbers, and brackets stand around them.

    Args:
        text: four numbers, or eight: `upright_box`.
        form: of `FORMATS`, what four numbers are.

    Raises:
        ValueError: the text does not hold exactly four or eight finite numbers, or there is no such form.
    """
    if form not in FORMATS:
        raise ValueError(f"box format {shown(form)} is unknown; give {' or '.join(FORMATS)}")
    inner = text.strip()
    if inner[:1] + inner[-1:] in ("()", "[]"):
        inner = inner[1:-1]
    try:
        numbers = [float(part) for part in re.sub("[,;]", " ", inner).split()]
    except ValueError:
        numbers = []
    if len(numbers) not in (4, 8) or not all(math.isfinite(number) for number in numbers):
        wanted = {"xywh": "X,Y,W,H in pixels, such as 120,80,64,48", "xyxy": "X1,Y1,X2,Y2 in pixels"}[form]
        raise ValueError(f"box {shown(text)} is not four finite numbers; give {wanted}, or the eight of four corners")
    if form == "xyxy" and len(numbers) == 4:
        x1, y1, x2, y2 = numbers
        if x2 <= x1 or y2 <= y1:
            raise ValueError(f"box {shown(text)} ends before it begins; as {form}, x1 < x2 and y1 < y2")
        return Box(x1, y1, x2 - x1, y2 - y1)
    return upright_box(numbers)


def upright_box(numbers: Sequence[float]) -> Box:
    """The box that a line of an annotation says: `x, y, w, h`; or the upright box around the corners of one that may be turned,
    x before y, as in VOT and ALOV. NaN in one makes NaN of the box; neither four nor eight numbers are a ValueError.
    """
    if len(numbers) == 4:
        return Box(*numbers)
    if len(numbers) != 8:
        raise ValueError(f"{len(numbers)} numbers; a box has four, x,y,w,h, or eight, those of four corners")
    return box_around(np.array(numbers, dtype=np.float64).reshape(4, 2))


def box_around(points_xy: ArrayLike) -> Box:
    """The upright box around points of shape (N, 2), N at least 1."""
    points = np.asarray(points_xy, dtype=np.float64)
    return Box(*points.min(axis=0).tolist(), *np.ptp(points, axis=0).tolist())


def check_box(box_xywh: Iterable[float], frame_wh: tuple[int, int], least: float = MIN_SIDE_PX) -> Box:
    """The part of a box that a user gave, `(x, y, w, h)` in 0-based pixels, that lies in a frame.

    Raises:
        ValueError: not four finite numbers, a size of zero or less, a box outside the frame, or a side inside it under `least`.
    """
    box = Box(*four_numbers(box_xywh))
    width, height = frame_wh
    if box.w <= 0 or box.h <= 0:
        raise ValueError(f"box {_short(box)} has a width or height of zero or less; w and h must be positive pixels")
    inside = clip_box(box, frame_wh)
    if inside.w <= 0 or inside.h <= 0:
        raise ValueError(f"box {_short(box)} lies outside the {width}x{height} frame; it must overlap the picture")
    if min(inside.w, inside.h) < least:
        raise ValueError(
            f"box {_short(box)} is {inside.w:g}x{inside.h:g} px inside the {width}x{height} frame; "
            f"each side must be at least {least:g} px"
        )
    return inside


def four_numbers(box_xywh: Iterable[float]) -> tuple[float, float, float, float]:
    """The numbers of a box that a user gave.

    Raises:
        ValueError: not four finite numbers in an order: text and bytes are no numbers, and a set has no order.
    """
    values: list[Any] = []
    if not isinstance(box_xywh, (str, bytes, bytearray, memoryview, Set, Mapping)):
        with contextlib.suppress(TypeError):
            values = list(islice(box_xywh, 99))  # some iterables have no end
    if not values or any(isinstance(value, (str, bytes)) or not hasattr(value, "__float__") for value in values):
        raise ValueError(f"box {shown(box_xywh)} is not four numbers; give (x, y, w, h) in pixels")
    if len(values) != 4:
        raise ValueError(f"box {shown(values)} has {len(values)} numbers; give (x, y, w, h) in pixels")
    try:
        x, y, w, h = (finite(value, "a number") for value in values)
    except ValueError as error:
        raise ValueError(f"box {shown(values)} has a number that is not finite; give (x, y, w, h) in pixels") from error
    return x, y, w, h


def clip_box(box_xywh: Sequence[float], frame_wh: tuple[int, int]) -> Box:
    """Intersection of a box with the frame; width or height is 0 where there is none."""
    x, y, w, h = box_xywh
    left, right = (min(max(value, 0.0), float(frame_wh[0])) for value in (x, x + w))
    top, bottom = (min(max(value, 0.0), float(frame_wh[1])) for value in (y, y + h))
    return Box(left, top, right - left, bottom - top)


def iou(a_xywh: ArrayLike, b_xywh: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union, 0..1, of boxes (..., 4) that broadcast against each other; without area it is 0."""
    a, b = np.asarray(a_xywh, dtype=np.float64), np.asarray(b_xywh, dtype=np.float64)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    intersection = np.prod(np.clip(high - low, 0.0, None), axis=-1)
    union = np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - intersection
    # The last bit of a sum must not make an overlap of more than one.
    return np.where(union > 0, np.minimum(intersection / np.where(union > 0, union, 1.0), 1.0), 0.0)


def _short(box: Box) -> str:
    return "(" + ", ".join(f"{value:g}" for value in box) + ")"
