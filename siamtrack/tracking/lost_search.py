"""The search for a lost target, from the frame in which it was lost until it is believed to be seen again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from siamtrack.tracking.locator import Pair, View
from siamtrack.tracking.sweep import Sweep

PATIENCE = 10
"""Frames in a row without a sign of it after which a lost target is no longer believed to be where the search led, but
awaited where it was last surely seen. Given up at once, targets that had only changed were lost for good (Basketball)."""


class LostSearch:
    """Looks on where the target was lost, and at the frame's tiles, one after the other, on a budget.

    What is looked for where the target was lost stands still or hardly moves, so the smallest search crop will do there; a
    tile takes the largest one, to be done with the frame sooner. Tiles are so many frames apart that both together take at
    most twice the pixels of a frame of the smallest size: every second frame of 191 px has a tile of 255.

    Args:
        last_xy: where the target was last surely seen, frame pixels.
        frame_wh: size of the frame.
        reach: side of the square, in frame pixels, within which a tile's search region sees the centres of targets.
        sizes: sides of search crops, ascending.
        cut: whether a new shot took the target away: then there is nothing to wait for where the search led.

    Attributes:
        awaited: whether the target is awaited at `last_xy`.
        left: whether something elsewhere was taken for the target: no longer a target that merely changed.
    """

    def __init__(self, last_xy: Pair, frame_wh: tuple[int, int], reach: float, sizes: Sequence[int], cut: bool) -> None:
        self._last_xy = last_xy
        self._sweep = Sweep(last_xy, frame_wh, reach)
        self._tile_size, self._tile_every = sizes[-1], math.ceil((sizes[-1] / sizes[0]) ** 2)
        self._frames = self._nothing = 0
        self.awaited, self.left = cut, False

    @property
    def in_place(self) -> bool:
        """Whether it is looked for where the search led from the frame in which it was lost on: it may never have gone."""
        return not (self.awaited or self.left)

    def views(self, here: View) -> list[View]:
        """Where to look in the next frame: where the search led or began, and if it is time for one at the next tile."""
        views = [replace(here, center_xy=self._last_xy) if self.awaited else here]
        if self._frames % self._tile_every == 0:
            side = here.side * self._tile_size / here.size
            views.append(replace(here, center_xy=self._sweep.next(), side=side, window_influence=0.0, size=self._tile_size))
        self._frames += 1
        return views

    def note(self, sign: bool) -> None:
        """Remember whether the last frame held a sign of the target."""
        self._nothing = 0 if sign else self._nothing + 1
        self.awaited = self.awaited or self._nothing >= PATIENCE
