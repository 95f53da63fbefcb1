"""From an item to what a tower takes: a square picture of the tower's size, or rows of numbers on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.errors import DataError
from siamtrack.model.towers import TowerSpec


def picture_input(picture: NDArray[np.uint8], spec: TowerSpec) -> NDArray[np.uint8]:
    """A picture as the tower sees it.

    It is made square by repeating its border, not by stretching: a glyph or a face must keep its shape.

    Args:
        picture: (H, W, 3) BGR.
        spec: of the tower.

    Returns:
        (size, size, channels), RGB or gray.
    """
    height, width = picture.shape[:2]
    side = max(height, width)
    if height != width:
        top, left = (side - height) // 2, (side - width) // 2
        picture = cv2.copyMakeBorder(  # type: ignore[assignment]
            picture, top, side - height - top, left, side - width - left, cv2.BORDER_REPLICATE
        )
    if side != spec.size:
        how = cv2.INTER_AREA if side > spec.size else cv2.INTER_LINEAR
        picture = cv2.resize(picture, (spec.size, spec.size), interpolation=how)  # type: ignore[assignment]
    if spec.gray:
        return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[..., None]  # type: ignore[return-value]
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def sequence_input(rows: NDArray[np.float32], spec: TowerSpec) -> NDArray[np.float32]:
    """A sequence as the tower sees it: centred, divided by its root mean square, at most `spec.length` rows.

    All columns share one divisor, so that the proportions of a signature stay.

    Args:
        rows: (T, F) numbers.
        spec: of the tower.

    Returns:
        (min(T, length), F) float32.

    Raises:
        DataError: F differs from the tower's.
    """
    if rows.shape[1] != spec.features:
        raise DataError(f"a sequence has {rows.shape[1]} columns; the network was made for {spec.features}")
    if len(rows) > spec.length:
        rows = rows[np.linspace(0, len(rows) - 1, spec.length).round().astype(np.int64)]
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    spread = float(np.sqrt(np.square(centred).mean()))
    return (centred / max(spread, 1e-6)).astype(np.float32)


def as_batch(inputs: Sequence[NDArray[Any]]) -> tuple[Tensor, ...]:
    """What `Siblings.embed` takes of items as the functions above give them.

    Args:
        inputs: pictures (S, S, C) uint8, or sequences (T, F) float32 of any lengths.

    Returns:
        Pictures (N, C, S, S) float32; or sequences (N, T, F), padded with zeros, and their lengths (N,).
    """
    if inputs[0].dtype == np.uint8:
        return (torch.from_numpy(np.stack(inputs)).permute(0, 3, 1, 2).float(),)  # channels last already
    lengths = [len(rows) for rows in inputs]
    padded = np.zeros((len(inputs), max(lengths), inputs[0].shape[1]), np.float32)
    for row, rows in zip(padded, inputs, strict=True):
        row[: len(rows)] = rows
    return torch.from_numpy(padded), torch.tensor(lengths)
