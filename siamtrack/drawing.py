"""A box on a frame, drawn so that it shows what it claims: solid TRACKING, dashed UNCERTAIN, dotted LOST."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from siamtrack.boxes import Box
from siamtrack.frames import Image

COLORS = {"TRACKING": (115, 158, 0), "UNCERTAIN": (0, 159, 230), "LOST": (0, 94, 213)}
"""BGR by state: bluish green, orange, vermilion of the Okabe-Ito palette, which colour-blind people tell apart."""

SHIFT = 3
"""Fractional bits of OpenCV's drawing calls: a box moves smoothly, not by whole pixels."""

LONGEST_LABEL = 24
"""Letters of a name that are written at its box."""

_DASHES = {"TRACKING": None, "UNCERTAIN": (6.0, 8.0), "LOST": (0.5, 9.0)}
"""Length of a dash and of the gap after it, in widths of half a line; the ends of a dash are round and stick out."""


def draw_result(canvas: Image, box: Box, score: float, state: str, name: str = "") -> None:
    """Draw a box onto a frame, with its score and, where it is not TRACKING, its state.

    Args:
        canvas: (H, W, 3) BGR uint8; drawn on. box, score, state: what to draw. name: of the target, before the score.
    """
    line, size = max(2, round(min(canvas.shape[:2]) / 300)), text_size(canvas)
    draw_outline(canvas, box, state, COLORS[state], line)
    x, y, _, h = box
    label = f"{score:.2f}" if state == "TRACKING" else f"{state} {score:.2f}"
    label = f"{name[:LONGEST_LABEL]}  {label}" if name else label
    (_, height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    above = int(y) - line - 3
    put_text(canvas, label, (int(x), above if above > height else int(y + h) + height + line + 3), size)


def text_size(canvas: Image) -> float:
    """OpenCV's scale of text that can be read on a frame of that size."""
    return max(0.45, min(canvas.shape[:2]) / 500)


def draw_outline(canvas: Image, box: Box, state: str, color: tuple[int, int, int], line: int) -> None:
    """Draw a box onto a frame: solid where it is TRACKING, dashed UNCERTAIN, dotted LOST, where it claims nothing.

    Args:
        canvas: (H, W, 3) BGR uint8; drawn on. color: BGR. line: width in pixels.
    """
    x, y, w, h = box
    corners = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)])
    for paint, width in (((0, 0, 0), line + 2), (color, line)):  # a dark rim is seen on any background
        for a, b in pairwise(corners):
            for start, end in _dashes(float(np.hypot(*(b - a))), _DASHES[state], line / 2):
                points = [tuple(int(v) for v in np.round((a + (b - a) * t) * 2**SHIFT)) for t in (start, end)]
                cv2.line(canvas, points[0], points[1], paint, width, cv2.LINE_AA, SHIFT)


def _dashes(length: float, dashes: tuple[float, float] | None, unit: float) -> list[tuple[float, float]]:
    """Parts of a line to draw, as shares of it; its two ends are always drawn, so that corners are seen."""
    if dashes is None or length <= 0:
        return [(0.0, 1.0)]
    dash, gap = dashes[0] * unit, dashes[1] * unit
    count = max(1, round(length / (dash + gap)))
    period, half = 1 / count, dash / length / 2
    return [(max(0.0, i * period - half), min(1.0, i * period + half)) for i in range(count + 1)]


def put_text(canvas: Image, text: str, origin: tuple[int, int], size: float) -> None:
    """Write white text with a dark rim, which can be read on any background.

    Args:
        canvas: (H, W, 3) BGR uint8; written on. origin: where the text's baseline begins, pixels. size: OpenCV's scale.
    """
    # The rim is the same thin text, moved: a thicker one is wider in OpenCV 5, and runs away from what it should surround.
    around = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
    for (dx, dy), paint in [*((step, (0, 0, 0)) for step in around), ((0, 0), (255, 255, 255))]:
        cv2.putText(canvas, text, (origin[0] + dx, origin[1] + dy), cv2.FONT_HERSHEY_SIMPLEX, size, paint, 1, cv2.LINE_AA)
