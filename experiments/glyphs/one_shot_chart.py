"""A picture of how well distances tell the same from the different."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from episodes import OneShot

from siamtrack.eval.report_charts import COLOURS
from siamtrack.verify.metrics import Roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOWEST_RATE = 1e-3
"""Left end of the curves."""

STYLES = ("-", "--", ":", "-.")
"""One a round of colours, where there are more rows than colours."""

Styles = Mapping[str, tuple[str, str]]
"""Colour and style of a line by the name of its row."""


def draw(rows: Mapping[str, tuple[Roc, OneShot]], ways: int, title: str) -> bytes:
    """A PNG. Left: ROC curves on a logarithmic axis. Right: one-shot accuracy of so many ways with its interval."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    styles = {name: (COLOURS[i % len(COLOURS)], STYLES[i // len(COLOURS) % len(STYLES)]) for i, name in enumerate(rows)}
    # Inches: panels at least 3.8 high and high enough for the bars, a legend line 0.2 each.
    figure = Figure(figsize=(11.5, max(3.8, 0.375 * len(rows)) + 0.8 + 0.2 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=12)
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    _draw_curves(left, {name: curve for name, (curve, _) in rows.items()}, styles)
    _draw_bars(right, {name: shot for name, (_, shot) in rows.items()}, ways, styles)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


def _draw_curves(panel: Axes, curves: Mapping[str, Roc], styles: Styles) -> None:
    from matplotlib.transforms import ScaledTranslation

    ends = np.geomspace(LOWEST_RATE, 1, 200)
    panel.plot(ends, ends, color="0.6", linewidth=1, linestyle=(0, (4, 4)))
    panel.text(0.3, 0.27, "chance", color="0.45", fontsize=8, ha="left", va="top")
    for name, curve in curves.items():
        # Steps through what was counted, as `true_accept_at` gives it, from the lowest rate that so many pairs can show.
        rates = np.geomspace(min(1.0, max(LOWEST_RATE, 1 / curve.different_pairs)), 1, 800)
        accepted = curve.true_accept[np.searchsorted(curve.false_accept, rates, side="right") - 1]
        rate = f"{100 * curve.eer()[0]:5.2f}".replace(" ", "\N{FIGURE SPACE}")  # the figures line up
        label = f"AUC {curve.auc:.4f}   EER {rate} %   {name}"
        colour, style = styles[name]
        panel.plot(rates, accepted, color=colour, linestyle=style, linewidth=1.8, drawstyle="steps-post", label=label)
    panel.set_xscale("log")
    panel.set_xlim(LOWEST_RATE, 1)
    panel.set_ylim(0, 1.02)
    panel.set_xlabel("false-accept rate (different pairs accepted)")
    panel.set_ylabel("true-accept rate (same pairs accepted)")
    panel.grid(color="0.9", linewidth=0.8)
    panel.set_axisbelow(True)
    # Half an inch below the panel, where it covers no curve, however many there are.
    below = panel.transAxes + ScaledTranslation(0, -0.5, panel.figure.dpi_scale_trans)
    panel.legend(loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, fontsize=8.5, frameon=False, borderaxespad=0)


def _draw_bars(panel: Axes, shots: Mapping[str, OneShot], ways: int, styles: Styles) -> None:
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # the line of chance may pass behind a figure
    for place, (name, shot) in enumerate(shots.items()):
        value, (low, high) = 100 * shot.accuracy, (100 * end for end in shot.interval)
        panel.barh(place, value, height=0.6, color=styles[name][0])
        reach = [[max(0.0, value - low)], [max(0.0, high - value)]]
        # A white rim keeps the lower half apart from a dark bar.
        panel.errorbar(value, place, xerr=reach, color="white", elinewidth=4, capsize=6, capthick=4)
        panel.errorbar(value, place, xerr=reach, color="0.15", elinewidth=1.5, capsize=5, capthick=1.5)
        panel.text(max(value, high) + 2.5, place, f"{value:.1f} %", va="center", fontsize=9, bbox=clear)
    panel.set_yticks(range(len(shots)), list(shots), fontsize=8.5)
    panel.set_ylim(max(len(shots), 3) - 0.5, -0.5)  # the first on top, and few bars no thicker than many
    panel.set_xlim(0, 117)
    panel.set_xticks(range(0, 101, 20))
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="x", color="0.9", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.axvline(100 / ways, color="0.45", linewidth=1, linestyle=(0, (4, 4)))
    panel.set_xlabel(f"{ways}-way one-shot accuracy (%)\nwhiskers: 95 % interval over episodes; dashed: chance", fontsize=9)
