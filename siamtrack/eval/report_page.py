"""An evaluation as one HTML page that needs nothing else: no network, no scripts, no other file."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Literal

import numpy as np

from siamtrack.data.sequence import Sequence as Video
from siamtrack.eval.evaluation import PRECISION_PX, PRECISION_THRESHOLDS_PX, Change, Evaluation, TrackerRuns, changes
from siamtrack.eval.report_charts import (
    COLOURS,
    NAME_LENGTH,
    NOTHING,
    BarRow,
    Curve,
    Dot,
    bar_charts,
    curve_chart,
    curve_legend,
    safe,
    scatter,
    shown,
    style,
    swatch,
)
from siamtrack.eval.report_sheets import make_sheet, worst
from siamtrack.eval.scores import pooled
from siamtrack.eval.sequence_run import SequenceRun

LONG_CELL = 10
"""A cell of more characters has a line of its own on a phone."""

CHANGED = 10
"""Sequences that a comparison names: those that changed most."""
PROTOCOL = (
    "One pass, no reset; the first frame, which is given, is left out. Boxes are clipped to the frame. Frames without a truth "
    "that can be used do not count. AO and SR are over the frames of all sequences together, as GOT-10k has it; beside AO is "
    "the mean of each sequence's AO, in which a long sequence counts no more than a short one. Success AUC and precision are "
    "means over sequences as OTB's toolkit has them: the first frame counts, and boxes are not clipped. The best figures are "
    "bold. Figures of different subsets, above all GOT-10k's val and test, must never be compared."
)
# Should a name ever get past the escaping, the page still fetches and runs nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(evaluation: Evaluation, sequences: Mapping[str, Video], other: Evaluation | None = None) -> str:
    """The whole page; arguments as for `siamtrack.eval.report.write_report`."""
    name = safe(f"{evaluation.dataset} {evaluation.subset}".strip())
    first = evaluation.trackers[0]
    trackers, count = many(len(evaluation.trackers), "tracker"), many(len(first.runs), "sequence")
    frames = many(first.scores.frames, "frame")
    parts = [
        _scores(evaluation),
        _about(evaluation),
        _curves(evaluation),
        _bars(evaluation),
        _speed(evaluation),
        _attributes(evaluation),
        _sheets(first, sequences),
        _comparison(evaluation, other) if other is not None else "",
    ]
    body = "\n".join(part for part in parts if part)
    style_sheet = (resources.files("siamtrack") / "assets/report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{name}: tracker evaluation</title>\n<style>\n{style_sheet}</style></head>\n<body><header><h1>{name}</h1>"
        f'<p class="lead">{trackers} on {count}, {frames} counted</p></header>\n<main>{body}</main></body></html>\n'
    )


def _scores(evaluation: Evaluation) -> str:
    auc, precision = "Success AUC (OTB)", f"Precision at {PRECISION_PX}\u00a0px"
    columns = ("Tracker", "AO", "AO, mean of sequences", "SR0.50", "SR0.75", auc, precision, "fps")
    rows = []
    for place, item in sorted(enumerate(evaluation.trackers), key=lambda pair: -evaluation.rank(pair[1])):
        known = [shown(value) for value in item.figures.values()]
        rows.append((f"{swatch(style(place), marker=True)} {safe(item.tracker)}", [*known, shown(item.fps, 1)]))
    return section("Scores", f'{table(columns, rows, "Scores", wide=True, best="column")}<p class="dim">{PROTOCOL}</p>')


def _about(evaluation: Evaluation) -> str:
    items = "".join(f"<dt>{safe(key)}</dt><dd>{safe(value)}</dd>" for key, value in evaluation.about.items())
    return section("Measured with", f"<dl>{items}</dl>") if items else ""


def _curves(evaluation: Evaluation) -> str:
    styles = [(item, style(place)) for place, item in enumerate(evaluation.trackers)]
    success = [Curve(item.tracker, its, item.scores.ao, item.success) for item, its in styles]
    precision = [Curve(item.tracker, its, float(item.precision[PRECISION_PX]), item.precision) for item, its in styles]
    for curves in (success, precision):
        curves.sort(key=lambda curve: -curve.figure if math.isfinite(curve.figure) else 1)
    shares = [f"{share:.1f}" for share in np.linspace(0, 1, 6)]
    pixels = [f"{error:.0f}" for error in np.linspace(0, PRECISION_THRESHOLDS_PX[-1], 6)]
    mark = float(PRECISION_PX / PRECISION_THRESHOLDS_PX[-1])
    at = f"precision at {PRECISION_PX} px"
    left = (
        '<h3>Success</h3><figcaption class="dim">Share of frames whose overlap is above the threshold, all frames together. '
        f"Figures: AO.</figcaption>{curve_chart('success', 'Success curves', 'overlap threshold', shares, success)}"
    )
    right = (
        '<h3>Precision</h3><figcaption class="dim">Share of frames whose centre is within the threshold, mean over sequences. '
        f"Figures: {at}.</figcaption>"
        + curve_chart("precision", "Precision curves", "error threshold, px", pixels, precision, mark)
    )
    figures = (left + curve_legend("AO", success), right + curve_legend(at, precision))
    return section("Curves", f'<div class="pair">{"".join(f"<figure>{figure}</figure>" for figure in figures)}</div>')


def _bars(evaluation: Evaluation) -> str:
    first, *others = evaluation.trackers
    averages = [
        {one.name: float(one.overlaps.mean()) for one in item.runs if one.overlaps.size} for item in evaluation.trackers
    ]
    ranked = sorted(averages[0], key=lambda name: averages[0][name])
    bars = []
    for name in ranked:
        dots = [(item.tracker, style(i), averages[i][name]) for i, item in enumerate(others, 1) if name in averages[i]]
        bars.append(BarRow(name, first.tracker, style(0), averages[0][name], tuple(dots)))
    signs = [f"{swatch(style(0), bar=True)}<span>{safe(first.tracker)}</span>"]
    signs += [f"{swatch(style(i), marker=True)}<span>{safe(item.tracker)}</span>" for i, item in enumerate(others, 1)]
    rows = [(safe(name), [shown(found.get(name, math.nan)) for found in averages]) for name in ranked]
    columns = ["Sequence", *(item.tracker for item in evaluation.trackers)]
    missing = len(first.runs) - len(ranked)
    note = f'<p class="dim">Left out: {many(missing, "sequence")} without a frame that counts.</p>' if missing else ""
    charts = bar_charts("bars", f"AO of {first.tracker} on each sequence, worst first", bars)
    return section(
        "Sequences",
        f"<p>AO on each sequence, the worst of {safe(first.tracker)} first.</p>{note}"
        f"{_markers(signs)}"
        f'<div class="pair bars">{"".join(f"<figure>{chart}</figure>" for chart in charts)}</div>'
        f"<details><summary>The same as a table</summary>{table(columns, rows, 'AO of each sequence', wide=True)}</details>",
    )


def _markers(signs: list[str]) -> str:
    return f'<ul class="legend" aria-label="Trackers">{"".join(f"<li>{sign}</li>" for sign in signs)}</ul>'


def _speed(evaluation: Evaluation) -> str:
    known = [(place, item) for place, item in enumerate(evaluation.trackers) if math.isfinite(item.fps)]
    if not known:
        return section("Speed", "<p>Nobody measured the time that the trackers took.</p>")
    dots = [Dot(item.tracker, style(place), item.fps, item.scores.ao) for place, item in known]
    unknown = [item.tracker for item in evaluation.trackers if not math.isfinite(item.fps)]
    note = f'<p class="dim">Not shown, because nobody measured: {safe(", ".join(unknown))}.</p>' if unknown else ""
    said = "AO against frames per second: frames over the seconds of their updates; decoding and the first frame are left out."
    chart = scatter("speed", "AO against frames per second", dots)
    if any(len(dot.name) > NAME_LENGTH for dot in dots):
        chart += _markers([f"{swatch(dot.style, marker=True)}<span>{safe(dot.name)}</span>" for dot in dots])
    return section("Speed", f"<figure><figcaption>{said}</figcaption>{chart}</figure>{note}")


def _attributes(evaluation: Evaluation) -> str:
    rows = []
    for name in sorted({name for given in evaluation.attributes.values() for name in given}):
        having = {sequence for sequence, given in evaluation.attributes.items() if name in given}
        groups = [[one.overlaps for one in item.runs if one.name in having] for item in evaluation.trackers]
        if groups[0]:
            scores = [pooled(group) for group in groups]
            of_frames = [shown(item.ao if item.frames else math.nan) for item in scores]
            of_sequences = [shown(item.sequence_ao if item.frames else math.nan) for item in scores]
            rows.append((safe(name), [str(len(groups[0])), *of_frames]))
            rows.append((f"{safe(name)}, mean of sequences", [str(len(groups[0])), *of_sequences]))
    if not rows:
        return ""
    columns = ["Attribute", "Sequences", *(item.tracker for item in evaluation.trackers)]
    said = (
        "AO over all frames of the sequences that have the attribute, and the mean of each sequence's AO. The best figure of "
        "each row is bold."
    )
    return section("Attributes", f"<p>{said}</p>{table(columns, rows, 'AO by attribute', wide=True, best='row')}")


def _sheets(first: TrackerRuns, sequences: Mapping[str, Video]) -> str:
    chosen = worst(first, sequences)
    if not chosen:
        return ""
    sheets = "".join(_sheet(item, sequences[item.name]) for item in chosen)
    among = "" if all(item.name in sequences for item in first.runs) else ", of those whose frames are at hand"
    said = f"White dashes: the truth. Orange: {safe(first.tracker)}. The frames are spread evenly over the sequence."
    return section(f"Worst sequences of {first.tracker}{among}", f"<p>{said}</p>{sheets}")


def _sheet(run: SequenceRun, sequence: Video) -> str:
    title = f"<h3>{safe(run.name)}: AO {shown(float(run.overlaps.mean()))}</h3>"
    pictures, note = make_sheet(run, sequence, COLOURS[0])
    if note:
        return f'{title}<p class="dim">No picture: {safe(note)}</p>'
    frames = []
    for frame in pictures:
        counted = f"overlap {frame.overlap:.2f}" if math.isfinite(frame.overlap) else "not counted"
        frames.append(
            f'<figure><img src="data:image/jpeg;base64,{base64.b64encode(frame.jpeg).decode()}" width="{frame.width}" '
            f'height="{frame.height}" alt="{safe(run.name)}, frame {frame.index}: {counted}">'
            f"<figcaption>frame {frame.index}: {counted}</figcaption></figure>"
        )
    return f'{title}<div class="sheet">{"".join(frames)}</div>'


def _comparison(evaluation: Evaluation, other: Evaluation) -> str:
    title = "Against the other evaluation"
    try:
        found = changes(evaluation, other)
    except ValueError as error:
        return section(title, f"<p>Not compared: {safe(error)}.</p>")
    if not found:
        return section(title, "<p>Not compared: no tracker has a sequence that is in both.</p>")
    rows = []
    for item in found:
        for kind, gain in (("", item.of_frames), (", mean of sequences", item.of_sequences)):
            difference, low, high = (signed(value) for value in (gain.difference, *gain.interval))
            figures = [shown(gain.before), shown(gain.now), difference, f"{low} to {high}", item.verdict(gain)]
            rows.append((safe(item.tracker) + kind, [str(len(item.sequences)), *figures]))
    columns = ("Tracker", "Sequences", "AO before", "AO now", "Difference", "95\u00a0% interval", "Verdict")
    said = (
        "Over the sequences that are in both, with as many frames that count. The interval is the middle 95\u00a0% of a paired "
        "bootstrap over sequences."
    )
    details = "".join(_changed(item, opened=item is found[0]) for item in found)
    return section(title, f"<p>{said}</p>{table(columns, rows, 'Difference of AO', wide=True)}{details}")


def _changed(item: Change, opened: bool) -> str:
    columns = ("Sequence", "AO before", "AO now", "Difference")
    rows = [(safe(name), [shown(old), shown(new), signed(new - old)]) for name, old, new in item.sequences[:CHANGED]]
    left_out = f'<p class="dim">Left out, as they do not pair: {safe(", ".join(item.left_out))}.</p>' if item.left_out else ""
    label = f"What changed most with {item.tracker}"
    body = f"<summary>{safe(label)}</summary>{table(columns, rows, label, wide=True)}{left_out}"
    return f"<details{' open' if opened else ''}>{body}</details>"


def signed(value: float) -> str:
    """A difference with its sign, three digits."""
    return f"{value:+.3f}".replace("-", "−")


def many(count: int, noun: str) -> str:
    """A number of things: `1 frame`, `20 987 frames`."""
    number = f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{number} {noun}{'' if count == 1 else 's'}"


def section(title: str, body: str) -> str:
    """A heading, given as text, and what it is the heading of, given as HTML."""
    return f"<section><h2>{safe(title)}</h2>{body}</section>"


def table(
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[str]]],
    label: str,
    wide: bool = False,
    best: Literal["column", "row", ""] = "",
) -> str:
    """A table: on a phone a card a row, and elsewhere scrolled by itself where it is too wide, by finger or by arrow keys.

    Args:
        columns: headings, as text; the first is that of the rows' headings.
        rows: heading, already HTML, and cells as text: figures, or words that begin with a letter.
        label: for those who do not see it.
        wide: the headings are names, which may be long and wrap.
        best: within what the highest figures are bold; in a row its first cell is left out.
    """
    worded = {place for _, cells in rows for place, cell in enumerate(cells) if cell[:1].isalpha()}
    lines = []
    for heading, cells in rows:
        marked = []
        for place, cell in enumerate(cells):
            peers = [others[place] for _, others in rows] if best == "column" else cells[1:] if best == "row" and place else []
            kind = "words" if place in worded else "long" if len(cell) > LONG_CELL else "best" if _is_best(cell, peers) else ""
            # On a phone a row is a card, and each cell says what it is.
            marked.append(f'<td{_class(kind)} data-label="{safe(columns[place + 1])}">{safe(cell)}</td>')
        lines.append(f'<tr><th scope="row">{heading}</th>{"".join(marked)}</tr>')
    heads = "".join(
        f'<th scope="col"{_class("words" if place - 1 in worded or not place else "")}>{safe(column)}</th>'
        for place, column in enumerate(columns)
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{safe(label)}"><table{_class("wide" if wide else "")}>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _is_best(cell: str, peers: Sequence[str]) -> bool:
    """Judged by what is printed: figures that are printed alike are the best together."""
    figures = [float(peer) for peer in peers if peer != NOTHING]
    return len(figures) > 1 and cell != NOTHING and float(cell) == max(figures)


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
