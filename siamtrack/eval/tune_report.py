"""What a search over tracker constants found, with its spread: whether anything beats the present constants."""

from __future__ import annotations

import io
import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siamtrack.eval.scores import MIN_SEQUENCES, RESAMPLES, bootstrap_gain
from siamtrack.eval.store import write_folder
from siamtrack.eval.tune import Range, Space, Trial, plain_space

NOISE_AO = 0.01
"""A gain of less is not worth other constants, however sure it is: it will not carry over to other sequences."""


@dataclass(frozen=True)
class TuneReport:
    """What the trials say together.

    Attributes:
        about: data set, subset, model and whatever else the figures belong to, as plain data.
        space: what was searched.
        trials: all finished ones; `complete` those that ran every sequence.
        present, best: the present constants' trial, and the complete one of the highest average overlap.
        median_ao: of the complete trials.
        top: the best tenth of the complete trials (at least one).
        difference, standard_error, interval: AO of best less present, its standard error, and the middle 95 % of
            what a bootstrap over sequences gives; the two trials are resampled together.
    """

    about: Mapping[str, Any]
    space: Space
    trials: list[Trial]
    present: Trial
    best: Trial
    median_ao: float
    top: list[Trial]
    difference: float
    standard_error: float
    interval: tuple[float, float]

    @property
    def complete(self) -> list[Trial]:
        """Trials that ran every sequence; only their averages can be compared."""
        return [trial for trial in self.trials if not trial.pruned]

    @property
    def within_noise(self) -> bool:
        """Whether the gain is too small, or not told apart from none."""
        return self.difference < NOISE_AO or self.interval[0] <= 0 or len(self.present.frames) < MIN_SEQUENCES

    @property
    def verdict(self) -> str:
        """One plain sentence."""
        low, high = self.interval
        gain = f"{self.difference:+.3f} AO (95 % interval {low:+.3f} to {high:+.3f})"
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
        if isinstance(self.space[key], Range):
            return [min(values), max(values)]
        return sorted(set(values), key=str)


def make_report(trials: list[Trial], space: Space, about: Mapping[str, Any], seed: int = 0) -> TuneReport:
    """Sum up a search.

    Args:
        trials: finished ones, the present constants' among them.
        space: what was searched.
        about: what the figures belong to.
        seed: of the bootstrap.
    """
    complete = [trial for trial in trials if not trial.pruned]
    present = next(trial for trial in complete if trial.present)
    # The first of equals is the present one: a tie is no reason for a change.
    ranked = sorted(complete, key=lambda trial: (-trial.ao, trial.number))
    best = ranked[0]
    gains = best.overlap_sums - present.overlap_sums
    difference, error, interval = bootstrap_gain(gains, present.frames, seed)
    return TuneReport(
        about,
        space,
        trials,
        present,
        best,
        statistics.median(trial.ao for trial in complete),
        ranked[: math.ceil(len(ranked) / 10)],
        difference,
        error,
        interval,
    )


def plain_report(report: TuneReport) -> dict[str, Any]:
    """The whole report as plain data, for report.json."""
    return {
        "about": dict(report.about),
        "space": plain_space(report.space),
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
            "ao": report.difference,
            "standard_error": report.standard_error,
            "interval_95": list(report.interval),
            "resamples": RESAMPLES,
        },
        "verdict": report.verdict,
        "all_trials": [_plain_trial(trial) for trial in report.trials],
    }


def write_report(out: Path, report: TuneReport, title: str) -> None:
    """Write report.json and report.png into a folder, each whole or not at all.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    text = json.dumps(plain_report(report), indent=2) + "\n"
    write_folder(out, {"report.json": text, "report.png": draw(report, title)})


def draw(report: TuneReport, title: str) -> bytes:
    """A PNG with a panel a constant: its value against the average overlap, a dot for each complete trial."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(3, len(report.space))
    rows = math.ceil(len(report.space) / columns)
    figure = Figure(figsize=(4.2 * columns, 3.4 * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for panel in panels[len(report.space) :]:
        panel.set_visible(False)
    for panel, (key, item) in zip(panels, report.space.items(), strict=False):
        ticks = {} if isinstance(item, Range) else {value: place for place, value in enumerate(item.values)}
        now = report.present.ao
        panel.axhspan(now - NOISE_AO, now + NOISE_AO, color="0.9", label=f"present ± {NOISE_AO:g}")
        for trials, style in (
            (report.complete, {"marker": "o", "s": 22, "color": "tab:blue", "alpha": 0.6, "label": "trial"}),
            ([report.best], {"marker": "o", "s": 90, "facecolors": "none", "edgecolors": "tab:red", "label": "best"}),
            ([report.present], {"marker": "*", "s": 110, "color": "black", "label": "present"}),
        ):
            values = [trial.constants[key] for trial in trials]
            panel.scatter([ticks.get(value, value) for value in values], [trial.ao for trial in trials], **style)
        if ticks:
            panel.set_xticks(list(ticks.values()), [str(value) for value in ticks])
        panel.set_xlabel(key)
    for panel in panels[::columns]:
        panel.set_ylabel("AO")
    panels[0].legend(fontsize=7)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    return image.getvalue()


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
