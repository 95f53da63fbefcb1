"""Where to look for a target that is lost: the whole frame, tile by tile, beginning where it was last seen."""

from __future__ import annotations

import math

from siamtrack.tracking.locator import Pair

NEIGHBOURHOOD = 9
"""Tiles that are visited between one round over the whole frame and the next: most targets come back near by."""


class Sweep:
    """The centres of the search regions that together cover a frame, one at a time and for ever.

    Rounds over the tiles nearest to where the target was last seen take turns with rounds over all, the nearest first.

    Args:
        last_xy: where the target was last seen, frame pixels.
        frame_wh: size of the frame.
        reach: side of the square, in frame pixels, within which one search region sees the centres of targets.
    """

    def __init__(self, last_xy: Pair, frame_wh: tuple[int, int], reach: float) -> None:
        columns, rows = (_centers(at, length, reach) for at, length in zip(last_xy, frame_wh, strict=True))
        self.tiles = sorted(((x, y) for y in rows for x in columns), key=lambda xy: math.dist(xy, last_xy))
        self._step = 0

    def next(self) -> Pair:
        """The centre of the tile to look at in this frame."""
        near = min(NEIGHBOURHOOD, len(self.tiles))
        step = self._step % (near + len(self.tiles))
        self._step += 1
        return self.tiles[step if step < near else step - near]


def _centers(at: float, length: int, reach: float) -> list[float]:
    """Centres along one axis, `reach` apart at most: one of them `at`, all of them within the frame."""
    before, after = math.ceil(at / reach - 0.5), math.ceil((length - at) / reach - 0.5)
    return [min(max(at + k * reach, 0.0), float(length)) for k in range(-max(before, 0), max(after, 0) + 1)]
