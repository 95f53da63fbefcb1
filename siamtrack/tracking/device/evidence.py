"""`measure_numpy` on the device, for many targets at once."""

from __future__ import annotations

import torch
from torch import Tensor

from siamtrack.tracking.evidence import NEAR


def measure(response: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """(N, 4) float64: peak, psr, gap and entropy of N response maps whose peaks are at given cells; see `Evidence`.

    Args:
        response: (N, n, n) float64. row, column: (N,) int64.
    """
    count, size = response.shape[0], response.shape[-1]
    cells = torch.arange(size, device=response.device)
    away = torch.maximum((cells - row[:, None]).abs()[:, :, None], (cells - column[:, None]).abs()[:, None, :])
    far = (away > NEAR).flatten(1)
    logits = response.flatten(1)
    peak = logits.gather(1, (row * size + column)[:, None])
    lobes = far.sum(1, keepdim=True)
    lower = (logits - peak) * far  # about the peak, as the twin has it
    mean = lower.sum(1, keepdim=True) / lobes.clamp(min=1)
    deviation = (((lower - mean) * far).square().sum(1, keepdim=True) / lobes.clamp(min=1)).sqrt().clamp(min=1e-6)
    gap = peak - logits.masked_fill(~far, -torch.inf).amax(1, keepdim=True)
    gap = torch.where(lobes > 0, gap, torch.zeros_like(gap))
    shares = logits.log_softmax(1)
    entropy = -(shares.exp() * shares).sum(1, keepdim=True)
    return torch.cat([peak, -mean / deviation, gap, entropy], dim=1).reshape(count, 4)
