"""What changed between two evaluations on the same data, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

from siamtrack.eval.evaluation import Evaluation, Outcome, TrackerOutcome
from siamtrack.eval.scores import paired_bootstrap
from siamtrack.eval.tune_report import MIN_SEQUENCES


@dataclass(frozen=True)
class Change:
    """One tracker in both evaluations.

    Attributes:
        tracker: its name.
        ao_before, ao_now: over the sequences that pair. difference: the second less the first.
        interval: the middle 95 % of what a paired bootstrap over sequences gives for the difference.
        sequences: (name, AO before, AO now) of those that pair, the largest change first.
        left_out: names of those that do not: in one evaluation only, or with other numbers of frames that count.
    """

    tracker: str
    ao_before: float
    ao_now: float
    difference: float
    interval: tuple[float, float]
    sequences: tuple[tuple[str, float, float], ...]
    left_out: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """A few plain words."""
        if len(self.sequences) < MIN_SEQUENCES:
            return f"too few sequences to tell ({MIN_SEQUENCES} or more can)"
        if self.interval[0] > 0:
            return "higher"
        return "lower" if self.interval[1] < 0 else "not told apart"


def changes(now: Evaluation, before: Evaluation) -> list[Change]:
    """A `Change` for every tracker in both with at least one sequence that pairs, in the order of `now`.

    Raises:
        ValueError: they are of other data sets or subsets, whose figures must not be compared.
    """
    if (now.dataset, now.subset) != (before.dataset, before.subset):
        raise ValueError(
            f"the other evaluation is of {before.dataset} {before.subset}, this one of {now.dataset} {now.subset}; figures of "
            "different data must not be compared: give one of the same data set and subset"
        )
    earlier = {item.tracker: item for item in before.trackers}
    found = (_change(item, earlier[item.tracker]) for item in now.trackers if item.tracker in earlier)
    return [item for item in found if item is not None]


def _change(now: TrackerOutcome, before: TrackerOutcome) -> Change | None:
    ours, theirs = ({item.sequence: item for item in side.outcomes} for side in (now, before))
    pairs = {name: (theirs[name], item) for name, item in ours.items() if name in theirs and _pair(theirs[name], item)}
    if not pairs:
        return None
    left_out = tuple(name for name in {**ours, **theirs} if name not in pairs)
    difference, _, interval = paired_bootstrap(
        [item.overlaps for _, item in pairs.values()], [item.overlaps for item, _ in pairs.values()]
    )
    frames = sum(item.overlaps.size for _, item in pairs.values())
    ao_before, ao_now = (sum(float(pair[side].overlaps.sum()) for pair in pairs.values()) / frames for side in (0, 1))
    rows = [(name, float(old.overlaps.mean()), float(new.overlaps.mean())) for name, (old, new) in pairs.items()]
    rows.sort(key=lambda row: -abs(row[2] - row[1]))
    return Change(now.tracker, ao_before, ao_now, difference, interval, tuple(rows), left_out)


def _pair(before: Outcome, now: Outcome) -> bool:
    return 0 < before.overlaps.size == now.overlaps.size
