"""What a tracker says of one frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from siamtrack.boxes import Box


class State(str, Enum):
    """What the tracker knows of its target."""

    TRACKING = "TRACKING"
    UNCERTAIN = "UNCERTAIN"
    LOST = "LOST"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class TrackResult:
    """What one frame gave.

    Attributes:
        box: `(x, y, w, h)`, 0-based float, within the frame.
        score: 0..1, the estimated probability that the box overlaps the target by more than one half; the box
            given to `init` scores 1.
        state: TRACKING, UNCERTAIN or LOST, by the score.
    """

    box: Box
    score: float
    state: State
