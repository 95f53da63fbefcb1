"""Results drawn: the boxes of one target or many on a frame, and contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from siamtrack.boxes import Box
from siamtrack.drawing import LONGEST_LABEL, SHIFT, draw_outline, draw_result, put_text, text_size
from siamtrack.frames import Image
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.tracker import FrameDetails

PALETTE = ((178, 114, 0), (0, 159, 230), (115, 158, 0), (167, 121, 204), (233, 180, 86), (0, 94, 213), (66, 228, 240))
"""BGR by a target's number: blue, orange, green, purple, sky, vermilion, yellow of the Okabe-Ito palette. The web page names
the same ones."""


def draw(image: Image, result: TrackResult, caption: str = "", details: FrameDetails | None = None, name: str = "") -> Image:
    """A copy of a frame with the box (see `draw_outline`), the score and the state drawn on it.

    Args:
        image: (H, W, 3) BGR uint8; not changed.
        result: what to draw.
        caption: text for the bottom left corner.
        details: also draw the search regions (thin and gray), and write what the score is made of.
        name: of the target, before its score.
    """
    canvas = image.copy()
    if details is not None:
        _draw_regions(canvas, details.regions)
        if details.candidate is not None:
            seen = details.candidate
            caption += f"  logit {seen.logit:+.1f}  margin {seen.margin:+.1f}"
            caption += f"  quality {seen.quality:+.1f}  aspect {seen.aspects[1]:.2f}"
    draw_result(canvas, result.box, result.score, result.state, name)
    if caption:
        put_text(canvas, caption, (6, canvas.shape[0] - 8), text_size(canvas))
    return canvas


def _draw_regions(canvas: Image, regions: Sequence[Box]) -> None:
    for box in regions:
        draw_outline(canvas, box, State.TRACKING, (190, 190, 190), 1)


@dataclass(frozen=True)
class SeenTarget:
    """One of many targets in a frame.

    Attributes:
        name: such as `target-1`; also its folder of results.
        number: counts from 1; tells its colour.
        result: of this frame.
        trail: centres of its last boxes, oldest first, frame pixels; the last one is this frame's.
        label: written at its box; "" for its number.
        color: number whose colour it has; 0 for its own.
    """

    name: str
    number: int
    result: TrackResult
    trail: tuple[tuple[float, float], ...] = ()
    label: str = ""
    color: int = 0

    @property
    def bgr(self) -> tuple[int, int, int]:
        """Its colour."""
        return color_of(self.color or self.number)


def color_of(number: int) -> tuple[int, int, int]:
    """BGR colour of a number, counted from 1."""
    return PALETTE[(number - 1) % len(PALETTE)]


def draw_targets(
    image: Image,
    targets: Sequence[SeenTarget],
    selected: str | None = None,
    caption: str = "",
    regions: Sequence[Box] = (),
) -> Image:
    """A copy of a frame with every target on it: solid box TRACKING, dashed UNCERTAIN, dotted LOST.

    Args:
        image: (H, W, 3) BGR uint8; not changed.
        targets: what to draw.
        selected: name of the target that gets a thicker line.
        caption: text for the bottom left corner.
        regions: search regions to draw, thin and gray.
    """
    canvas = image.copy()
    _draw_regions(canvas, regions)
    unit = max(1.0, min(canvas.shape[:2]) / 480)
    for target in targets:
        _draw_trail(canvas, target, round(unit))
        line = round(2 * unit) + (target.name == selected)
        draw_outline(canvas, target.result.box, target.result.state, target.bgr, line)
    taken: list[Box] = []
    for target in targets:  # after all boxes: a label must stay readable
        taken.append(_draw_label(canvas, target, unit, taken))
    if caption:
        put_text(canvas, caption, (6, canvas.shape[0] - 8), text_size(canvas))
    return canvas


def _draw_trail(canvas: Image, target: SeenTarget, line: int) -> None:
    color = np.array(target.bgr)
    points = np.round(np.array(target.trail).reshape(-1, 2) * 2**SHIFT).astype(int)
    for age, (a, b) in enumerate(pairwise(points), 1):
        faded = tuple(int(value) for value in color * (0.35 + 0.65 * age / len(points)))
        cv2.line(canvas, tuple(map(int, a)), tuple(map(int, b)), faded, line, cv2.LINE_AA, SHIFT)


def _draw_label(canvas: Image, target: SeenTarget, unit: float, taken: Sequence[Box]) -> Box:
    """Write at a target's box what it is, where no other label is yet; the label's place."""
    result = target.result
    name = target.label[:LONGEST_LABEL] or str(target.number)
    label = f"{name}  {result.score:.2f}" + ("" if result.state is State.TRACKING else f"  {result.state}")
    size = 0.5 * unit
    (width, height), base = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, max(1, round(unit)))
    pad, rim = round(4 * unit), round(2 * unit) + 2
    tall = height + base // 2 + 2 * pad
    wide = width + 2 * pad
    x = int(min(max(result.box.x, 0), max(0, canvas.shape[1] - wide)))
    above, below = round(result.box.y) - rim - tall, round(result.box.y + result.box.h) + rim
    last = canvas.shape[0] - tall
    # Above the box if that is free, else as near to it as labels of others leave room.
    up, down = (_beside(Box(x, y, wide, tall), taken, upward) for y, upward in ((above, True), (below, False)))
    ways = sorted([(above - up.y, up), (down.y - below, down)], key=lambda way: way[0])
    place = next((one for _, one in ways if 0 <= one.y <= last), Box(x, min(max(above, 0), last), wide, tall))
    y = int(place.y)
    color = target.bgr
    cv2.rectangle(canvas, (x, y), (x + width + 2 * pad, y + tall), color, -1)
    bright = 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2] > 125
    ink = (0, 0, 0) if bright else (255, 255, 255)
    origin = (x + pad, y + pad + height)
    cv2.putText(canvas, label, origin, cv2.FONT_HERSHEY_SIMPLEX, size, ink, max(1, round(unit)), cv2.LINE_AA)
    return place


def _beside(place: Box, taken: Sequence[Box], upward: bool) -> Box:
    """A label's place, moved up or down until it meets none of those that are taken."""
    for _ in taken:
        before = place
        for other in taken:
            across = place.x < other.x + other.w and other.x < place.x + place.w
            if across and place.y < other.y + other.h and other.y < place.y + place.h:
                place = place._replace(y=other.y - place.h if upward else other.y + other.h)
        if place == before:
            break
    return place


def contact_sheet(images: Sequence[Image], columns: int = 4, width: int = 1280) -> Image:
    """Frames side by side in one picture, in reading order.

    Raises:
        ValueError: no images.
    """
    if not len(images):
        raise ValueError("a contact sheet needs at least one image")
    columns = min(columns, len(images))
    tile = width // columns
    height = round(tile * images[0].shape[0] / images[0].shape[1])
    tiles = [cv2.resize(image, (tile, height), interpolation=cv2.INTER_AREA) for image in images]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.vstack(rows)  # type: ignore[return-value]
