"""A contact sheet of training views: what the network will see, before hours go into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from siamtrack.errors import SiamtrackError
from siamtrack.frames import Image
from siamtrack.train.crops import PairStore
from siamtrack.train.pairs import Batch, PairBatches
from siamtrack.train.recipe import Recipe

COLUMNS = 4
"""Pairs side by side."""


def preview(recipe: Recipe, stores: Sequence[PairStore]) -> Image:
    """The views of the first training step, pairs side by side, with centre and box of the target drawn; (H, W, 3) BGR uint8.

    A box in orange stands for an image without labels, whose extent is not learned.
    """
    batch = PairBatches(stores, recipe)[0]
    tiles = [_tile(batch, i, recipe.color_order == "rgb") for i in range(len(batch.images))]
    pairs = [np.hstack(tiles[i : i + 2]) for i in range(0, len(tiles), 2)]
    blank = np.full_like(pairs[0], 255)
    pairs += [blank] * (-len(pairs) % COLUMNS)
    framed = [cv2.copyMakeBorder(pair, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(255, 255, 255)) for pair in pairs]
    return np.vstack([np.hstack(framed[i : i + COLUMNS]) for i in range(0, len(framed), COLUMNS)])  # type: ignore[arg-type]


def write_preview(path: Path, recipe: Recipe, stores: Sequence[PairStore]) -> None:
    """Write `preview` as an image file; a SiamtrackError where that cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        written = cv2.imwrite(str(path), preview(recipe, stores))
    except cv2.error:
        written = False
    if not written:
        raise SiamtrackError(f"{path} cannot be written as an image; give a name that ends in .png or .jpg")


def _tile(batch: Batch, i: int, rgb: bool) -> Image:
    image = np.ascontiguousarray(batch.images[i].numpy()[..., ::-1] if rgb else batch.images[i].numpy())
    center, size = batch.center_xy[i].numpy(), batch.size_wh[i].numpy()
    corners = [tuple(int(value) for value in np.round(center + sign * size / 2)) for sign in (-1, 1)]
    color = (80, 220, 80) if batch.boxed[i] else (0, 140, 255)
    cv2.rectangle(image, corners[0], corners[1], color, 1, cv2.LINE_AA)
    x, y = (int(value) for value in np.round(center))
    cv2.drawMarker(image, (x, y), color, cv2.MARKER_CROSS, 9, 1)
    return image  # type: ignore[return-value]
