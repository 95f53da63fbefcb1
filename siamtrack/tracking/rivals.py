"""Look-alikes near the target: second peaks of the response, followed so that a twin that crosses does not steal the box.

As in `siamtrack.tracking.peak`, the numba kernel has a numpy twin with `_numpy` behind its name; a test holds them
equal. The kernel runs in the tracker, the twin is what to read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.tracking.kernels import compiled

Pair = tuple[float, float]
Cell = tuple[int, int]

APART = 3
"""Cells, along either axis, that a second peak lies away from the chosen one at least: nearer it is the same peak."""

SHARE = 0.5
"""Height above the map's mean, as a share of the chosen cell's, from which on a local maximum is followed."""

COUNT = 4
"""Most second peaks of one map."""

GATE = 0.25
"""Distance from where a rival is expected up to which a peak is taken for it; a share of the target's size, as all below."""

SLACK = 0.02
"""What the gate of an exchange grows by with each frame in which the rival was not seen."""

MERGED = 0.6
"""Expected offset below which two peaks may be one (`APART` cells of a target of 127 / 2 px are 0.38), and a rival unseen."""

HIDDEN = 25
"""Frames that a rival is remembered without being seen while it may be merged with the target."""

UNSEEN = 3
"""The same while it should be seen."""

INERTIA = 0.7
"""Share of the old velocity in the new one."""

KNOWN = 3
"""Frames in which a rival must have been seen before the box may be taken back from it."""

ALIKE = 0.5
"""Height of the peak to which the box is taken back, as a share of the chosen one's."""

MARGIN = 0.4
"""How much better two places must be explained with the roles of target and rival exchanged."""


def other_peaks_numpy(response: NDArray[np.float32], row: int, column: int) -> list[tuple[int, int, float]]:
    """Local maxima of a response map apart from the chosen cell.

    A cell counts if it is higher than its eight neighbours, `APART` cells or more from the chosen one, and stands out of
    the map's mean by `SHARE` of what the chosen one does. At the border it has fewer neighbours: it may be the flank of
    what lies outside, but a search region is so small that a rival would else be known too late.

    Args:
        response: (n, n) logits. row, column: the chosen cell.

    Returns:
        `(row, column, height)`, at most `COUNT`, highest first; the height is over the mean, and 1 is the chosen cell's.
        Empty where the chosen cell itself does not stand out.
    """
    logits = response.astype(np.float64)
    size, mean = len(logits), logits.mean()
    stands_out = logits[row, column] - mean
    if not stands_out > 0:
        return []
    peaks = []
    for y in range(size):
        for x in range(size):
            around = logits[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            height = (logits[y, x] - mean) / stands_out
            lower = (around < logits[y, x]).sum() == around.size - 1
            if max(abs(y - row), abs(x - column)) >= APART and height >= SHARE and lower:
                peaks.append((y, x, float(height)))
    return sorted(peaks, key=lambda peak: -peak[2])[:COUNT]


def other_peaks(response: NDArray[np.float32], row: int, column: int) -> list[tuple[int, int, float]]:
    """As `other_peaks_numpy`, compiled."""
    found, count = _other_peaks(response, row, column)
    return [(int(y), int(x), height) for y, x, height in found[:count].tolist()]


@compiled
def _other_peaks(response, row, column):  # type: ignore[no-untyped-def]
    size = response.shape[0]
    total = 0.0
    for y in range(size):
        for x in range(size):
            total += np.float64(response[y, x])
    mean = total / (size * size)
    stands_out = np.float64(response[row, column]) - mean
    found, count = np.empty((COUNT, 3)), 0
    if not stands_out > 0:
        return found, count
    for y in range(size):
        for x in range(size):
            height = (np.float64(response[y, x]) - mean) / stands_out
            if max(abs(y - row), abs(x - column)) < APART or height < SHARE:
                continue
            highest = True
            for v in range(max(0, y - 1), min(size, y + 2)):
                for u in range(max(0, x - 1), min(size, x + 2)):
                    highest = highest and ((v == y and u == x) or response[v, u] < response[y, x])
            if not highest:
                continue
            place = count
            while place > 0 and found[place - 1, 2] < height:
                if place < COUNT:
                    found[place] = found[place - 1]
                place -= 1
            if place < COUNT:
                found[place, 0], found[place, 1], found[place, 2] = y, x, height
                count = min(count + 1, COUNT)
    return found, count


class Peak(NamedTuple):
    """One peak of a frame's response.

    Attributes:
        center_xy: what it marks, frame pixels.
        height: over the map's mean, 1 for the chosen peak.
    """

    center_xy: Pair
    height: float = 1.0


@dataclass(frozen=True)
class Rival:
    """Something like the target, as it is known after a frame.

    Attributes:
        offset_xy: from the target, in sizes of the target. velocity_xy: of the offset, a frame.
        age: frames in which it was seen. unseen: frames since. height: of its peak when it was last seen.
    """

    offset_xy: Pair
    velocity_xy: Pair = (0.0, 0.0)
    age: int = 1
    unseen: int = 0
    height: float = 0.0

    def expected(self) -> Rival:
        """In the next frame, not yet seen there."""
        (x, y), (dx, dy) = self.offset_xy, self.velocity_xy
        return replace(self, offset_xy=(x + dx, y + dy), unseen=self.unseen + 1)

    def seen(self, offset_xy: Pair, height: float) -> Rival:
        """Where it was seen instead of where it was expected."""
        (x, y), (dx, dy), share = self.offset_xy, self.velocity_xy, (1 - INERTIA) / self.unseen
        velocity_xy = (dx + share * (offset_xy[0] - x), dy + share * (offset_xy[1] - y))
        if self.age == 1:  # the first step is all that is known of the velocity
            velocity_xy = ((offset_xy[0] - x) / self.unseen + dx, (offset_xy[1] - y) / self.unseen + dy)
        return Rival(offset_xy, velocity_xy, self.age + 1, 0, height)

    @property
    def lives(self) -> bool:
        """Whether it is worth being remembered."""
        return self.unseen <= (HIDDEN if math.hypot(*self.offset_xy) < MERGED and self.age >= KNOWN else UNSEEN)


class Rivals:
    """Follows what resembles one target, and says when the chosen peak is one of them.

    Two peaks of a frame, p and q, are a target expected at t and a rival expected at r, or the other way round. Of
    `|t - p|^2 + |r - q|^2` and `|t - q|^2 + |r - p|^2` the smaller one is told by `(r - t).(q - p)` alone: where the target
    itself is expected cancels out, and with it how the camera moves. So only offsets from the target are followed, which
    is also what a rival keeps to while the peaks are one: it comes out on the other side.

    Among three bodies that would not do: one rival vanishes to the right while another appears to the left. So a peak where
    some other rival is expected is not the target, and where the rival was seen a moment ago the box must have jumped to it.

    Attributes:
        known: the rivals, as of the last frame.
    """

    def __init__(self) -> None:
        self.known: list[Rival] = []
        self._last_xy: Pair | None = None

    def follow(self, chosen: Peak, others: Sequence[Peak], size: float) -> int | None:
        """Take note of a frame's peaks.

        Args:
            chosen: the peak that was chosen. others: apart from it, any order.
            size: of the target, frame pixels: square root of its box's area.

        Returns:
            Which of the others is the target; None if the chosen one is, or nothing speaks against it.
        """
        self.known = [rival.expected() for rival in self.known]
        offsets = [_offset(peak, chosen, size) for peak in others]
        step = (0.0, 0.0) if self._last_xy is None else _offset(chosen, Peak(self._last_xy), size)
        target = self._mistaken(others, offsets, step)
        if target is not None:
            chosen, others = others[target], [chosen, *(peak for i, peak in enumerate(others) if i != target)]
            offsets = [_offset(peak, chosen, size) for peak in others]
        self._last_xy = chosen.center_xy
        self._update(others, offsets)
        return target

    def _mistaken(self, others: Sequence[Peak], offsets: Sequence[Pair], step: Pair) -> int | None:
        """Which of the others is the target, if the chosen peak is a known rival; `step` is the chosen peak's."""
        best, least = None, math.inf
        for rival in self.known:
            if rival.age < KNOWN or (rival.unseen <= UNSEEN and math.dist(step, rival.offset_xy) > GATE):
                continue
            for i, (x, y) in enumerate(offsets):
                kept, changed = math.dist(rival.offset_xy, (x, y)), math.dist(rival.offset_xy, (-x, -y))
                fits = changed <= GATE + SLACK * (rival.unseen - 1) and kept - changed >= MARGIN
                if fits and others[i].height >= ALIKE and changed < least and not self._is_another((x, y), rival):
                    best, least = i, changed
        return best

    def _is_another(self, offset_xy: Pair, than: Rival) -> bool:
        """Whether another rival than the given one is expected there."""
        return any(
            rival is not than and rival.age > 1 and math.dist(rival.offset_xy, offset_xy) <= GATE for rival in self.known
        )

    def _update(self, others: Sequence[Peak], offsets: Sequence[Pair]) -> None:
        """Each peak goes to the rival expected nearest to it, nearest pairs first; what is left over is new."""
        pairs = sorted(
            (math.dist(rival.offset_xy, at), i, j) for i, rival in enumerate(self.known) for j, at in enumerate(offsets)
        )
        free, new = dict(enumerate(self.known)), set(range(len(offsets)))
        followed = []
        for distance, i, j in pairs:
            if distance <= GATE and i in free and j in new:
                followed.append(free.pop(i).seen(offsets[j], others[j].height))
                new.discard(j)
        followed += [rival for rival in free.values() if rival.lives]
        self.known = followed + [Rival(offsets[j], height=others[j].height) for j in sorted(new)]


def _offset(peak: Peak, origin: Peak, size: float) -> Pair:
    (x, y), (x0, y0) = peak.center_xy, origin.center_xy
    return (x - x0) / size, (y - y0) / size
