"""Heads: from the similarity of two embeddings to the response that the loss and the tracker read."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siamtrack.model.similarity import cross_correlation, cross_correlation_all


class CorrelationHead(nn.Module):
    """Cross-correlation with a learned scale and bias, so that the logistic loss sees logits of a sane size.

    Source: arXiv 1606.09549, section 2.2 (the scalar `b` of equation 1). A raw correlation sums
    6 x 6 x 256 products; the scale starts at 1e-3 to bring that near 1.

    The parameter is a gain on that 1e-3, not the scale itself: one step of a usual learning rate would
    otherwise double the scale or turn it negative (plain SGD at 1e-2 was seen to reach a loss of 38).
    """

    unit_scale = 1e-3

    def __init__(self, gain: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.bias = nn.Parameter(torch.tensor(bias))

    @property
    def scale(self) -> Tensor:
        """The factor on the correlation, a scalar."""
        return self.gain * self.unit_scale

    def forward(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """Response logits (N, K, H', W') of exemplars (N, K, C, h, w) over search embeddings (N, C, H, W)."""
        return self.scale * cross_correlation(exemplar, search) + self.bias

    def all_pairs(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """Response logits (N, M, H', W') of every exemplar (M, C, h, w) over every search embedding (N, C, H, W)."""
        return self.scale * cross_correlation_all(exemplar, search) + self.bias
