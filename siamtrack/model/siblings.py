"""Sibling networks: one tower, two items, one distance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.model.similarity import Similarity


class Siblings(nn.Module):
    """Any module as the shared tower, and a similarity that compares what it makes of two items.

    Sharing is by construction: there is one tower, and both branches call it.

    Args:
        tower: items to embeddings (N, D); called with whatever `embed` is given.
        similarity: compares embeddings.
        normalise: bring embeddings to length 1, so that distances have one range whatever the tower's scale.

    Example:
        >>> net = Siblings(nn.Linear(8, 4), Euclidean())
        >>> net(torch.zeros(2, 8), torch.ones(2, 8)).shape
        torch.Size([2])
    """

    def __init__(self, tower: nn.Module, similarity: Similarity, normalise: bool = True) -> None:
        super().__init__()
        self.tower, self.similarity, self.normalise = tower, similarity, normalise
        # A distance becomes a logit for the logistic loss: `sharpness * (midpoint - distance)`.
        self.log_sharpness = nn.Parameter(torch.tensor(1.0))
        self.midpoint = nn.Parameter(torch.tensor(0.0 if similarity.larger_is_similar else 1.0))

    def embed(self, *items: Tensor) -> Tensor:
        """Embeddings (N, D) of a batch, as the tower takes it."""
        embedding: Tensor = self.tower(*items).float()
        return F.normalize(embedding, dim=1) if self.normalise else embedding

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (N,) of N pairs of items; smaller is more similar."""
        return self.similarity.distance(self.embed(a), self.embed(b))

    def logit(self, distance: Tensor) -> Tensor:
        """The larger, the more similar: what the logistic loss learns from."""
        return self.log_sharpness.exp() * (self.midpoint - distance)
