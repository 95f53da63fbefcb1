"""A picture of how well distances tell the same from the different."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from episodes import OneShot

from siamtrack.errors import OutputError
from siamtrack.system import replace_file
from siamtrack.verify.metrics import Roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOWEST_RATE = 1e-3
"""Left end of the curves."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's, which the colour-blind tell apart; their yellow is left out: it is too faint on white."""
LEGEND_WIDTH, BAR_WIDTH = 48, 26
"""Characters of a name in a line, in the legend and beside the bars."""
STYLES = ("-", "--", ":", "-.")
"""One a round of colours, where there are more rows than colours."""


def write_report(path_png: str | Path, rows: Mapping[str, tuple[Roc, OneShot | None]], title: str) -> None:
    """Draw the rows and write a PNG, whole or not at all; its folder is made if missing.

    Left: the share of same pairs accepted against that of different ones, from `LOWEST_RATE` or, where a row has
    too few different pairs to show so low a rate, from one in their number. Right: one-shot accuracy with its
    interval, of the rows that have it; left out if none has.

    Args:
        path_png: where to. rows: ROC and, where measured, one-shot accuracy, by name. title: one line or more.

    Raises:
        ValueError: no rows.
        OutputError: the file cannot be written.
    """
    if not rows:
        raise ValueError("no rows to draw; give at least one name with its Roc")
    path = Path(path_png)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, draw(rows, title))
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}); give a path that can") from error


def draw(rows: Mapping[str, tuple[Roc, OneShot | None]], title: str) -> bytes:
    """The picture of `write_report` as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shots = {name: shot for name, (_, shot) in rows.items() if shot is not None}
    below = sum(len(_wrapped(name, LEGEND_WIDTH)) for name in rows)
    beside = len(shots) * max((len(_wrapped(name, BAR_WIDTH)) + 1.5 for name in shots), default=0.0)
    # Inches: panels at least 3.8 high and high enough for the names beside the bars, a legend line 0.2 each.
    figure = Figure(figsize=(11.5 if shots else 6.5, max(3.8, 0.15 * beside) + 0.8 + 0.2 * below), layout="constrained")
    FigureCanvasAgg(figure)
    heading = [part for line in title.splitlines() for part in _wrapped(line, 100 if shots else 60)]
    figure.suptitle(_plain("\n".join(heading)), fontsize=12)
    panels = figure.subplots(1, 2 if shots else 1, squeeze=False, width_ratios=[1.15, 1] if shots else None)[0]
    styles = {name: (COLOURS[i % len(COLOURS)], STYLES[i // len(COLOURS) % len(STYLES)]) for i, name in enumerate(rows)}
    _draw_curves(panels[0], {name: curve for name, (curve, _) in rows.items()}, styles)
    if shots:
        _draw_bars(panels[1], shots, styles)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


def _draw_curves(panel: Axes, curves: Mapping[str, Roc], styles: Mapping[str, tuple[str, str]]) -> None:
    from matplotlib.transforms import ScaledTranslation

    ends = np.geomspace(LOWEST_RATE, 1, 200)
    panel.plot(ends, ends, color="0.6", linewidth=1, linestyle=(0, (4, 4)))
    panel.text(0.3, 0.27, "chance", color="0.45", fontsize=8, ha="left", va="top")
    for name, curve in curves.items():
        # Steps through what was counted, as `true_accept_at` gives it, however many pairs there are.
        rates = np.geomspace(min(1.0, max(LOWEST_RATE, 1 / curve.different_pairs)), 1, 800)
        accepted = curve.true_accept[np.searchsorted(curve.false_accept, rates, side="right") - 1]
        # The figures stand first: they line up, and a name that begins with an underscore is no hidden entry.
        rate = f"{100 * curve.eer()[0]:5.2f}".replace(" ", "\N{FIGURE SPACE}")
        figures = f"AUC {curve.auc:.4f}   EER {rate} %   "
        label = figures + _plain("\n".join(_wrapped(name, LEGEND_WIDTH)))
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


def _draw_bars(panel: Axes, shots: Mapping[str, OneShot], styles: Mapping[str, tuple[str, str]]) -> None:
    kinds = {(shot.ways, shot.shots) for shot in shots.values()}
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # the line of chance may pass behind a figure
    names = []
    for place, (name, shot) in enumerate(shots.items()):
        value, (low, high) = 100 * shot.accuracy, (100 * end for end in shot.interval)
        panel.barh(place, value, height=0.6, color=styles[name][0])
        reach = [[max(0.0, value - low)], [max(0.0, high - value)]]
        # A white rim keeps the lower half apart from a dark bar.
        panel.errorbar(value, place, xerr=reach, color="white", elinewidth=4, capsize=6, capthick=4)
        panel.errorbar(value, place, xerr=reach, color="0.15", elinewidth=1.5, capsize=5, capthick=1.5)
        panel.text(max(value, high) + 2.5, place, f"{value:.1f} %", va="center", fontsize=9, bbox=clear)
        lines = [_plain(line) for line in _wrapped(name, BAR_WIDTH)]
        if len(kinds) > 1:
            lines.append(f"({shot.ways}-way, {shot.shots}-shot)")
        names.append("\n".join(lines))
    panel.set_yticks(range(len(names)), names, fontsize=8.5)
    panel.set_ylim(max(len(names), 3) - 0.5, -0.5)  # the first on top, and few bars no thicker than many
    panel.set_xlim(0, 117)
    panel.set_xticks(range(0, 101, 20))
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="x", color="0.9", linewidth=0.8)
    panel.set_axisbelow(True)
    label, note = "accuracy (%)", "whiskers: 95 % interval over episodes"
    if len(kinds) == 1:
        ways, count = next(iter(kinds))
        label, note = f"{ways}-way, {count}-shot accuracy (%)", f"{note}; dashed: chance"
        panel.axvline(100 / ways, color="0.45", linewidth=1, linestyle=(0, (4, 4)))
    panel.set_xlabel(f"{label}\n{note}", fontsize=9)


def _wrapped(name: str, width: int) -> list[str]:
    return textwrap.wrap(name, width) or [""]


def _plain(text: str) -> str:
    return text.replace("$", r"\$")  # no formulas
