"""From scores to a state: a machine with hysteresis, so that one odd frame changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from siamtrack.tracking.result import State
from siamtrack.tracking.settings import TrackerConfig


@dataclass(frozen=True)
class Phase:
    """What the machine remembers.

    Attributes:
        state: what it says.
        low: frames in a row whose score lay below `lost_score`.
        high: frames in a row, while LOST, that were convincing.
    """

    state: State = State.TRACKING
    low: int = 0
    high: int = 0


def next_phase(
    phase: Phase, score: float, config: TrackerConfig, fallen: bool = True, cut: bool = False, convincing: bool = False
) -> Phase:
    """The phase after a frame.

    TRACKING is gained at `tracking_score` and kept down to `doubt_score`; below it the state is UNCERTAIN. `lost_frames`
    scores in a row that are below `lost_score` and have fallen make it LOST, the first one if the shot has just
    changed. LOST is left by `refind_frames` convincing frames in a row; the first one is enough where the shot that took the
    target away gives way to one that shows it where it was.

    Args:
        phase: before. score: of this frame, 0..1. config: thresholds and counts.
        fallen: whether the score is far below what is usual for this target.
        cut: whether a new shot began with this frame; for a target that was LOST, one that may bring it back.
        convincing: whether a target that was LOST is seen so well that it may be claimed again.
    """
    if phase.state is State.LOST:
        high = phase.high + 1 if convincing else 0
        if high < (1 if cut else config.refind_frames):
            return Phase(State.LOST, high=high)
        return Phase(State.TRACKING if score >= config.tracking_score else State.UNCERTAIN)
    low = phase.low + 1 if fallen and score < config.lost_score else 0
    if low >= (1 if cut else config.lost_frames):
        return Phase(State.LOST)
    kept = phase.state is State.TRACKING and score >= config.doubt_score
    return Phase(State.TRACKING if kept or score >= config.tracking_score else State.UNCERTAIN, low)
