"""What a search over tracker constants found, with its spread: whether anything beats the present constants."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from siamtrack.eval.scores import MIN_SEQUENCES, RESAMPLES, bootstrap_gain
from siamtrack.eval.tune import Space, Trial, is_range

NOISE_AO = 0.01
"""A gain of less is not worth other constants, however sure it is: it will not carry over to other sequences."""


@dataclass(frozen=True)
class TuneReport:
    """What the trials say together.

    Attributes:
        trials: all finished ones, the present constants' among them. space: what was searched.
        about: data set, subset, model and whatever else the figures belong to, as plain data.
        seed: of the bootstrap.
    """

    trials: list[Trial]
    space: Space
    about: Mapping[str, Any]
    seed: int = 0

    @cached_property
    def complete(self) -> list[Trial]:
        """Trials that ran every sequence, whose averages alone can be compared: the best first, of equals the earliest."""
        return sorted((trial for trial in self.trials if not trial.pruned), key=lambda trial: (-trial.ao, trial.number))

    @property
    def best(self) -> Trial:
        """The complete trial of the highest average overlap; a tie with the present constants is no reason for a change."""
        return self.complete[0]

    @property
    def present(self) -> Trial:
        """That of the present constants."""
        return next(trial for trial in self.complete if trial.present)

    @property
    def median_ao(self) -> float:
        """Of the complete trials."""
        return statistics.median(trial.ao for trial in self.complete)

    @property
    def top(self) -> list[Trial]:
        """The best tenth of the complete trials, at least one."""
        return self.complete[: math.ceil(len(self.complete) / 10)]

    @cached_property
    def gain(self) -> tuple[float, float, tuple[float, float]]:
        """AO of best less present, its standard error, and the middle 95 % of a bootstrap over sequences."""
        return bootstrap_gain(self.best.overlap_sums - self.present.overlap_sums, self.present.frames, self.seed)

    @property
    def within_noise(self) -> bool:
        """Whether the gain is too small, or not told apart from none."""
        difference, _, (low, _) = self.gain
        return difference < NOISE_AO or low <= 0 or len(self.present.frames) < MIN_SEQUENCES

    @property
    def verdict(self) -> str:
        """One plain sentence."""
        difference, _, (low, high) = self.gain
        gain = f"{difference:+.3f} AO (95 % interval {low:+.3f} to {high:+.3f})"
        if self.best is self.present:
            return "within noise: keep the present constants (none of the others is better)."
        if len(self.present.frames) < MIN_SEQUENCES:
            return (
                f"within noise: keep the present constants (the best of the others gives {gain}, but "
                f"{len(self.present.frames)} sequences cannot tell; {MIN_SEQUENCES} or more can)."
            )
        if self.within_noise:
            return f"within noise: keep the present constants (the best of the others gives {gain})."
        return (
            f"trial {self.best.number} beats the present constants by {gain}; it was chosen on these sequences, "
            "so check it on others before you keep it."
        )

    def top_range(self, key: str) -> list[Any]:
        """Lowest and highest value of a constant among the top trials, or the choices that they made."""
        values = [trial.constants[key] for trial in self.top]
        if is_range(key, self.space[key]):
            return [min(values), max(values)]
        return sorted(set(values), key=str)


def plain_report(report: TuneReport) -> dict[str, Any]:
    """The whole report as plain data, for report.json."""
    difference, error, interval = report.gain
    return {
        "about": dict(report.about),
        "space": {key: list(values) for key, values in report.space.items()},
        "trials": len(report.trials),
        "complete": len(report.complete),
        "pruned": len(report.trials) - len(report.complete),
        "present": _plain_trial(report.present),
        "best": _plain_trial(report.best),
        "median_ao": report.median_ao,
        "top_decile": {
            "trials": len(report.top),
            "lowest_ao": report.top[-1].ao,
            "constants": {key: report.top_range(key) for key in report.space},
        },
        "best_less_present": {
            "ao": difference,
            "standard_error": error,
            "interval_95": list(interval),
            "resamples": RESAMPLES,
        },
        "verdict": report.verdict,
        "all_trials": [_plain_trial(trial) for trial in report.trials],
    }


def _plain_trial(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "ao": trial.ao,
        "constants": trial.constants,
        "sequences": len(trial.frames),
        "frames": int(trial.frames.sum()),
        "pruned": trial.pruned,
        "present": trial.present,
    }
