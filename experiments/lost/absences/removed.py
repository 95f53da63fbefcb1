"""The target is painted out with what lies beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from absences.clip import CannotMakeError, Made, Scene, play
from siamtrack.frames import Image

GROWN = 0.3
"""By how much of its mean side the box is grown to be painted out, half of it at each edge: labels are often tight."""

FEATHER = 0.12
"""Width of the seam around what is painted out, in sides of the box."""

MIN_ROOM = 0.5
"""Share of the patch that must be there beside the target; it is stretched by what is missing."""

KEEP_WAY = 0.85
"""A patch from other sides than in the frame before must differ from what is around it by less than this share."""

Way = tuple[str, ...]
WAYS: tuple[Way, ...] = (("left", "right"), ("up", "down"), ("left",), ("right",), ("up",), ("down",))
"""The sides of the target, or pairs of them, from which it is painted over."""


def removed(scene: Scene, rng: np.random.Generator) -> Made:
    """The target is painted out for the rest of the clip; nothing is left to chance."""
    before, after = scene.lengths.before, scene.lengths.after
    order, boxes = scene.played(before + after)
    seams = [Seam(box, scene.frame_wh) for box in boxes]
    if not all(seam.ways() for seam in seams[before:]):
        raise CannotMakeError("the target is too large: not enough is to be seen beside it to paint it out")

    def frames() -> Iterator[Image]:
        source = play(scene.sequence, order)
        yield from islice(source, before)
        way: Way = ()
        for image, seam in zip(source, seams[before:], strict=True):
            way = seam.best_way(image, way)
            yield seam.paint_out(image, way)

    return Made(range(before, before + after), boxes, frames)


class Seam:
    """Where a target is painted out: the inner rectangle wholly, around it a seam that blends into the frame.

    The patch is what lies beside it, mirrored, so that it begins as the frame around it ends. From two sides, one patch
    blends into the other in the middle.

    Args:
        box: `(x, y, w, h)` of the target.
        frame_wh: width and height of the frame.
    """

    def __init__(self, box: NDArray[np.float64], frame_wh: tuple[int, int]) -> None:
        x, y, w, h = (float(value) for value in box)
        grow = GROWN * (w + h) / 2 / 2  # by the mean side: limbs stick out of the longer sides of a narrow box
        self._wide = max(2, round(FEATHER * min(w, h)))
        self._inner = (math.floor(x - grow), math.floor(y - grow), math.ceil(x + w + grow), math.ceil(y + h + grow))
        left, top, right, bottom = self._inner
        self._left, self._top = max(0, left - self._wide), max(0, top - self._wide)
        self._right, self._bottom = min(frame_wh[0], right + self._wide), min(frame_wh[1], bottom + self._wide)
        self._frame_wh = frame_wh

    def ways(self) -> list[Way]:
        """Those of `WAYS` on which enough lies in the frame."""
        return [way for way in WAYS if all(self._room(side) >= MIN_ROOM for side in way)]

    def best_way(self, image: Image, last: Way) -> Way:
        """The way whose patch fits best: it is like the frame where the two blend, and like the seam's colour elsewhere.

        What stands out may be another runner or car, which nobody wants to see in the target's place.

        Args:
            image: the frame.
            last: the way of the frame before; it is kept unless another is clearly better, for the patch would flicker.
        """
        ring = self._opacity() < 1
        ground = self._ground(image)[ring].astype(np.float64)
        usual = np.median(ground, axis=0)
        patches = {way: self._patch(image, way) for way in self.ways()}
        misfit = {
            way: float(np.abs(patch[ring] - ground).mean() + np.abs(patch - usual).mean()) for way, patch in patches.items()
        }
        best = min(misfit, key=lambda way: misfit[way])
        return last if last in misfit and misfit[best] > KEEP_WAY * misfit[last] else best

    def paint_out(self, image: Image, way: Way) -> Image:
        """The frame without the target."""
        opacity = self._opacity()[..., None]
        blended = opacity * self._patch(image, way) + (1 - opacity) * self._ground(image)
        painted = image.copy()
        painted[self._top : self._bottom, self._left : self._right] = np.rint(blended).astype(np.uint8)
        return painted

    def _ground(self, image: Image) -> Image:
        return image[self._top : self._bottom, self._left : self._right]

    def _room(self, side: str) -> float:
        """How much of the patch lies in the frame at a side of the target, 0..1."""
        width, height = self._right - self._left, self._bottom - self._top
        there = {
            "left": self._left / width,
            "right": (self._frame_wh[0] - self._right) / width,
            "up": self._top / height,
            "down": (self._frame_wh[1] - self._bottom) / height,
        }[side]
        return min(1.0, there)

    def _patch(self, image: Image, way: Way) -> NDArray[np.float64]:
        """What is painted over the frame inside the outer edge of the seam."""
        parts = [self._beside(image, side).astype(np.float64) for side in way]
        if len(parts) == 1:
            return parts[0]
        height, width = parts[0].shape[:2]
        count = width if way == ("left", "right") else height
        share = np.clip(3 * (np.arange(count) + 0.5) / count - 1, 0, 1)  # a short transition: little is seen double
        second = share[None, :, None] if way == ("left", "right") else share[:, None, None]
        return (1 - second) * parts[0] + second * parts[1]

    def _beside(self, image: Image, side: str) -> Image:
        """What lies at a side of the seam, as large as what is inside and mirrored at the edge between."""
        left, top, right, bottom = self._left, self._top, self._right, self._bottom
        width, height = right - left, bottom - top
        strip = {
            "left": image[top:bottom, max(0, left - width) : left][:, ::-1],
            "right": image[top:bottom, right : right + width][:, ::-1],
            "up": image[max(0, top - height) : top, left:right][::-1],
            "down": image[bottom : bottom + height, left:right][::-1],
        }[side]
        return cv2.resize(np.ascontiguousarray(strip), (width, height))  # type: ignore[return-value]

    def _opacity(self) -> NDArray[np.float64]:
        """1 over the inner rectangle, falling to almost 0 at the outer edge of the seam."""
        left, top, right, bottom = self._inner
        across = self._ramp(np.arange(self._left, self._right), left, right)
        down = self._ramp(np.arange(self._top, self._bottom), top, bottom)
        return np.minimum(down[:, None], across[None, :])

    def _ramp(self, at: NDArray[np.int64], low: int, high: int) -> NDArray[np.float64]:
        outside = np.maximum(np.maximum(low - at, at - (high - 1)), 0)
        return 1 - outside / (self._wide + 1)
