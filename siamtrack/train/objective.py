"""The training objective: every view of a batch is an exemplar and a search region at once.

The backbone has no padding, so the 6 x 6 cells of a search region's embedding around the target *are* the
embedding of the exemplar that a tracker would cut there. One pass over B views gives B exemplars, B
search regions and B x B responses: two positive pairs a target, and all other pairs as negatives. A plain
pair loader embeds an exemplar and a search region for a single positive pair.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siamtrack.model.lite import LiteNet
from siamtrack.model.losses import balanced_logistic_loss, logistic_labels, softmax_location_loss
from siamtrack.model.siamese import Siamese
from siamtrack.models import EXEMPLAR_SIZE, STRIDE, embedding_size
from siamtrack.train.box_objective import box_loss
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.pairs import Batch
from siamtrack.train.recipe import Recipe

PARTS = ("logistic", "softmax", "class", "sides", "quality", "soft", "iou", "hit")
"""Every part that this loss can have, with two shares to watch: `iou` of the boxes, `hit` of the peaks."""

EXEMPLAR_CELLS = embedding_size(EXEMPLAR_SIZE)
EXEMPLAR_HALF_PX = EXEMPLAR_SIZE / 2


class Objective(nn.Module):
    """A batch in, its loss out: what is trained, as one module.

    Args:
        net: the network.
        recipe: weights of the parts.
        group: the processes that share the batch.
        autocast: format of the backbone's autocast, or None for float32.
    """

    def __init__(self, net: Siamese, recipe: Recipe, group: Group = ALONE, autocast: torch.dtype | None = None) -> None:
        super().__init__()
        self.net, self.recipe, self.group, self.autocast = net, recipe, group, autocast

    def train(self, mode: bool = True) -> Objective:
        """Training mode; the norms of frozen blocks keep their statistics where the recipe says so."""
        super().train(mode)
        if self.recipe.backbone_norms == "kept":
            self.net.backbone.eval()
        for name in self.recipe.frozen if self.recipe.frozen_norms else ():
            getattr(self.net.backbone, name).eval()
        return self

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch, and its parts without gradient."""
        net, recipe = self.net, self.recipe
        # The loader gives (B, S, S, 3), which seen as (B, 3, S, S) is channels_last: what tensor cores want, but
        # backward passes of AlexNet on a CPU are a sixth faster without; those of depthwise convolutions half slower.
        last = batch.images.is_cuda or isinstance(net.backbone, LiteNet)
        layout = torch.channels_last if last else torch.contiguous_format
        image = batch.images.permute(0, 3, 1, 2)
        if batch.early is None:
            image = image.to(torch.float32, memory_format=layout)
        with torch.autocast(image.device.type, self.autocast, enabled=self.autocast is not None):
            if batch.early is not None and isinstance(net.backbone, LiteNet):
                early = batch.early.to(memory_format=torch.channels_last)
                features = net.backbone.later(early, len(recipe.frozen))
            else:
                features = net.backbone.features((image - net.mean) / net.std)
            embedding = net.backbone.project(features)
        # Correlations sum 9216 products: half precision would round the peak away.
        loss, parts = siamese_loss(net, embedding.float(), batch, recipe, self.group)
        return loss, {key: value.detach() for key, value in parts.items()}


def cut_exemplars(embedding: Tensor, center_xy: Tensor) -> tuple[Tensor, Tensor]:
    """The exemplar embedding nearest to each target.

    Args:
        embedding: (B, C, n, n) of search regions.
        center_xy: (B, 2) the target's centre in each view, pixels.

    Returns:
        Exemplars (B, C, 6, 6), and where they were cut, (B, 2) cells, x before y.
    """
    limit = embedding.shape[-1] - EXEMPLAR_CELLS
    offset = ((center_xy - EXEMPLAR_HALF_PX) / STRIDE).round().clamp(0, limit).long()
    span = torch.arange(EXEMPLAR_CELLS, device=embedding.device)
    rows = (offset[:, 1, None] + span)[:, None, :, None]
    columns = (offset[:, 0, None] + span)[:, None, None, :]
    batch = torch.arange(len(embedding), device=embedding.device)[:, None, None, None]
    channel = torch.arange(embedding.shape[1], device=embedding.device)[None, :, None, None]
    return embedding[batch, channel, rows, columns], offset


def siamese_loss(
    net: Siamese, embedding: Tensor, batch: Batch, recipe: Recipe, group: Group = ALONE
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a batch whose views 2i and 2i + 1 show the same target.

    Args:
        net: for its heads.
        embedding: (B, C, n, n) float32 of the views.
        batch: for the targets' places, sizes and instances, and what a teacher says of the pairs.
        recipe: `radius_px` of the logistic labels, `softmax_weight` (0: the paper's loss alone), `box_weight`, `negatives`.
        group: processes whose views serve as negatives too.

    Returns:
        The scalar loss, its parts, and `hit`: the share of pairs whose peak is within the radius.
    """
    count, first = len(embedding), group.rank * len(embedding)
    exemplar, offset = cut_exemplars(embedding, batch.center_xy)
    search = group.gather(embedding) if recipe.softmax_weight else embedding
    first = first if len(search) > count else 0
    response = net.head.all_pairs(exemplar, search).transpose(0, 1)  # (exemplar, search, h, w)
    own = torch.arange(count, device=embedding.device)
    partner = own ^ 1
    positive = response[own, first + partner]
    # Where the search region must be cut for its content to lie on the exemplar's, in cells.
    fractional = (batch.center_xy - EXEMPLAR_HALF_PX) / STRIDE
    target = fractional[partner] + (offset - fractional)
    labels = logistic_labels(target, positive.shape[-1], recipe.radius_px / STRIDE)
    total = balanced_logistic_loss(positive, labels)
    parts = {"logistic": total}
    if recipe.softmax_weight:
        same = batch.instance[:, None] == group.gather(batch.instance)[None, :]
        others = response.masked_fill(same[:, :, None, None], float("-inf")).flatten(1)
        parts["softmax"] = softmax_location_loss(positive, _bump(target, positive.shape[-1]), others)
        total = total + recipe.softmax_weight * parts["softmax"]
    if net.box is not None and recipe.box_weight:
        views = response[:, first : first + count]
        boxes, box_parts = box_loss(net.box, embedding, exemplar, views, batch, group, recipe.negatives)
        total = total + recipe.box_weight * boxes
        parts.update(box_parts)
    with torch.no_grad():
        peak = positive.flatten(1).argmax(dim=1)
        parts["hit"] = labels.flatten(1).gather(1, peak[:, None]).mean()
    return total, parts


def _bump(center_xy: Tensor, size: int) -> Tensor:
    """(N, size, size) Gaussian weights around the target, of 0.7 cells: sharper than the logistic's plateau of two."""
    cells = torch.arange(size, device=center_xy.device, dtype=center_xy.dtype)
    dx = (cells - center_xy[:, 0, None]).square()
    dy = (cells - center_xy[:, 1, None]).square()
    return torch.exp(-(dx[:, None, :] + dy[:, :, None]) / (2 * 0.7**2))
