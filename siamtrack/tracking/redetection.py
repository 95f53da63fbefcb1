"""Where a lost target is looked for, from the frame in which it was lost until it is believed to be seen again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from siamtrack.tracking.crop import SearchRegion

Pair = tuple[float, float]

PATIENCE = 10
"""Frames in a row without a sign of it after which a lost target is no longer believed to be where the search led, but
awaited where it was last surely seen. Given up at once, targets that had only changed were lost for good."""

NEAR_TILES = 8
"""Tiles around the one where the target was last seen, in which most targets come back: every other turn is theirs."""

DISTANCE_PARTS = 1000.0
"""Squared distances of tiles are compared in so many parts of a tile's squared side; those equally far go row by row."""

TILE_ODDS = 10.0
"""How much likelier (as a ratio of odds) the target must be in a tile than where it was lost, to be gone to."""


class Redetection:
    """Searches where the target was lost, and the frame's tiles, one after the other, on a budget.

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
        left_place: whether something elsewhere was taken for the target: no longer a target that merely changed.
    """

    def __init__(self, last_xy: Pair, frame_wh: tuple[int, int], reach: float, sizes: Sequence[int], cut: bool) -> None:
        self._last_xy = last_xy
        self._tiles = Tiles(last_xy, frame_wh, reach)
        self._tile_size, self._tile_every = sizes[-1], math.ceil((sizes[-1] / sizes[0]) ** 2)
        self._searched_frames = self._frames_without_sign = 0
        self.awaited, self.left_place = cut, False

    @property
    def in_place(self) -> bool:
        """Whether it is looked for where the search led from the frame in which it was lost on: it may never have gone."""
        return not (self.awaited or self.left_place)

    def regions(self, here: SearchRegion) -> list[SearchRegion]:
        """Where to search in the next frame: where the search led or began, and if it is time for one at the next tile."""
        regions = [replace(here, center_xy=self._last_xy) if self.awaited else here]
        turn, wait = divmod(self._searched_frames, self._tile_every)
        if not wait:
            side = here.side * self._tile_size / here.size
            regions.append(SearchRegion(self._tiles.at(turn), side, self._tile_size))
        return regions

    def searched(self) -> None:
        """Go on to the next frame: `regions` were searched."""
        self._searched_frames += 1

    def note(self, sign: bool) -> None:
        """Remember whether the last frame held a sign of the target."""
        self._frames_without_sign = 0 if sign else self._frames_without_sign + 1
        self.awaited = self.awaited or self._frames_without_sign >= PATIENCE


class Tiles:
    """The centres of the search regions that together cover a frame, one at a time and for ever.

    Those next to where the target was last seen take turns with the others, the nearest first. The tile in the middle is left
    to the tracker, which searches there anyway.

    Args:
        last_xy: where the target was last seen, frame pixels.
        frame_wh: size of the frame.
        reach: side of the square, in frame pixels, within which one search region sees the centres of targets.

    Attributes:
        centers: of all tiles, the nearest to `last_xy` first.
    """

    def __init__(self, last_xy: Pair, frame_wh: tuple[int, int], reach: float) -> None:
        columns, rows = (_centers(at, length, reach) for at, length in zip(last_xy, frame_wh, strict=True))
        last_x, last_y = last_xy

        def distance(xy: Pair) -> int:
            # Whole parts: else rounding would say which of two tiles equally far away comes first, on each machine another.
            return math.floor(((xy[0] - last_x) ** 2 + (xy[1] - last_y) ** 2) / reach**2 * DISTANCE_PARTS + 0.5)

        self.centers = sorted(((x, y) for y in rows for x in columns), key=distance)
        self._near, self._far = self.centers[1 : NEAR_TILES + 1] or self.centers, self.centers[NEAR_TILES + 1 :]

    def at(self, turn: int) -> Pair:
        """The centre of the tile whose turn it is, counted from 0."""
        if not self._far:
            return self._near[turn % len(self._near)]
        each, odd = divmod(turn, 2)
        return self._far[each % len(self._far)] if odd else self._near[each % len(self._near)]


def _centers(at: float, length: int, reach: float) -> list[float]:
    """Centres along one axis, `reach` apart at most: one of them `at`, all of them within the frame."""
    before, after = math.ceil(at / reach - 0.5), math.ceil((length - at) / reach - 0.5)
    return [min(max(at + k * reach, 0.0), float(length)) for k in range(-max(before, 0), max(after, 0) + 1)]
