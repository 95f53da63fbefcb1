"""How well distances tell the same from the different: pairs to measure on, ROC, equal error rate, calibration.

Everywhere a smaller distance means more alike, and a pair is accepted as the same when distance <= threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FLATTEST = 1e-3
"""Least slope of a calibration, per standard deviation of the distances: it says 50 % of everything, and still falls."""
NEWTON_STEPS = 100
"""Far more than needed: some ten steps reach the minimum, thirty where millions of pairs are separable."""


def sample_pairs(
    classes: ArrayLike, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Draw as many pairs of the same class as of different ones, none twice.

    Of same-class pairs all are taken where they are no more than count / 2, otherwise a uniform sample of count // 2.
    A different-class pair is drawn by its two classes first, each equally likely, then one item of each, so that big
    classes do not dominate. Where there are fewer different pairs than wanted, both kinds get as few.

    Args:
        classes: (n,) int; all their pairs are listed, so n is some thousands at most.
        count: most pairs wanted, at least 2. rng: what they are drawn with.

    Returns:
        first, second: (P,) int64 items, first < second; same: (P,) bool, True in the first half, False in the second.

    Raises:
        ValueError: another shape, count below 2, one class only, or no class with two items.
    """
    labels = np.asarray(classes)
    if labels.ndim != 1 or count < 2:
        raise ValueError(f"classes {labels.shape}, count {count}: classes must be (n,), and count 2 or more")
    names, of, size = np.unique(labels, return_inverse=True, return_counts=True)
    low, high = np.triu_indices(len(labels), 1)
    is_same = labels[low] == labels[high]
    same, different = np.flatnonzero(is_same), np.flatnonzero(~is_same)
    half = min(count // 2, len(same), len(different))
    if half < 1:
        raise ValueError(
            f"{len(labels)} items of {len(names)} classes make {len(same)} same pairs and {len(different)} different ones; "
            "give at least two classes, and one of them two items"
        )
    # The least of exponential waiting times come in the order of a weighted draw.
    weighed = size[of[low[different]]] * size[of[high[different]]]
    waiting = rng.standard_exponential(len(different)) * weighed
    chosen = np.concatenate([rng.choice(same, half, replace=False), different[np.argsort(waiting)[:half]]])
    return low[chosen], high[chosen], np.arange(2 * half) < half


@dataclass(frozen=True)
class Roc:
    """What each threshold accepts, rightly and wrongly.

    Attributes:
        thresholds: (T,) float64, ascending: −inf, which accepts nothing, then every distance that occurs, once.
        false_accept: (T,) float64, share of different pairs accepted; never falls, from 0 to 1.
        true_accept: (T,) float64, share of same pairs accepted; never falls, from 0 to 1.
        same_pairs, different_pairs: how many of each kind the rates are shares of.
    """

    thresholds: NDArray[np.float64]
    false_accept: NDArray[np.float64]
    true_accept: NDArray[np.float64]
    same_pairs: int
    different_pairs: int

    @property
    def auc(self) -> float:
        """Area under the curve: how often a same pair lies nearer than a different one; a tie counts half."""
        heights = (self.true_accept[1:] + self.true_accept[:-1]) / 2
        return float(np.diff(self.false_accept) @ heights)

    def eer(self) -> tuple[float, float]:
        """Equal error rate and its threshold: where as many different pairs are accepted as same ones refused.

        Between two thresholds both are interpolated. Where the rates are equal from one distance to the next, the threshold is
        the middle between these two.
        """
        excess = self.false_accept + self.true_accept - 1  # from −1 to 1, and it rises at every threshold
        i = int(np.argmax(excess > -1e-12))
        if excess[i] < 1e-12:
            return float(self.false_accept[i]), float(self.thresholds[i] / 2 + self.thresholds[i + 1] / 2)
        part = -excess[i - 1] / (excess[i] - excess[i - 1])
        rate = (1 - part) * self.false_accept[i - 1] + part * self.false_accept[i]
        if i == 1:  # nothing to interpolate from but −inf
            return float(rate), float(self.thresholds[i])
        return float(rate), float((1 - part) * self.thresholds[i - 1] + part * self.thresholds[i])

    def threshold_at(self, false_accept_rate: float) -> float:
        """The largest of `thresholds` whose false-accept rate does not exceed the wanted one; it may be −inf.

        Raises:
            ValueError: the rate is not above 0 and up to 1, or there are too few different pairs to measure it.
        """
        return float(self.thresholds[self._place(false_accept_rate)])

    def true_accept_at(self, false_accept_rate: float) -> float:
        """Share of same pairs accepted at `threshold_at` of that rate; raises as it does."""
        return float(self.true_accept[self._place(false_accept_rate)])

    def _place(self, rate: float) -> int:
        if not 0 < rate <= 1:
            raise ValueError(f"false-accept rate {rate:g} must be above 0 and at most 1; 0.001 is one pair in a thousand")
        # The slack is for rates such as 1 / 49, whose product with 49 rounds to less than 1.
        if self.different_pairs * rate < 1 - 1e-9:
            raise ValueError(
                f"{self.different_pairs} different pairs cannot show a false-accept rate of {rate:g}: it takes "
                f"{math.ceil(1 / rate - 1e-6)} or more; give more pairs or ask for a higher rate"
            )
        return int(np.searchsorted(self.false_accept, rate, side="right")) - 1


def roc(distances: ArrayLike, same: ArrayLike) -> Roc:
    """Count what every threshold accepts; pairs of the same distance are accepted together.

    Args:
        distances: (P,) finite. same: (P,) bool, whether the pair is the same.

    Raises:
        ValueError: other shapes or types, a distance that is not finite, or pairs of one kind only.
    """
    values, labels = _checked_pairs(distances, same)
    order = np.argsort(values)
    values, labels = values[order], labels[order]
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)  # last pair of each distance
    accepted_same = np.cumsum(labels)[last]
    accepted_different = last + 1 - accepted_same
    return Roc(
        np.append(-np.inf, values[last]),
        np.append(0.0, accepted_different / accepted_different[-1]),
        np.append(0.0, accepted_same / accepted_same[-1]),
        int(accepted_same[-1]),
        int(accepted_different[-1]),
    )


@dataclass(frozen=True)
class Calibration:
    """Probability that a pair is the same, of its distance: 1 / (1 + exp(slope * (distance - midpoint))).

    Attributes:
        slope: above 0, per unit of distance.
        midpoint: distance at which the probability is one half.

    Raises:
        ValueError: a slope that is not above 0, or a number that is not finite.
    """

    slope: float
    midpoint: float

    def __post_init__(self) -> None:
        if not (0 < self.slope < math.inf and math.isfinite(self.midpoint)):
            raise ValueError(
                f"slope {self.slope:g} and midpoint {self.midpoint:g}: both must be finite and the slope above 0, "
                "as a nearer pair is never less likely the same; fit them with calibrate"
            )

    def probability(self, distance: ArrayLike) -> NDArray[np.float64]:
        """Probability in 0..1 of each distance, of the same shape; NaN for NaN.

        It holds where same and different pairs are as frequent as each other.
        """
        # A product beyond the largest number means 0 or 1, and gives it.
        with np.errstate(over="ignore", invalid="ignore"):
            exponent = self.slope * (np.asarray(distance, dtype=np.float64) - self.midpoint)
            return np.asarray(np.exp(-np.logaddexp(0.0, exponent)))


def calibrate(distances: ArrayLike, same: ArrayLike) -> Calibration:
    """Fit a `Calibration` by logistic regression.

    Both kinds weigh the same in all, however many pairs they have: the prior is 50 %. Targets are smoothed as Platt
    does, (n + 1) / (n + 2) for n same pairs and 1 / (n + 2) for n different ones, so that separable data have a
    finite slope: few pairs do not prove certainty. (A target that is never 0 makes a pair that lies thousands of
    spreads away flatten the curve; bounded distances have none.) Where distances do not fall for same pairs, the slope is
    `FLATTEST` per standard deviation, about the middle of both kinds' means, and every probability is near 50 %.

    Args:
        distances: (P,) finite. same: (P,) bool.

    Raises:
        ValueError: as `roc`.
    """
    values, labels = _checked_pairs(distances, same)
    positives = int(labels.sum())
    negatives = len(labels) - positives
    weight = np.where(labels, 0.5 / positives, 0.5 / negatives)
    target = np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    centre = float(weight @ values)
    spread = math.sqrt(float(weight @ (values - centre) ** 2))
    if spread <= max(1e-12 * float(np.abs(values).max()), 1e-150):  # all the same, but for rounding
        return Calibration(FLATTEST, centre)
    offset, steepness = _fit_logistic((values - centre) / spread, target, weight)
    if steepness < FLATTEST:
        offset, steepness = 0.0, FLATTEST
    return Calibration(steepness / spread, centre + spread * offset / steepness)


def _fit_logistic(x: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, float]:
    """Offset and steepness that make sigmoid(offset - steepness * x) fit best, by Newton's method with halved steps.

    The loss is convex, and as every target lies within 0..1 its minimum is finite.
    """
    design = np.stack([np.ones_like(x), -x])

    def loss(at: NDArray[np.float64]) -> float:
        logit = at @ design
        return float(weight @ (np.logaddexp(0.0, logit) - target * logit))

    place = np.zeros(2)
    now = loss(place)
    for _ in range(NEWTON_STEPS):
        probability = np.exp(-np.logaddexp(0.0, -(place @ design)))
        gradient = design @ (weight * (probability - target))
        curvature = (design * (weight * probability * (1 - probability))) @ design.T
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        length = 1.0
        while (then := loss(place - length * step)) > now - 1e-4 * length * float(gradient @ step) and length > 1e-9:
            length /= 2
        if then >= now:  # no longer falls: rounding is all that is left
            break
        place, now = place - length * step, then
    return float(place[0]), float(place[1])


def _checked_pairs(distances: ArrayLike, same: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, labels = np.asarray(distances, dtype=np.float64), np.asarray(same)
    if values.ndim != 1 or values.shape != labels.shape:
        raise ValueError(f"distances {values.shape} and same {labels.shape} do not fit: both must be (P,), one entry a pair")
    if len(labels) and labels.dtype != np.bool_:
        raise ValueError(f"same has type {labels.dtype}, bool is wanted: True where the pair is the same")
    if not np.isfinite(values).all():
        raise ValueError(f"{int((~np.isfinite(values)).sum())} of {len(values)} distances are NaN or infinite; leave them out")
    hits = int(labels.sum())
    if not 0 < hits < len(labels):
        raise ValueError(f"{hits} same and {len(labels) - hits} different pairs; both kinds are needed")
    return values, labels
