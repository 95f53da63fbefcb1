"""Which triplets of a batch are worth learning from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Triplets(NamedTuple):
    """Rows of a batch, (T,) int64 each. None found: three empty tensors.

    Attributes:
        anchor, positive: of one class. negative: of another.
    """

    anchor: Tensor
    positive: Tensor
    negative: Tensor


def class_masks(classes: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs of a batch are of one class, and which of two.

    Args:
        classes: (B,) integers.

    Returns:
        Two (B, B) bool: `same` without the diagonal, `different`.
    """
    equal = classes[:, None] == classes[None, :]
    return equal & ~torch.eye(len(classes), dtype=torch.bool, device=classes.device), ~equal


def batch_hard(distance: Tensor, same: Tensor, different: Tensor) -> Triplets:
    """For every anchor its farthest positive and its nearest negative (arXiv 1703.07737, equation 5).

    Args:
        distance: (B, B), smaller is more similar; row: anchor.
        same, different: (B, B) bool, as of `class_masks`. A pair may be neither: it is left alone.

    Returns:
        One triplet for every anchor that has both; none for the others.
    """
    with torch.no_grad():
        anchor = torch.nonzero(same.any(dim=1) & different.any(dim=1)).flatten()
        rows = distance[anchor]
        positive = rows.masked_fill(~same[anchor], float("-inf")).argmax(dim=1) if len(anchor) else anchor
        negative = rows.masked_fill(~different[anchor], float("inf")).argmin(dim=1) if len(anchor) else anchor
        return Triplets(anchor, positive, negative)


def semi_hard(distance: Tensor, same: Tensor, different: Tensor, margin: float) -> Triplets:
    """For every positive pair the nearest negative that is farther than the positive, but by less than the margin.

    Harder negatives than these can pull all embeddings into one point early in a run (arXiv 1503.03832, section 3.2).

    Args:
        distance, same, different: as for `batch_hard`.
        margin: that of the loss.

    Returns:
        One triplet for every (anchor, positive) that has such a negative; none for the others.
    """
    with torch.no_grad():
        anchor, positive = torch.nonzero(same, as_tuple=True)
        near = distance[anchor, positive][:, None]
        rows = distance[anchor]
        fits = different[anchor] & (rows > near) & (rows < near + margin)
        found = fits.any(dim=1)
        if not bool(found.any()):
            return Triplets(anchor[:0], positive[:0], anchor[:0])
        negative = rows.masked_fill(~fits, float("inf")).argmin(dim=1)
        return Triplets(anchor[found], positive[found], negative[found])
