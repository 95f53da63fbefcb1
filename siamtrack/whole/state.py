"""What a target's numbers are between frames, and `siamtrack.tracking.state` and `confidence` as a graph."""

from __future__ import annotations

from typing import NamedTuple

from siamtrack.tracking.confidence import MEAN_WEIGHT, SCORE_DROP, SCORE_WEIGHT, log_odds
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.result import State
from siamtrack.tracking.state import DOUBT_FRAMES, LOST_FRAMES, REDETECT_FRAMES
from siamtrack.tracking.target import STEPS
from siamtrack.whole.decode import sigmoid
from siamtrack.whole.graph import Value, join, where

STATES = tuple(State)
"""What the numbers 0, 1, 2 of the output `state` mean."""

TRACKING, UNCERTAIN, LOST = range(3)


class Memory(NamedTuple):
    """What a target's numbers are, in the order in which the tensor `memory` has them; each a `Value` of shape (length,).

    `Target`, `Confidence`, `Phase`, `Redetection` and `Template` say what they mean. `last_sure` is center_xy and size_wh,
    `searched_frames` counts those of a re-detection, `score_count` those in `last_scores`, `updates` the later exemplars.
    """

    center_xy: Value
    size_wh: Value
    exemplar_wh: Value
    pad_color: Value
    side_limits: Value
    steps_px: Value
    mean_logit: Value
    score_logit: Value
    seen_frames: Value
    state: Value
    missing_frames: Value
    confirming_frames: Value
    sure_frames: Value
    tentative: Value
    last_scores: Value
    score_count: Value
    last_sure: Value
    searched_frames: Value
    frames_without_sign: Value
    awaited: Value
    left_place: Value
    updates: Value
    since_update: Value


_LONGER = {"center_xy": 2, "size_wh": 2, "last_sure": 4, "exemplar_wh": 2, "pad_color": 3, "side_limits": 2, "steps_px": STEPS}
LENGTHS = {name: (_LONGER | {"last_scores": DOUBT_FRAMES}).get(name, 1) for name in Memory._fields}
"""How many numbers each of them is."""


def next_phase(memory: Memory, odds: Value, score: Value, config: TrackerConfig) -> dict[str, Value]:
    """`state.next_phase`, without cuts."""
    doubtful = log_odds((config.lost_score + config.tracking_score) / 2)
    stay = (memory.mean_logit - config.redetect_slack).at_most(doubtful)
    confirms = odds >= where(memory.left_place > 0, redetect_logit(memory, config), stay)
    missing = (sigmoid(odds) < config.lost_score) & (odds < memory.mean_logit - SCORE_DROP)
    sees = (score >= config.tracking_score) & ~missing
    sure = where(sees, memory.sure_frames + 1, 0.0)

    # LOST so far: re-detected, or never gone.
    confirming = where(confirms, memory.confirming_frames + 1, 0.0)
    scores = pushed(memory.last_scores, score, DOUBT_FRAMES)
    in_place = (memory.awaited + memory.left_place).is_(0.0)
    score_count = where(in_place, (memory.score_count + 1).at_most(DOUBT_FRAMES), 0.0)
    stayed = (score_count >= DOUBT_FRAMES) & (scores.sum(0) / DOUBT_FRAMES >= config.lost_score)
    back = stayed | (confirming >= REDETECT_FRAMES)
    enough = sure >= REDETECT_FRAMES
    state_lost = where(back, where(enough, TRACKING, UNCERTAIN), LOST)

    # Not LOST so far.
    missing_frames = where(missing, memory.missing_frames + 1, 0.0)
    gone = missing_frames >= LOST_FRAMES
    tentative = memory.tentative > 0
    kept = memory.state.is_(TRACKING) & (score >= config.doubt_score) & ~missing
    tracking = (tentative & enough) | (~tentative & (kept | sees))
    state_seen = where(gone, LOST, where(tracking, TRACKING, UNCERTAIN))

    was_lost = memory.state.is_(LOST)
    state = where(was_lost, state_lost, state_seen)
    is_lost, is_uncertain = state.is_(LOST), state.is_(UNCERTAIN)
    waits = was_lost & is_lost
    doubted = is_uncertain & (was_lost | tentative)
    fresh = was_lost | is_lost | (tentative & ~is_uncertain)
    return {
        "state": state,
        "missing_frames": where(fresh, 0.0, missing_frames),
        "confirming_frames": where(waits, confirming, 0.0),
        "sure_frames": where(waits | doubted, sure, 0.0),
        "tentative": doubted.to("real"),
        "last_scores": scores,
        "score_count": where(waits, score_count, 0.0),
    }


def redetect_logit(memory: Memory, config: TrackerConfig) -> Value:
    """`Confidence.redetect_logit`."""
    return (memory.mean_logit - config.redetect_slack).at_least(log_odds(config.redetect_score))


def scored(memory: Memory, odds: Value) -> Memory:
    """`Confidence.score`, but for the log-odds that it is made of: `score_logit`."""
    share = where(memory.state.is_(LOST), 1.0, SCORE_WEIGHT)
    return memory._replace(score_logit=memory.score_logit + (odds - memory.score_logit) * share)


def noted(memory: Memory, odds: Value) -> Memory:
    """`Confidence.note`, in frames in which the target was seen."""
    was_seen = ~memory.state.is_(LOST) & memory.missing_frames.is_(0.0)
    frames = memory.seen_frames + 1
    share = (1.0 / frames).at_least(MEAN_WEIGHT)
    mean = memory.mean_logit + (odds - memory.mean_logit) * share
    return memory._replace(
        seen_frames=where(was_seen, frames, memory.seen_frames), mean_logit=where(was_seen, mean, memory.mean_logit)
    )


def pushed(line: Value, latest: Value, length: int) -> Value:
    """The last `length` items of a line and of what comes after it."""
    return join([line.split([1, length - 1])[1], latest])
