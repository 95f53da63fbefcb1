"""`peak_gap_numpy` on the device, for many targets at once."""

from __future__ import annotations

import torch
from torch import Tensor

from siamtrack.tracking.evidence import NEAR


def peak_gaps(response: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """(N,) gaps of N response maps whose peaks are at given cells; see `Evidence`.

    Args:
        response: (N, n, n) float64. row, column: (N,) int64.
    """
    size = response.shape[-1]
    near = (cells_away(size, row, column) <= NEAR).flatten(1)
    logits = response.flatten(1)
    gap = logits.gather(1, (row * size + column)[:, None])[:, 0] - logits.masked_fill(near, -torch.inf).amax(1)
    return gap.masked_fill(near.all(1), 0.0)


def cells_away(size: int, row: Tensor, column: Tensor) -> Tensor:
    """(N, size, size) cells, along the axis where it is farther, from each cell of a map to a given one.

    Args:
        size: of the maps. row, column: (N,) int64.
    """
    cells = torch.arange(size, device=row.device)
    return torch.maximum((cells - row[:, None]).abs()[:, :, None], (cells - column[:, None]).abs()[:, None, :])
