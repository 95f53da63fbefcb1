"""Pieces of HTML that a report is put together from; all of them escape what they are given."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Literal

NOTHING = "–"
"""Stands where there is no figure."""


def safe(text: object) -> str:
    """Text that is neither tag nor end of an attribute, whatever is in it."""
    return html.escape(str(text))


def shown(value: float, digits: int = 3) -> str:
    """A figure for people; an en dash where there is none (NaN)."""
    return f"{value:.{digits}f}" if math.isfinite(value) else NOTHING


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
    """A table that scrolls by itself where it is wider than the screen, by finger or by arrow keys.

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
            kind = "words" if place in worded else "best" if _is_best(cell, peers) else ""
            marked.append(f"<td{_class(kind)}>{safe(cell)}</td>")
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
