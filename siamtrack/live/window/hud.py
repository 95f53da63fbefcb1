"""The lines on the picture that say how things go, and the list of keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from siamtrack.frames import Image
from siamtrack.live.window.keys import help_rows
from siamtrack.live.window.text import ORANGE, WHITE, YELLOW, Label, Style, dot_radius, draw_label, put, shade, wrap


@dataclass(frozen=True)
class Status:
    """What the lines say.

    Attributes:
        fps: pictures shown a second; 0 if nobody knows.
        latency_ms: from the arrival of a frame to its picture on the screen; None if nobody knows.
        dropped: frames that a newer one replaced.
        recording_s: seconds of the recording; None if there is none.
        paused: whether the user paused.
        problem: what is wrong with the source; "" for nothing.
        notice: what just happened; "" for nothing.
        hint: what the user can do now; "" for nothing.
    """

    fps: float = 0.0
    latency_ms: float | None = None
    dropped: int = 0
    recording_s: float | None = None
    paused: bool = False
    problem: str = ""
    notice: str = ""
    hint: str = ""


def layout(status: Status, size_wh: tuple[int, int]) -> list[Label]:
    """Where the lines go in a picture: figures and marks at the top, words at the bottom. No two overlap."""
    style = Style.for_picture(size_wh)
    return [*_top(status, style, size_wh[0]), *_bottom(status, style, size_wh)]


def margins(labels: Sequence[Label], size_wh: tuple[int, int]) -> tuple[int, int]:
    """Height of what the lines take at the top and at the bottom, pixels."""
    middle = size_wh[1] / 2
    top = max((label.y + label.h for label in labels if label.y < middle), default=0)
    return top, size_wh[1] - min((label.y for label in labels if label.y >= middle), default=size_wh[1])


def draw_hud(canvas: Image, labels: Sequence[Label]) -> None:
    """Draw the lines that `layout` gave for a picture of that size, in place."""
    style = Style.for_picture((canvas.shape[1], canvas.shape[0]))
    for label in labels:
        draw_label(canvas, label, style)


def draw_help(canvas: Image) -> None:
    """Draw the list of keys over the middle of a picture, in place."""
    height, width = canvas.shape[:2]
    rows = help_rows()
    style = Style.for_picture((width, height))
    # Everything must be on it: in a small window the letters become small.
    for share in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4):
        style = Style(Style.for_picture((width, height)).size * share)
        first = max(style.width(keys) for keys, _ in rows) + 2 * style.pad
        needed = first + max(style.width(text) for _, text in rows), len(rows) * style.row
        if needed[0] + 4 * style.pad <= width and needed[1] + 4 * style.pad <= height:
            break
    x, y = (width - needed[0]) // 2, (height - needed[1]) // 2
    shade(canvas, x - 2 * style.pad, y - 2 * style.pad, needed[0] + 4 * style.pad, needed[1] + 4 * style.pad, 0.15)
    for i, (keys, text) in enumerate(rows):
        put(canvas, keys, (x, y + i * style.row), style, YELLOW)
        put(canvas, text, (x + first, y + i * style.row), style, WHITE)


def _top(status: Status, style: Style, width: int) -> list[Label]:
    figures = [f"{status.fps:.1f} fps"] if status.fps else []
    figures += [f"latency {status.latency_ms:.0f} ms"] if status.latency_ms is not None else []
    figures += [f"{status.dropped} dropped"] if status.dropped else []
    items = [("   ".join(figures), WHITE, False)] if figures else []
    if status.recording_s is not None:
        minutes, seconds = divmod(int(status.recording_s), 60)
        items.append((f"REC {minutes}:{seconds:02}", WHITE, True))
    if status.paused:
        items.append(("PAUSED", YELLOW, False))
    labels: list[Label] = []
    x = y = 0
    for text, color, dot in items:
        w = style.width(text) + 2 * style.pad + (3 * dot_radius(style) if dot else 0)
        if x and x + w > width:  # no room beside the one before
            x, y = 0, y + style.row
        labels.append(Label(text, color, x, y, w, style.row, dot))
        x += w
    return labels


def _bottom(status: Status, style: Style, size_wh: tuple[int, int]) -> list[Label]:
    width, height = size_wh
    lines = [
        (line, color)
        for text, color in ((status.problem, ORANGE), (status.notice, WHITE), (status.hint, YELLOW))
        for line in wrap(text, style, width - 2 * style.pad)
    ]
    top = height - len(lines) * style.row
    return [
        Label(text, color, 0, top + i * style.row, style.width(text) + 2 * style.pad, style.row)
        for i, (text, color) in enumerate(lines)
    ]
