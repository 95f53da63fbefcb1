"""Charts of an evaluation as inline SVG.

Places along x are percentages and places along y pixels, so that a chart is as wide as its column while its text keeps
its size: what reads well on a screen reads well on a phone. Colours are the page's CSS variables. What is given as text
is escaped.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NOTHING = "–"
"""Stands where there is no figure."""

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
"""Okabe and Ito's, which the colour-blind tell apart, the clearest first; their yellow is left out: it is too faint on
white. On the page they are `var(--c0)` and so on (assets/report.css): black turns to white in the dark."""

DASHES = ("none", "9 4", "2 3", "10 4 2 4", "12 3 2 3 2 3")
MARKERS = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
    "M-4.5 -4.5h9v9h-9z",
    "M0 -6L6 4.8H-6z",
    "M0 -6.6L6.2 0L0 6.6L-6.2 0z",
    "M-2 -6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
    "M0 6L6 -4.8H-6z",
)
"""Circle, square, triangle, diamond, cross, triangle upside down. Their number, that of the dashes and that of the
colours have no common factor: trackers that share the one differ in the others."""
ROWS = 20
"""Most bars in a chart; more go to the next one, beside it where there is room."""
NAME_LENGTH = 19
"""Letters of a name that charts have room for; longer ones lose their middle."""
_BAR_OPACITY = 0.75  # the grid and the markers stay visible
_LEFT, _WIDE = 11.0, 85.0  # the panel of a chart with two axes, per cent
_NARROW_PX = 300  # that panel on a phone; what does not collide there does not collide on anything wider
_LINE_PX, _CHAR_PX = 16, 7.2  # a line of text, and a generous letter


class TrackerStyle(NamedTuple):
    """How a tracker is told from the others: by colour, and without it by dashes or marker."""

    colour: str
    dash: str
    marker: str


class Curve(NamedTuple):
    """One line of a chart: values in 0..1 at evenly spaced x, and the figure that its legend gives."""

    name: str
    style: TrackerStyle
    figure: float
    values: NDArray[np.float64]


class BarRow(NamedTuple):
    """One row of a chart of bars: a length in 0..1, and other trackers' values as (name, style, value)."""

    name: str
    tracker: str
    style: TrackerStyle
    value: float
    others: tuple[tuple[str, TrackerStyle, float], ...]


class Dot(NamedTuple):
    """One tracker in the scatter: frames per second, above 0, and average overlap in 0..1."""

    name: str
    style: TrackerStyle
    fps: float
    ao: float


def safe(text: object) -> str:
    """Text that is neither tag nor end of an attribute, whatever is in it."""
    return html.escape(str(text))


def shown(value: float, digits: int = 3) -> str:
    """A figure for people; an en dash where there is none (NaN)."""
    return f"{value:.{digits}f}" if math.isfinite(value) else NOTHING


def style(place: int) -> TrackerStyle:
    """The style of the tracker at a place in the evaluation, from 0; the same in all charts."""
    return TrackerStyle(f"var(--c{place % len(COLOURS)})", DASHES[place % len(DASHES)], MARKERS[place % len(MARKERS)])


def swatch(item: TrackerStyle, marker: bool = False, bar: bool = False) -> str:
    """A legend's sign: a piece of the line, or the marker, or a piece of the bar."""
    if marker:
        drawn = f'<path d="{item.marker}" transform="translate(8 8)" fill="{item.colour}"/>'
        return f'<svg class="swatch" width="16" height="16" aria-hidden="true">{drawn}</svg>'
    if bar:
        drawn = f'<rect width="24" height="14" fill="{item.colour}" fill-opacity="{_BAR_OPACITY}"/>'
        return f'<svg class="swatch" width="24" height="14" aria-hidden="true">{drawn}</svg>'
    drawn = f'<line x1="1" x2="37" y1="7" y2="7" stroke="{item.colour}" stroke-dasharray="{item.dash}"/>'
    return f'<svg class="swatch" width="38" height="14" aria-hidden="true">{drawn}</svg>'


def curve_chart(name: str, title: str, x_label: str, ticks: Sequence[str], curves: Sequence[Curve], mark: float = -1) -> str:
    """Lines over one another, a share in 0..1 against thresholds; a curve with NaN is left out.

    Args:
        name: unique in the page. title: for those who do not see it. x_label: under the axis.
        ticks: labels at evenly spaced places from the left end to the right end.
        curves: the first is drawn on top. mark: share of the width at which a dashed line stands; below 0: none.
    """
    height, top, bottom = 300, 10, 250
    parts = []
    for step in range(6):
        y = bottom - (bottom - top) * step / 5
        parts.append(_grid_row(y) + _text(f"{_LEFT - 1.5}%", y + 4, f"{step / 5:.1f}", "end", "tick"))
    for place, label in enumerate(ticks):
        parts.append(_text(f"{_LEFT + _WIDE * place / (len(ticks) - 1):.2f}%", bottom + 18, label, "middle", "tick"))
    if mark >= 0:
        x = f"{_LEFT + _WIDE * mark:.2f}%"
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
    parts.append(_text(f"{_LEFT + _WIDE / 2}%", height - 8, x_label, "middle"))
    parts.append(
        f'<svg x="{_LEFT}%" y="{top}" width="{_WIDE}%" height="{bottom - top}" viewBox="0 0 100 100" '
        'preserveAspectRatio="none">'
    )
    for curve in reversed([curve for curve in curves if np.isfinite(curve.values).all()]):
        ends = np.linspace(0, 100, len(curve.values))
        points = " ".join(f"{x:.2f},{100 - 100 * y:.2f}" for x, y in zip(ends, curve.values, strict=True))
        parts.append(
            f"<g><title>{safe(curve.name)}: {shown(curve.figure)}</title>"
            f'<polyline class="near" points="{points}"/><polyline class="curve" points="{points}" '
            f'stroke="{curve.style.colour}" stroke-dasharray="{curve.style.dash}"/></g>'
        )
    parts.append("</svg>")
    return _svg(name, title, height, parts)


def curve_legend(figure: str, curves: Sequence[Curve]) -> str:
    """The curves' figures and names, in their order; `figure` says what the figures are."""
    rows = (f"<li>{swatch(item.style)}<b>{shown(item.figure)}</b><span>{safe(item.name)}</span></li>" for item in curves)
    return f'<ul class="legend rows" aria-label="{safe(figure)}">{"".join(rows)}</ul>'


def bar_charts(name: str, title: str, bars: Sequence[BarRow]) -> list[str]:
    """A bar a row in the given order, with a marker for every other tracker; a chart for each `ROWS` of them."""
    count = math.ceil(len(bars) / ROWS)
    charts = []
    for part in range(count):
        rows = bars[len(bars) * part // count : len(bars) * (part + 1) // count]
        suffix = f" ({part + 1} of {count})" if count > 1 else ""
        charts.append(_bar_chart(f"{name}-{part}", title + suffix, rows))
    return charts


def scatter(name: str, title: str, dots: Sequence[Dot]) -> str:
    """Average overlap against frames per second, on a logarithmic axis, each dot with its name; a ValueError without one."""
    if not dots or not all(dot.fps > 0 and math.isfinite(dot.fps) for dot in dots):
        raise ValueError(f"{len(dots)} dots, not all with a speed; leave out those that nobody measured")
    height, top, bottom = 340, 12, 286
    low, high = min(dot.fps for dot in dots) / 2, max(dot.fps for dot in dots) * 2
    floor = max(0.0, math.floor((min(dot.ao for dot in dots) - 0.04) * 10) / 10)
    ceiling = min(1.0, math.ceil((max(dot.ao for dot in dots) + 0.04) * 10) / 10)
    xs = [math.log(dot.fps / low) / math.log(high / low) for dot in dots]
    ys = [bottom - (bottom - top) * (dot.ao - floor) / (ceiling - floor) for dot in dots]
    parts = []
    for step in range(round((ceiling - floor) * 10) + 1):
        value = floor + step / 10
        y = bottom - (bottom - top) * (value - floor) / (ceiling - floor)
        parts.append(_grid_row(y) + _text(f"{_LEFT - 1.5}%", y + 4, f"{value:.1f}", "end", "tick"))
    for tick in _log_ticks(low, high):
        at = f"{_LEFT + _WIDE * math.log(tick / low) / math.log(high / low):.2f}%"
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{top}" y2="{bottom}"/>')
        parts.append(_text(at, bottom + 18, f"{tick:g}", "middle", "tick"))
    parts.append(_text(f"{_LEFT + _WIDE / 2}%", height - 8, "frames per second (log)", "middle"))
    names = [shortened(dot.name, NAME_LENGTH) for dot in dots]
    places = _label_places([x * _NARROW_PX for x in xs], ys, names, (top, bottom))
    for dot, x, y, label, (dx, dy, anchor) in zip(dots, xs, ys, names, places, strict=True):
        line = f'<line class="lead-line" x1="0" y1="0" x2="{0.8 * dx:.1f}" y2="{dy}"/>' if dy else ""
        parts.append(
            f'<svg x="{_LEFT + _WIDE * x:.2f}%" y="{y:.1f}"><title>{safe(dot.name)}: AO {dot.ao:.3f}, {dot.fps:.1f} frames per '
            f'second</title>{line}<path class="rim" d="{dot.style.marker}" fill="{dot.style.colour}"/>'
            f"{_text(f'{dx}', dy + 4.5, label, anchor, 'name')}</svg>"
        )
    return _svg(name, title, height, parts)


def shortened(name: str, length: int) -> str:
    """A name of at most `length` characters; the middle is left out, because names differ at their ends."""
    if len(name) <= length:
        return name
    head = (length - 1) // 2
    return f"{name[:head]}…{name[head + 1 - length :]}"


def _bar_chart(name: str, title: str, rows: Sequence[BarRow]) -> str:
    left, wide = 41.0, 46.0
    top, row = 22, 22
    height = top + row * len(rows) + 6
    parts = []
    for step in range(6):
        x = f"{left + wide * step / 5:.2f}%"
        parts.append(_text(x, 14, f"{step / 5:.1f}", "middle", "tick"))
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{height - 6}"/>')
    for place, item in enumerate(rows):
        y = top + row * place
        middle = y + row / 2
        said = "; ".join(
            f"{tracker} {shown(value)}" for tracker, _, value in ((item.tracker, item.style, item.value), *item.others)
        )
        parts.append(f'<g><title>{safe(f"{item.name}: {said}")}</title><rect class="hit" y="{y}" width="100%" height="{row}"/>')
        parts.append(_text(f"{left - 2}%", middle + 4.5, shortened(item.name, NAME_LENGTH), "end"))
        parts.append(
            f'<rect x="{left}%" y="{y + 4}" width="{wide * item.value:.2f}%" height="{row - 8}" fill="{item.style.colour}" '
            f'fill-opacity="{_BAR_OPACITY}"/>'
        )
        parts += [
            f'<svg x="{left + wide * value:.2f}%" y="{middle}"><path class="rim" d="{its.marker}" fill="{its.colour}" '
            'transform="scale(.82)"/></svg>'
            for _, its, value in item.others
        ]
        parts.append(_text("100%", middle + 4.5, shown(item.value), "end") + "</g>")
    return _svg(name, title, height, parts)


def _label_places(
    xs: Sequence[float], ys: Sequence[float], names: Sequence[str], inside: tuple[int, int]
) -> list[tuple[float, float, str]]:
    """For each dot the offset of its label's middle in pixels and its anchor, such that labels cover neither each other
    nor a dot, as far as there is room."""
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in zip(xs, ys, strict=True)]
    places = []
    for x, y, name in zip(xs, ys, names, strict=True):
        width = _CHAR_PX * len(name)
        tries = []
        for step in (0, 1, -1, 1.5, -1.5, 2, -2, 3, -3, 4, -4, 5, -5):
            for dx, anchor, start in ((11.0, "start", x + 11), (-11.0, "end", x - 11 - width)):
                dy = step * _LINE_PX
                rect = (start, y + dy - _LINE_PX / 2, start + width, y + dy + _LINE_PX / 2)
                outside = max(0.0, -30 - rect[0], rect[2] - _NARROW_PX - 12, inside[0] - rect[1], rect[3] - inside[1])
                covered = sum(_covered(rect, other) for other in taken)
                tries.append((outside * 100 + covered * 10 + abs(step), (dx, dy, anchor), rect))
        _, place, rect = min(tries, key=lambda item: item[0])
        places.append(place)
        taken.append(rect)
    return places


def _covered(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine, coarse = ([factor * 10.0**power for power in decades for factor in factors] for factors in ((1, 2, 5), (1,)))
    ticks = [tick for tick in fine if low <= tick <= high]
    return ticks if len(ticks) <= 7 else [tick for tick in coarse if low <= tick <= high]


def _grid_row(y: float) -> str:
    return f'<line class="grid" x1="{_LEFT}%" x2="{_LEFT + _WIDE}%" y1="{y:.1f}" y2="{y:.1f}"/>'


def _text(x: str, y: float, text: str, anchor: str, kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x}" y="{y:.1f}" text-anchor="{anchor}">{safe(text)}</text>'


def _svg(name: str, title: str, height: int, parts: Sequence[str]) -> str:
    head = f'<svg class="chart" height="{height}" role="img" aria-labelledby="{name}-title">'
    return f'{head}<title id="{name}-title">{safe(title)}</title>{"".join(parts)}</svg>'
