"""Pictures of results: the box on the frame, and contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from siamtrack.tracking.crop import Image
from siamtrack.tracking.result import State, TrackResult

COLORS = {State.TRACKING: (115, 158, 0), State.UNCERTAIN: (0, 159, 230), State.LOST: (0, 94, 213)}
"""BGR by state: bluish green, orange, vermilion of the Okabe-Ito palette, which colour-blind people tell apart."""

_SHIFT = 3  # fractional bits of OpenCV's drawing calls: a box moves smoothly, not by whole pixels


def draw(image: Image, result: TrackResult, caption: str = "") -> Image:
    """A copy of a frame with the box, the score and the state drawn on it.

    Args:
        image: (H, W, 3) BGR uint8; not changed.
        result: what to draw.
        caption: text for the bottom left corner.
    """
    canvas = image.copy()
    height, width = canvas.shape[:2]
    line = max(2, round(min(height, width) / 300))
    size = max(0.45, min(height, width) / 500)
    color = COLORS[result.state]
    x, y, w, h = result.box
    corners = [(round(px * 2**_SHIFT), round(py * 2**_SHIFT)) for px, py in ((x, y), (x + w, y + h))]
    # A dark rim keeps the line visible on any background.
    cv2.rectangle(canvas, corners[0], corners[1], (0, 0, 0), line + 1, cv2.LINE_AA, _SHIFT)
    cv2.rectangle(canvas, corners[0], corners[1], color, line, cv2.LINE_AA, _SHIFT)
    label = f"{result.score:.2f}" if result.state is State.TRACKING else f"{result.state} {result.score:.2f}"
    (_, text_height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    above = int(y) - line - 3
    _text(canvas, label, (int(x), above if above > text_height else int(y + h) + text_height + line + 3), size)
    if caption:
        _text(canvas, caption, (6, height - 8), size)
    return canvas


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


def _text(canvas: Image, text: str, origin: tuple[int, int], size: float) -> None:
    cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
