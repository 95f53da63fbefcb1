"""A picture of what `siamtrack bench` measured: a panel for each kind of figure that there is."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from siamtrack.eval.folder import write_folder
from siamtrack.eval.frame_profile import PARTS
from siamtrack.eval.report_style import COLOURS
from siamtrack.eval.speed_cost import CostCurve
from siamtrack.eval.speed_report import SpeedReport

_MARKERS = "os^DvP*"


def write_plot(path: Path, report: SpeedReport) -> None:
    """Write the picture as PNG, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_folder(path.parent, {path.name: draw(report)}, "give --plot a place that can")


def draw(report: SpeedReport) -> bytes:
    """A PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels: list[Callable[[Any], None]] = [lambda panel: _speeds(panel, report)]
    if report.rooflines:
        panels.append(lambda panel: _roofs(panel, report))
    if report.profiles:
        panels.append(lambda panel: _profiles(panel, report))
    if report.targets:
        panels.append(lambda panel: _targets(panel, report.targets))
    if report.sizes:
        panels.append(lambda panel: _sizes(panel, report.sizes))
    if report.lengths:
        panels += [lambda panel: _lengths(panel, report, memory=False), lambda panel: _lengths(panel, report, memory=True)]
    columns = {1: 1, 2: 2, 4: 2}.get(len(panels), 3 if len(panels) < 7 else 4)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(5.4 * columns, 4.1 * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    where = f"{report.machine.processor}, {report.machine.threads} threads"
    figure.suptitle(
        _no_formula(f"{report.clip['name']}, {report.clip['frames']} frames, {report.rounds} rounds; {where}"), fontsize=11
    )
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in places[len(panels) :]:
        place.set_visible(False)
    for place, panel in zip(places, panels, strict=False):
        panel(place)
        place.spines[["top", "right"]].set_visible(False)
        place.tick_params(labelsize=8)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


def _speeds(panel: Any, report: SpeedReport) -> None:
    names = [_no_formula(one.name) for one in report.contenders]
    rows = np.arange(len(names))
    kinds = ("network", "tracker", "end_to_end")
    for place, kind in enumerate(kinds):
        found = [(row, getattr(one, kind)) for row, one in zip(rows, report.contenders, strict=True) if getattr(one, kind)]
        label = kind.replace("_", " ")
        speeds = [figures.fps for _, figures in found]
        bars = panel.barh([row + 0.27 * (place - 1) for row, _ in found], speeds, 0.25, color=COLOURS[place], label=label)
        panel.bar_label(bars, fmt="%.1f", fontsize=7, padding=2)
    panel.set_yticks(rows, names)
    panel.invert_yaxis()
    panel.margins(x=0.14)
    panel.set_title("Frames per second", fontsize=10)
    panel.grid(axis="x", color="0.92")
    panel.set_axisbelow(True)
    panel.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3)


def _roofs(panel: Any, report: SpeedReport) -> None:
    machine = report.machine
    intensities = [one.intensity for one in report.rooflines]
    ridge = [peak / machine.bandwidth_gb_s for peak in machine.peak_gflops.values()]
    ends = np.geomspace(min([*intensities, *ridge]) / 4, max([*intensities, *ridge]) * 4, 200)
    for (name, peak), style in zip(machine.peak_gflops.items(), ("-", "--", ":", "-."), strict=False):
        roof = np.minimum(peak, machine.bandwidth_gb_s * ends)
        label = f"{name}: {peak:.0f} GFLOP/s, {machine.bandwidth_gb_s:.1f} GB/s"
        panel.plot(ends, roof, color="0.45", linestyle=style, linewidth=1.6, label=label)
    for place, one in enumerate(report.rooflines):
        panel.plot(
            [one.intensity],
            [one.gflops],
            _MARKERS[place % len(_MARKERS)],
            color=COLOURS[place % len(COLOURS)],
            label=f"{_no_formula(one.contender)}: {one.gflops:.0f} GFLOP/s, {100 * one.of_limit:.0f} % of the roof",
        )
    panel.set_xscale("log")
    panel.set_yscale("log")
    _plain_ticks(panel.xaxis, (1.0,))
    _plain_ticks(panel.yaxis)
    panel.set_ylim(top=max([*machine.peak_gflops.values(), *(one.gflops for one in report.rooflines)]) * 2)
    panel.set_xlabel("floating point operations a byte", fontsize=9)
    panel.set_ylabel("GFLOP/s", fontsize=9)
    panel.set_title("Under the machine's roof", fontsize=10)
    panel.grid(color="0.92", which="major")
    panel.legend(fontsize=7.5, frameon=False, loc="upper left")


def _profiles(panel: Any, report: SpeedReport) -> None:
    rows = np.arange(len(PARTS))
    step = 0.8 / len(report.profiles)
    for place, one in enumerate(report.profiles):
        # On a logarithmic axis: beside the network all else would be a line too thin to see.
        us = [max(one.us[part], 0.1) for part in PARTS]
        label = f"{_no_formula(one.contender)}: {one.total_us / 1e3:.1f} ms"
        offset = step * (place - (len(report.profiles) - 1) / 2)
        bars = panel.barh(rows + offset, us, 0.9 * step, color=COLOURS[place % len(COLOURS)], label=label)
        panel.bar_label(bars, [f"{100 * one.shares[part]:.2g} %" for part in PARTS], fontsize=6.5, padding=2)
    panel.set_xscale("log")
    panel.set_xlim(left=1, right=10 * max(max(one.us.values()) for one in report.profiles))
    panel.set_yticks(rows, [words.replace(" the ", "\nthe ").replace(": ", ":\n") for words in PARTS.values()])
    panel.invert_yaxis()
    _plain_ticks(panel.xaxis, (1.0,))
    panel.set_xlabel("microseconds of a frame", fontsize=9)
    panel.set_title("Where a frame's time goes, and its share", fontsize=10)
    panel.grid(axis="x", color="0.92")
    panel.set_axisbelow(True)
    panel.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.14), ncols=2)


def _targets(panel: Any, curves: Sequence[CostCurve]) -> None:
    for place, curve in enumerate(curves):
        _line(panel, place, curve.contender, [cost.at for cost in curve.points], [cost.p50_ms for cost in curve.points])
        first, last = curve.points[0], curve.points[-1]
        panel.plot(
            [first.at, last.at],
            [first.p50_ms, first.p50_ms * last.at / first.at],
            color=COLOURS[place % len(COLOURS)],
            linestyle=":",
            linewidth=1.2,
        )
    panel.plot([], [], color="0.4", linestyle=":", label="in proportion to the first")
    counts = sorted({cost.at for curve in curves for cost in curve.points})
    _log(panel, "x", counts, [str(count) for count in counts])
    panel.set_yscale("log")
    _plain_ticks(panel.yaxis)
    panel.set_xlabel("targets", fontsize=9)
    panel.set_ylabel("ms a frame, p50", fontsize=9)
    panel.set_title("Time against targets", fontsize=10)
    _finish(panel)


def _sizes(panel: Any, curves: Sequence[CostCurve]) -> None:
    for place, curve in enumerate(curves):
        _line(panel, place, curve.contender, [cost.at for cost in curve.points], [cost.p50_ms for cost in curve.points])
    ticks = {cost.at: cost.label for curve in curves for cost in curve.points}
    _log(panel, "x", list(ticks), list(ticks.values()))
    panel.set_ylim(bottom=0)
    panel.set_xlabel("frame size (by pixels)", fontsize=9)
    panel.set_ylabel("ms a frame, p50", fontsize=9)
    panel.set_title("Time against frame size", fontsize=10)
    _finish(panel)


def _lengths(panel: Any, report: SpeedReport, memory: bool) -> None:
    for place, curve in enumerate(report.lengths):
        frames = [point.frames for point in curve.points]
        _line(panel, place, curve.contender, frames, [point.memory_mb if memory else point.ms for point in curve.points])
    marks = sorted({point.frames for curve in report.lengths for point in curve.points})
    _log(panel, "x", marks, [f"{mark:,}" for mark in marks])
    top = max(point.memory_mb if memory else point.ms for curve in report.lengths for point in curve.points)
    panel.set_ylim(0, 1.25 * top)
    panel.set_xlabel("frames tracked", fontsize=9)
    panel.set_ylabel("resident memory, MB" if memory else "ms a frame since the mark before", fontsize=9)
    panel.set_title("Memory against length" if memory else "Time against length", fontsize=10)
    _finish(panel)


def _line(panel: Any, place: int, name: str, x: Sequence[float], y: Sequence[float]) -> None:
    colour, marker = COLOURS[place % len(COLOURS)], _MARKERS[place % len(_MARKERS)]
    # Dashes of different lengths: lines that lie on one another are both seen.
    style: Any = "-" if place == 0 else (0, (2 + 2 * place, 2))
    panel.plot(x, y, color=colour, marker=marker, linestyle=style, markersize=5, linewidth=1.6, label=_no_formula(name))


def _plain_ticks(axis: Any, steps: Sequence[float] = (1.0, 2.0, 5.0)) -> None:
    """Plain numbers on a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _log(panel: Any, axis: str, ticks: Sequence[float], labels: Sequence[str]) -> None:
    panel.set_xscale("log")
    panel.set_xticks(ticks, labels, rotation=30 if max(map(len, labels)) > 4 else 0)
    panel.set_xticks([], minor=True)


def _finish(panel: Any) -> None:
    panel.grid(color="0.92")
    panel.set_axisbelow(True)
    panel.legend(fontsize=8, frameon=False)


def _no_formula(text: str) -> str:
    return text.replace("$", r"\$")
