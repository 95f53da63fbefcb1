"""From a candidate to a calibrated score, and the mean logit of a target."""

from __future__ import annotations

import math

from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.decode import LOGIT_LIMIT, Candidate

MEAN_WEIGHT = 0.05
"""Share of each frame in the running mean of a target's logit."""

SCORE_WEIGHT = 0.3
"""Share of each frame in the log-odds of the score: a few frames tell more than one."""

SCORE_DROP = 2.0
"""A target is LOST only if its logit has dropped by so much below its mean."""


class Confidence:
    """The score of one target: the probability that its box overlaps it by more than one half.

    Targets differ in how well they match their exemplar, each for itself from beginning to end: one threshold for all never
    re-detects the worst, and takes anything for the best. So a target's own mean logit counts beside the thresholds.

    Args:
        config: weights of the score, fitted by experiments/lost/fit_score.py, and its thresholds.
        aspect: width over height of the target in its first frame.

    Attributes:
        mean_logit: of the frames in which the target was seen; before the first one what makes it TRACKING.
    """

    def __init__(self, config: TrackerConfig, aspect: float) -> None:
        self._config, self._aspect = config, aspect
        self._frames = 0
        self.mean_logit = self._score_logit = log_odds(min(max(config.tracking_score, 0.01), 0.99))

    def logit(self, candidate: Candidate) -> float:
        """Log-odds that a candidate is the target, by this frame alone."""
        seen = (candidate.logit, candidate.margin, candidate.quality, shape_change(candidate, self._aspect))
        weighed = sum(weight * value for weight, value in zip(self._config.score_weights, seen, strict=True))
        return weighed + self._config.score_offset

    def score(self, logit: float, afresh: bool) -> float:
        """The score with this frame, of which the last ones are a part. Args: afresh: they say nothing of what is seen now."""
        self._score_logit += (logit - self._score_logit) * (1 if afresh else SCORE_WEIGHT)
        return sigmoid(self._score_logit)

    def is_missing(self, logit: float, cut: bool = False) -> bool:
        """Whether the target is not seen in this frame: it scores low, and far below its mean.

        Args:
            logit: of the candidate. cut: whether a new shot began with this frame. Few targets are in both shots, so it must be
                seen as well as a lost one in its place; a black frame may score above `lost_score`.
        """
        if cut:
            return logit < self.stay_logit
        return sigmoid(logit) < self._config.lost_score and logit < self.mean_logit - SCORE_DROP

    def note(self, logit: float) -> None:
        """Take a frame in which the target was seen into the mean."""
        self._frames += 1
        self.mean_logit += (logit - self.mean_logit) * max(1 / self._frames, MEAN_WEIGHT)

    @property
    def redetect_logit(self) -> float:
        """Log-odds at which a lost target may be claimed again: nearly as good as it was before."""
        return max(log_odds(self._config.redetect_score), self.mean_logit - self._config.redetect_slack)

    @property
    def stay_logit(self) -> float:
        """The same where it was lost: a doubt will do, it may have changed."""
        doubtful = log_odds((self._config.lost_score + self._config.tracking_score) / 2)
        return min(doubtful, self.mean_logit - self._config.redetect_slack)


def shape_change(candidate: Candidate, first_aspect: float) -> float:
    """How far the target's shape has gone from the first frame's: boxes that drift take the shape of what they are on.

    The root, since a small change tells nearly as much as a large one.
    """
    return math.sqrt(max(abs(math.log(aspect / first_aspect)) for aspect in candidate.aspects))


def sigmoid(logit: float) -> float:
    """Probability of log-odds."""
    return 1 / (1 + math.exp(-min(max(logit, -LOGIT_LIMIT), LOGIT_LIMIT)))


def log_odds(probability: float) -> float:
    """Log-odds; of 0 and 1, infinite."""
    if probability in (0, 1):
        return math.inf if probability else -math.inf
    return math.log(probability / (1 - probability))
