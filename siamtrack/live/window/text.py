"""Lines of text on pictures, readable on any ground and at any size of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2

from siamtrack.frames import Image

WHITE, YELLOW, ORANGE, RED = (255, 255, 255), (66, 228, 240), (60, 180, 255), (60, 60, 240)
"""BGR of what is written: facts, names of keys, problems, and the mark of a recording."""

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
        """Room round a text, pixels."""
        return round(9 * self.size)

    @property
    def row(self) -> int:
        """Height of a line with its room above and below, pixels."""
        return _measure("Ag|", self.size, self.line)[1] + self.pad

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


def wrap(text: str, style: Style, room: int, most: int = 4) -> list[str]:
    """A text in lines that are not wider than `room` pixels, broken at blanks where it has some.

    What goes beyond `most` lines is cut, and the last one ends in dots.
    """
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest:
        count = len(rest)
        if style.width(rest) > room:
            # Longest start that fits; at least one letter, so that this ends in any window.
            count = max(1, next((n for n in range(len(rest), 0, -1) if style.width(rest[:n]) <= room), 1))
            count = rest.rfind(" ", 1, count + 1) if " " in rest[1 : count + 1] else count
        lines.append(rest[:count].rstrip())
        rest = rest[count:].lstrip()
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1][:-3] + "..."]
    return lines


def shade(canvas: Image, x: int, y: int, w: int, h: int, left: float = _SHADE) -> None:
    """Darken a part of a picture, in place; what lies outside is left out."""
    part = canvas[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
    if part.size:
        part[:] = cv2.convertScaleAbs(part, alpha=left)


def draw_label(canvas: Image, label: Label, style: Style) -> None:
    """Draw a label, in place."""
    shade(canvas, label.x, label.y, label.w, label.h)
    x = label.x + style.pad
    if label.dot:
        radius = dot_radius(style)
        cv2.circle(canvas, (x + radius, label.y + label.h // 2), radius, RED, -1, cv2.LINE_AA)
        x += 3 * radius
    put(canvas, label.text, (x, label.y), style, label.color)


def put(canvas: Image, text: str, corner: tuple[int, int], style: Style, color: tuple[int, int, int]) -> None:
    """Write a text into a row whose top left corner is given, in place."""
    # By the height of a capital letter, so that rows line up whatever is written in them.
    capital = cv2.getTextSize("H", _FONT, style.size, style.line)[0][1]
    origin = (corner[0], corner[1] + (style.row + capital) // 2)
    cv2.putText(canvas, text, origin, _FONT, style.size, color, style.line, cv2.LINE_AA)


def dot_radius(style: Style) -> int:
    """Radius of the dot before a label, pixels."""
    return max(3, style.row // 4)


@lru_cache(maxsize=4096)
def _measure(text: str, size: float, line: int) -> tuple[int, int]:
    (width, height), base = cv2.getTextSize(text, _FONT, size, line)
    return width, height + base
