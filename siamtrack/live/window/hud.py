"""The lines of text on the window's picture: how things go, and the list of keys.

They are readable on any ground and at any size of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2

from siamtrack.frames import Image
from siamtrack.live.window.keys import help_rows

WHITE, YELLOW, ORANGE, RED = (255, 255, 255), (66, 228, 240), (60, 180, 255), (60, 60, 240)
"""BGR of what is written: facts, names of keys, problems, and the mark of a recording."""

MOST_LINES = 4
"""Of one text."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SHADE = 0.3
"""What is left of the picture's light behind text."""


@dataclass(frozen=True)
class Style:
    """Size of text, and what follows from it.

    Attributes:
        size: OpenCV's font scale.
    """

    size: float

    @classmethod
    def for_picture(cls, size_wh: tuple[int, int]) -> Style:
        """The style for a picture of that size: larger on a larger one, never too small to read."""
        return cls(min(2.4, max(0.42, min(size_wh[0] * 0.75, size_wh[1]) / 1150)))

    @property
    def line(self) -> int:
        """Thickness of strokes, pixels."""
        return max(1, round(self.size * 1.2))

    @property
    def pad(self) -> int:
        """Padding around a text, pixels."""
        return round(9 * self.size)

    @property
    def row(self) -> int:
        """Height of a line with its padding, pixels."""
        return _measure("Ag|", self.size, self.line)[1] + self.pad

    @property
    def dot(self) -> int:
        """Radius of the dot before a label, pixels."""
        return max(3, self.row // 4)

    def width(self, text: str) -> int:
        """Width of a text, pixels."""
        return _measure(text, self.size, self.line)[0]


@dataclass(frozen=True)
class Label:
    """A line of text with a place.

    Attributes:
        text, color: what, and its BGR.
        x, y, w, h: the dark ground under it, pixels.
        dot: whether a red dot goes before it.
    """

    text: str
    color: tuple[int, int, int]
    x: int
    y: int
    w: int
    h: int
    dot: bool = False


def wrap(text: str, style: Style, width: int) -> list[str]:
    """A text in lines that are not wider than `width` pixels, broken at blanks where it has some.

    What goes beyond `MOST_LINES` is cut, and the last one ends in dots.
    """
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest:
        count = len(rest)
        if style.width(rest) > width:
            # Longest start that fits; at least one letter, so that this ends in any window.
            count = max(1, next((n for n in range(len(rest), 0, -1) if style.width(rest[:n]) <= width), 1))
            count = rest.rfind(" ", 1, count + 1) if " " in rest[1 : count + 1] else count
        lines.append(rest[:count].rstrip())
        rest = rest[count:].lstrip()
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], lines[MOST_LINES - 1][:-3] + "..."]
    return lines


def shade(canvas: Image, x: int, y: int, w: int, h: int, left: float = _SHADE) -> None:
    """Darken a part of a picture, in place; what lies outside is left out."""
    part = canvas[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
    if part.size:
        part[:] = cv2.convertScaleAbs(part, alpha=left)


def put(canvas: Image, text: str, corner: tuple[int, int], style: Style, color: tuple[int, int, int]) -> None:
    """Write a text into a row whose top left corner is given, in place."""
    # By the height of a capital letter, so that rows line up whatever is written in them.
    capital = cv2.getTextSize("H", _FONT, style.size, style.line)[0][1]
    origin = (corner[0], corner[1] + (style.row + capital) // 2)
    cv2.putText(canvas, text, origin, _FONT, style.size, color, style.line, cv2.LINE_AA)


@dataclass(frozen=True)
class Status:
    """What the lines say.

    Attributes:
        fps: pictures shown a second; 0 if unknown.
        latency_ms: from the arrival of a frame to its picture on the screen; None if unknown.
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
        shade(canvas, label.x, label.y, label.w, label.h)
        x = label.x + style.pad
        if label.dot:
            cv2.circle(canvas, (x + style.dot, label.y + label.h // 2), style.dot, RED, -1, cv2.LINE_AA)
            x += 3 * style.dot
        put(canvas, label.text, (x, label.y), style, label.color)


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
        w = style.width(text) + 2 * style.pad + (3 * style.dot if dot else 0)
        if x and x + w > width:  # it does not fit beside the one before
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


@lru_cache(maxsize=4096)
def _measure(text: str, size: float, line: int) -> tuple[int, int]:
    (width, height), base = cv2.getTextSize(text, _FONT, size, line)
    return width, height + base
