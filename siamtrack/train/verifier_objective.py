"""The loss of a verifier: contrastive, triplet or logistic, on the embeddings of one batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siamtrack.model.losses import contrastive_loss, pair_logistic_loss, triplet_loss
from siamtrack.model.mining import batch_hard, class_masks, semi_hard
from siamtrack.model.siblings import Siblings
from siamtrack.train.verifier_data import VerifierBatch
from siamtrack.train.verifier_recipe import VerifierRecipe

PARTS = ("contrastive", "triplet", "logistic", "near", "far")
"""The losses, of which a run has one, and two distances to watch: the means of similar and of dissimilar pairs."""


class VerifierObjective(nn.Module):
    """A batch in, its loss out.

    Args:
        net: the network.
        recipe: which loss, its margin and mining.
    """

    def __init__(self, net: Siblings, recipe: VerifierRecipe) -> None:
        super().__init__()
        self.net, self.recipe = net, recipe

    def forward(self, batch: VerifierBatch, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch, and its parts without gradient."""
        net, recipe = self.net, self.recipe
        embedding = net.embed(*batch.inputs())
        distance = net.similarity.distance(embedding[batch.first], embedding[batch.second])
        if recipe.loss == "contrastive":
            loss = contrastive_loss(distance, batch.label, recipe.margin)
        elif recipe.loss == "logistic":
            loss = pair_logistic_loss(net.logit(distance), batch.label)
        else:
            loss = self._triplet(embedding, batch)
        with torch.no_grad():
            far = batch.label >= 0.5
            parts = {"near": _mean_of(distance, ~far), "far": _mean_of(distance, far)}
        return loss, {recipe.loss: loss.detach(), **parts}

    def _triplet(self, embedding: Tensor, batch: VerifierBatch) -> Tensor:
        recipe, similarity = self.recipe, self.net.similarity
        same, different = class_masks(batch.classes)
        same = same & (batch.sources[:, None] != batch.sources[None, :])
        distance = similarity.distance_matrix(embedding.detach(), embedding.detach())
        if recipe.mining == "batch_hard":
            chosen = batch_hard(distance, same, different)
        else:
            chosen = semi_hard(distance, same, different, recipe.margin)
        anchor, positive, negative = (embedding[rows] for rows in chosen)
        return triplet_loss(anchor, positive, negative, recipe.margin, similarity)


def _mean_of(values: Tensor, chosen: Tensor) -> Tensor:
    return (values.detach() * chosen).sum() / chosen.sum().clamp(min=1)
