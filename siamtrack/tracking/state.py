"""From scores to a state: a machine with hysteresis, so that one odd frame changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.result import State

LOST_FRAMES = 3
"""LOST after so many frames in a row in which the target is missing; one is enough where the shot has just changed."""

REDETECT_FRAMES = 3
"""Re-detected after so many confirming frames in a row, and TRACKING again after as many that reach `tracking_score`."""

DOUBT_FRAMES = 10
"""Frames over which a LOST target that never went away must score `lost_score` on the average, to be UNCERTAIN again."""


@dataclass(frozen=True)
class Phase:
    """What the state machine remembers.

    Attributes:
        state: the present state.
        missing_frames: frames in a row in which the target was missing.
        confirming_frames: frames in a row, while LOST, that confirmed it.
        sure_frames: frames in a row with `tracking_score`, while LOST or tentative.
        tentative: whether the target was LOST and has not been TRACKING since.
        last_scores: at most `DOUBT_FRAMES`, of a LOST target that is looked for where it was lost.
    """

    state: State = State.TRACKING
    missing_frames: int = 0
    confirming_frames: int = 0
    sure_frames: int = 0
    tentative: bool = False
    last_scores: tuple[float, ...] = ()


def next_phase(
    phase: Phase,
    score: float,
    config: TrackerConfig,
    missing: bool,
    cut: bool = False,
    confirms: bool = False,
    in_place: bool = True,
) -> Phase:
    """The phase after a frame.

    TRACKING is gained at `tracking_score` and kept down to `doubt_score`; below it, or in a frame in which the target is
    missing, the state is UNCERTAIN. Missing in `LOST_FRAMES` frames in a row makes it LOST, the first one if the shot has
    just changed.

    LOST ends in two ways. After `REDETECT_FRAMES` confirming frames in a row the target is re-detected; one is enough where the
    shot that took it away gives way to one that shows it where it was. Or it had not gone at all: what is seen where it
    was lost scores `lost_score` on the average of `DOUBT_FRAMES`. Either way it is UNCERTAIN, tentative, until
    `REDETECT_FRAMES` scores in a row have reached `tracking_score`: to lose a target once more costs less than to claim
    something else.

    Args:
        phase: before. score: of this frame, 0..1. config: thresholds and counts.
        missing: whether the target is not seen in this frame, see `Confidence.is_missing`.
        cut: whether a new shot began with this frame; for a target that was LOST, one that may bring it back.
        confirms: whether the frame confirms a target that was LOST: it is seen so well that it may be claimed again.
        in_place: whether a target that was LOST is still looked for where that happened.
    """
    sees = score >= config.tracking_score and not missing
    sure = phase.sure_frames + 1 if sees else 0
    if phase.state is State.LOST:
        needed = 1 if cut else REDETECT_FRAMES
        confirming = phase.confirming_frames + 1 if confirms else 0
        scores = (*phase.last_scores, score)[-DOUBT_FRAMES:] if in_place else ()
        stayed = len(scores) == DOUBT_FRAMES and fmean(scores) >= config.lost_score
        if not stayed and confirming < needed:
            return Phase(State.LOST, confirming_frames=confirming, sure_frames=sure, last_scores=scores)
        return Phase(State.TRACKING) if sure >= needed else Phase(State.UNCERTAIN, sure_frames=sure, tentative=True)
    missing_frames = phase.missing_frames + 1 if missing else 0
    if missing_frames >= (1 if cut else LOST_FRAMES):
        return Phase(State.LOST)
    if phase.tentative:
        confirmed = sure >= REDETECT_FRAMES
        return Phase(State.TRACKING) if confirmed else Phase(State.UNCERTAIN, missing_frames, sure_frames=sure, tentative=True)
    kept = phase.state is State.TRACKING and score >= config.doubt_score and not missing
    return Phase(State.TRACKING if kept or sees else State.UNCERTAIN, missing_frames)
