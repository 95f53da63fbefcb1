"""Where to look for a target that is lost: the whole frame, tile by tile."""

from __future__ import annotations

import math

from siamtrack.tracking.locator import Pair

NEAR = 8
"""Tiles around the one where the target was last seen, in which most targets come back: every other look goes to them."""


class Sweep:
    """The centres of the search regions that together cover a frame, one at a time and for ever.

    Looks at the tiles next to where the target was last seen take turns with looks at the others, the nearest first. The
    tile in the middle is left to the tracker, which looks there anyway.

    Args:
        last_xy: where the target was last seen, frame pixels.
        frame_wh: size of the frame.
        reach: side of the square, in frame pixels, within which one search region sees the centres of targets.

    Attributes:
        tiles: the centres of all tiles, the nearest to `last_xy` first. looks: how many were handed out.
    """

    def __init__(self, last_xy: Pair, frame_wh: tuple[int, int], reach: float) -> None:
        columns, rows = (_centers(at, length, reach) for at, length in zip(last_xy, frame_wh, strict=True))
        self.tiles = sorted(((x, y) for y in rows for x in columns), key=lambda xy: math.dist(xy, last_xy))
        self._near, self._far = self.tiles[1 : NEAR + 1] or self.tiles, self.tiles[NEAR + 1 :]
        self.looks = 0

    def next(self) -> Pair:
        """The centre of the tile to look at in this frame."""
        turn, odd = divmod(self.looks, 2)
        self.looks += 1
        if not self._far:
            return self._near[(self.looks - 1) % len(self._near)]
        return self._far[turn % len(self._far)] if odd else self._near[turn % len(self._near)]


def _centers(at: float, length: int, reach: float) -> list[float]:
    """Centres along one axis, `reach` apart at most: one of them `at`, all of them within the frame."""
    before, after = math.ceil(at / reach - 0.5), math.ceil((length - at) / reach - 0.5)
    return [min(max(at + k * reach, 0.0), float(length)) for k in range(-max(before, 0), max(after, 0) + 1)]
