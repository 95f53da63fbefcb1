"""Losses of a verifier: contrastive, triplet and logistic, and which triplets of a batch count."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.verify.batches import VerifierBatch
from siamtrack.verify.network import Siblings
from siamtrack.verify.verifier_recipe import VerifierRecipe

PARTS = ("contrastive", "triplet", "logistic", "near", "far")
"""The losses, of which a run has one, and two distances to watch: the means of similar and of dissimilar pairs."""


def contrastive_loss(distance: Tensor, label: Tensor, margin: float = 1.0) -> Tensor:
    """`(1 - y) d^2 / 2 + y max(0, margin - d)^2 / 2`: pulls similar pairs together, pushes others out to the margin.

    Source: Hadsell, Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006, equation 4. Other
    texts call y = 1 the similar pair, with y and 1 - y changed over: labels of theirs are given as 1 - y.

    Args:
        distance: (N,) distances d, none negative.
        label: (N,) y: 0 for a similar pair, 1 for a dissimilar one; numbers between weigh both terms.
        margin: positive distance beyond which a dissimilar pair costs nothing.

    Returns:
        Scalar, mean over the pairs; 0 for no pairs.
    """
    _check(distance, label, margin)
    y = label.to(distance.dtype)
    return _mean((1 - y) * distance.square() / 2 + y * (margin - distance).clamp(min=0).square() / 2)


def triplet_loss(near: Tensor, far: Tensor, margin: float = 1.0) -> Tensor:
    """`max(0, d(anchor, positive) - d(anchor, negative) + margin)`: the positive must be nearer by a margin.

    Source: arXiv 1503.03832 (FaceNet), equation 3, there with squared distances.

    Args:
        near, far: (N,) distances of each anchor to its positive and to its negative. margin: positive.

    Returns:
        Scalar, mean over the triplets, those that are satisfied included; 0 for no triplets.
    """
    _check(near, far, margin)
    return _mean((near - far + margin).clamp(min=0))


def pair_logistic_loss(logits: Tensor, label: Tensor) -> Tensor:
    """SiamFC's balanced logistic loss on pairs: similar and dissimilar ones weigh one half each, however many there are.

    Args:
        logits: (N,) the larger, the more similar.
        label: (N,) as in `contrastive_loss`; one between 0 and 1 counts for both kinds in proportion.
    """
    alike = 1 - label.to(logits.dtype)
    losses = F.binary_cross_entropy_with_logits(logits, alike, reduction="none")
    share = alike / alike.sum().clamp(min=1e-6) + (1 - alike) / (1 - alike).sum().clamp(min=1e-6)
    return (share * losses).sum() / share.sum().clamp(min=1e-6)


def _check(one: Tensor, other: Tensor, margin: float) -> None:
    if one.shape != other.shape:
        raise ValueError(f"two tensors of one shape are wanted, got {tuple(one.shape)} and {tuple(other.shape)}")
    if not margin > 0:
        raise ValueError(f"margin is {margin}; it must be positive")


def _mean(losses: Tensor) -> Tensor:
    # The sum of nothing is a zero that gradients can flow from; its mean would be NaN.
    return losses.sum() / max(1, losses.numel())


class Triplets(NamedTuple):
    """Rows of a batch, (T,) int64 each, with T = 0 where none is found. The negative is of another class."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor


def class_masks(classes: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs of (B,) class numbers are of one class, without the diagonal, and which of two: two (B, B) bool."""
    equal = classes[:, None] == classes[None, :]
    return equal & ~torch.eye(len(classes), dtype=torch.bool, device=classes.device), ~equal


@torch.no_grad()
def batch_hard(distance: Tensor, same: Tensor, different: Tensor) -> Triplets:
    """For every anchor that has both, its farthest positive and its nearest negative (arXiv 1703.07737, equation 5).

    Args:
        distance: (B, B), smaller is more similar; row: anchor.
        same, different: (B, B) bool, as of `class_masks`. A pair may be neither: it is left alone.
    """
    anchor = torch.nonzero(same.any(dim=1) & different.any(dim=1)).flatten()
    if not len(anchor):
        return Triplets(anchor, anchor, anchor)
    positive = distance[anchor].masked_fill(~same[anchor], float("-inf")).argmax(dim=1)
    negative = distance[anchor].masked_fill(~different[anchor], float("inf")).argmin(dim=1)
    return Triplets(anchor, positive, negative)


@torch.no_grad()
def semi_hard(distance: Tensor, same: Tensor, different: Tensor, margin: float) -> Triplets:
    """For every positive pair the nearest negative, if there is one, that is farther than the positive by less than the margin.

    Harder negatives than these can pull all embeddings into one point early in a run (arXiv 1503.03832, section 3.2).
    Arguments as for `batch_hard`; the margin is that of the loss.
    """
    anchor, positive = torch.nonzero(same, as_tuple=True)
    near = distance[anchor, positive][:, None]
    fits = different[anchor] & (distance[anchor] > near) & (distance[anchor] < near + margin)
    found = fits.any(dim=1)
    anchor, positive = anchor[found], positive[found]
    if not len(anchor):
        return Triplets(anchor, positive, anchor)
    return Triplets(anchor, positive, distance[anchor].masked_fill(~fits[found], float("inf")).argmin(dim=1))


class VerifierObjective(nn.Module):
    """A batch in, its loss out.

    Args:
        net: the network.
        recipe: which loss, its margin and mining.
    """

    def __init__(self, net: Siblings, recipe: VerifierRecipe) -> None:
        super().__init__()
        self.net, self.recipe = net, recipe

    def forward(self, batch: VerifierBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch, and its parts without gradient."""
        net, recipe = self.net, self.recipe
        embedding = net.embed(*batch.inputs())
        distance = net.similarity.distance(embedding[batch.first], embedding[batch.second])
        if recipe.loss == "contrastive":
            loss = contrastive_loss(distance, batch.label, recipe.margin)
        elif recipe.loss == "logistic":
            loss = pair_logistic_loss(net.logit(distance), batch.label)
        else:
            anchor, positive, negative = (embedding[rows] for rows in self._triplets(embedding.detach(), batch))
            near, far = net.similarity.distance(anchor, positive), net.similarity.distance(anchor, negative)
            loss = triplet_loss(near, far, recipe.margin)
        with torch.no_grad():
            dissimilar = batch.label >= 0.5
            parts = {"near": _mean_of(distance, ~dissimilar), "far": _mean_of(distance, dissimilar)}
        return loss, {recipe.loss: loss.detach(), **parts}

    def _triplets(self, embedding: Tensor, batch: VerifierBatch) -> Triplets:
        same, different = class_masks(batch.classes)
        same = same & (batch.sources[:, None] != batch.sources[None, :])
        distance = self.net.similarity.distance_matrix(embedding, embedding)
        if self.recipe.mining == "batch_hard":
            return batch_hard(distance, same, different)
        return semi_hard(distance, same, different, self.recipe.margin)


def _mean_of(values: Tensor, chosen: Tensor) -> Tensor:
    return (values.detach() * chosen).sum() / chosen.sum().clamp(min=1)
