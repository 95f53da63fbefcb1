"""Targets drawn on a frame: a colour a target, a line style a state, a trail."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from siamtrack.frames import Image
from siamtrack.live.scene import SeenTarget
from siamtrack.tracking.result import State
from siamtrack.video.overlay import draw_outline

PALETTE = ((178, 114, 0), (0, 159, 230), (115, 158, 0), (167, 121, 204), (233, 180, 86), (0, 94, 213), (66, 228, 240))
"""BGR: blue, orange, green, purple, sky, vermilion, yellow of the Okabe-Ito palette, which colour-blind people tell apart.
The web page names the same ones."""

_SHIFT = 3  # fractional bits of OpenCV's drawing calls


def color_of(number: int) -> tuple[int, int, int]:
    """BGR colour of a target's number, counted from 1."""
    return PALETTE[(number - 1) % len(PALETTE)]


def draw_targets(image: Image, targets: Sequence[SeenTarget], selected: str | None = None) -> Image:
    """A copy of a frame with every target on it: solid box TRACKING, dashed UNCERTAIN, dotted LOST.

    Args:
        image: (H, W, 3) BGR uint8; not changed.
        targets: what to draw.
        selected: name of the target that gets a thicker line.
    """
    canvas = image.copy()
    unit = max(1.0, min(canvas.shape[:2]) / 480)
    for target in targets:
        _draw_trail(canvas, target, round(unit))
        draw_outline(canvas, target.result, color_of(target.number), round(2 * unit) + (target.name == selected))
    for target in targets:  # after all boxes: a label must stay readable
        _draw_label(canvas, target, unit)
    return canvas


def _draw_trail(canvas: Image, target: SeenTarget, line: int) -> None:
    color = np.array(color_of(target.number))
    points = np.round(np.array(target.trail).reshape(-1, 2) * 2**_SHIFT).astype(int)
    for age, (a, b) in enumerate(pairwise(points), 1):
        faded = tuple(int(value) for value in color * (0.35 + 0.65 * age / len(points)))
        cv2.line(canvas, tuple(map(int, a)), tuple(map(int, b)), faded, line, cv2.LINE_AA, _SHIFT)


def _draw_label(canvas: Image, target: SeenTarget, unit: float) -> None:
    result = target.result
    label = f"{target.number}  {result.score:.2f}" + ("" if result.state is State.TRACKING else f"  {result.state}")
    size = 0.5 * unit
    (width, height), base = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, max(1, round(unit)))
    pad, rim = round(4 * unit), round(2 * unit) + 2
    tall = height + base // 2 + 2 * pad
    x = int(min(max(result.box.x, 0), max(0, canvas.shape[1] - width - 2 * pad)))
    above = round(result.box.y) - rim - tall
    y = above if above >= 0 else min(round(result.box.y + result.box.h) + rim, canvas.shape[0] - tall)
    color = color_of(target.number)
    cv2.rectangle(canvas, (x, y), (x + width + 2 * pad, y + tall), color, -1)
    bright = 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2] > 125
    ink = (0, 0, 0) if bright else (255, 255, 255)
    origin = (x + pad, y + pad + height)
    cv2.putText(canvas, label, origin, cv2.FONT_HERSHEY_SIMPLEX, size, ink, max(1, round(unit)), cv2.LINE_AA)
