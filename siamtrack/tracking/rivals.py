"""Look-alikes near the target, followed over time, so that a twin that crosses does not steal the box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from siamtrack.tracking.locator import Pair, Sighting

GATE = 0.25
"""Distance from where a rival is expected up to which a sighting is taken for it; in sizes of the target, as all below."""

SLACK = 0.02
"""What the gate of an exchange grows by with each frame in which the rival was not seen."""

MERGED = 0.75
"""Expected offset below which two peaks may be one, and a rival unseen: of two that overlap, the lower peak is hardly ever a
maximum of its own."""

HIDDEN = 25
"""Frames that a rival is remembered without being seen while it may be merged with the target."""

UNSEEN = 3
"""The same while it should be seen."""

INERTIA = 0.7
"""Share of the old velocity in the new one."""

KNOWN = 3
"""Frames in which a rival must have been seen before the box may be taken back from it."""

ALIKE = 0.6
"""Height of the peak to which the box is taken back, as a share of the chosen one's. A twin that steals a box is the more like
the exemplar of the two. At 0.5 it changed two sequences of val for the worse in which nothing had been stolen."""

MARGIN = 0.4
"""How much better two places must be explained with the roles of target and rival exchanged."""


@dataclass(frozen=True)
class Rival:
    """Something like the target, as it is known after a frame.

    Attributes:
        offset_xy: from the target, in sizes of the target. velocity_xy: of the offset, a frame.
        age: frames in which it was seen. unseen: frames since. side_xy: the offset at which it was last seen.
    """

    offset_xy: Pair
    side_xy: Pair
    velocity_xy: Pair = (0.0, 0.0)
    age: int = 1
    unseen: int = 0

    def expected(self) -> Rival:
        """In the next frame, not yet seen there."""
        (x, y), (dx, dy) = self.offset_xy, self.velocity_xy
        return replace(self, offset_xy=(x + dx, y + dy), unseen=self.unseen + 1)

    def seen(self, offset_xy: Pair) -> Rival:
        """Where it was seen instead of where it was expected."""
        # The first step is all that is known of the velocity.
        share = (1.0 if self.age == 1 else 1 - INERTIA) / self.unseen
        dx, dy = (old + share * (new - was) for old, new, was in zip(self.velocity_xy, offset_xy, self.offset_xy, strict=True))
        return Rival(offset_xy, offset_xy, (dx, dy), self.age + 1)

    @property
    def crossed(self) -> bool:
        """Whether it is expected on the other side of the target than the one where it was last seen."""
        return self.lives and self.offset_xy[0] * self.side_xy[0] + self.offset_xy[1] * self.side_xy[1] < 0

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
    some other rival is expected is not the target, and the box must have jumped to the rival, or the rival have crossed over
    while the peaks were one.

    Attributes:
        known: the rivals, as of the last frame.
    """

    def __init__(self) -> None:
        self.known: list[Rival] = []
        self._last_xy: Pair | None = None

    def follow(self, seen: Sighting, size: float) -> Sighting:
        """Take note of a frame's peaks.

        Args:
            seen: at the chosen peak, with what was seen at the others.
            size: of the target, frame pixels: square root of its box's area.

        Returns:
            What was seen at the target's own peak: the chosen one, if nothing speaks against it.
        """
        self.known = [rival.expected() for rival in self.known]
        offsets = [_offset(other.center_xy, seen.center_xy, size) for other in seen.others]
        step = _offset(seen.center_xy, self._last_xy, size) if self._last_xy else (0.0, 0.0)
        mistaken = self._mistaken(seen.others, offsets, step)
        if mistaken is not None:
            target = seen.others[mistaken]
            rivals = [seen, *(other for i, other in enumerate(seen.others) if i != mistaken)]
            offsets = [_offset(rival.center_xy, target.center_xy, size) for rival in rivals]
            seen = target
        self._last_xy = seen.center_xy
        self._update(offsets)
        return seen

    def _mistaken(self, others: Sequence[Sighting], offsets: Sequence[Pair], step: Pair) -> int | None:
        """Which of the others is the target, if the chosen peak is a known rival; `step` is the chosen peak's."""
        best, least = None, math.inf
        for rival in self.known:
            jumped = rival.unseen <= UNSEEN and math.dist(step, rival.offset_xy) <= GATE
            if rival.age < KNOWN or not (jumped or rival.crossed):
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

    def _update(self, offsets: Sequence[Pair]) -> None:
        """Each peak goes to the rival expected nearest to it, nearest pairs first; what is left over is new."""
        pairs = sorted(
            (math.dist(rival.offset_xy, at), i, j) for i, rival in enumerate(self.known) for j, at in enumerate(offsets)
        )
        free, new = dict(enumerate(self.known)), set(range(len(offsets)))
        followed = []
        for distance, i, j in pairs:
            if distance <= GATE and i in free and j in new:
                followed.append(free.pop(i).seen(offsets[j]))
                new.discard(j)
        followed += [rival for rival in free.values() if rival.lives]
        self.known = followed + [Rival(offsets[j], offsets[j]) for j in sorted(new)]


def _offset(place_xy: Pair, origin_xy: Pair, size: float) -> Pair:
    return (place_xy[0] - origin_xy[0]) / size, (place_xy[1] - origin_xy[1]) / size
