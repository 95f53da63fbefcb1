"""The training objective: every view of a batch is an exemplar and a search region at once.

The backbone has no padding, so the 6 x 6 cells of a search region's embedding around the target *are* the
embedding of the exemplar that a tracker would cut there. One pass over B views gives B exemplars, B
search regions and B x B responses: two positive pairs a target, and all other pairs as negatives. A plain
pair loader embeds an exemplar and a search region for a single positive pair.
"""

from __future__ import annotations

import torch
from torch import Tensor

from siamtrack.model.backbone import EXEMPLAR_SIZE, STRIDE, embedding_size
from siamtrack.model.losses import balanced_logistic_loss, logistic_labels, softmax_location_loss
from siamtrack.model.siamese import Siamese
from siamtrack.train.box_objective import box_loss
from siamtrack.train.pairs import Batch

EXEMPLAR_CELLS = embedding_size(EXEMPLAR_SIZE)
EXEMPLAR_HALF_PX = EXEMPLAR_SIZE / 2


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
    net: Siamese, embedding: Tensor, batch: Batch, radius_px: float, softmax_weight: float, box_weight: float = 0.0
) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch whose views 2i and 2i + 1 show the same target.

    Args:
        net: for its heads.
        embedding: (B, C, n, n) of the views.
        batch: for the targets' places, sizes and families.
        radius_px: positive radius of the logistic labels.
        box_weight: weight of the box head's loss, where the network has that head.
        softmax_weight: weight of the softmax location loss beside the balanced logistic loss; 0 is the paper's loss.

    Returns:
        The scalar loss, and its parts and the share of pairs whose peak is within the radius, as floats.
    """
    center_xy, family = batch.center_xy, batch.family
    count = len(embedding)
    # Correlations sum 9216 products: half precision would round the peak away.
    embedding = embedding.float()
    exemplar, offset = cut_exemplars(embedding, center_xy)
    response = net.head.all_pairs(exemplar, embedding).transpose(0, 1)  # (exemplar, search, h, w)
    own = torch.arange(count, device=embedding.device)
    partner = own ^ 1
    positive = response[own, partner]
    # Where the search region must be cut for its content to lie on the exemplar's, in cells.
    fractional = (center_xy - EXEMPLAR_HALF_PX) / STRIDE
    target = fractional[partner] + (offset - fractional)
    labels = logistic_labels(target, positive.shape[-1], radius_px / STRIDE)
    logistic = balanced_logistic_loss(positive, labels)
    total, parts = logistic, {"logistic": float(logistic.detach())}
    if softmax_weight:
        same = family[:, None] == family[None, :]
        others = response.masked_fill(same[:, :, None, None], float("-inf")).flatten(1)
        softmax = softmax_location_loss(positive, _bump(target, positive.shape[-1]), others)
        total = total + softmax_weight * softmax
        parts["softmax"] = float(softmax.detach())
    if net.box is not None and box_weight:
        boxes, box_parts = box_loss(net.box, embedding, exemplar, response, batch)
        total = total + box_weight * boxes
        parts.update(box_parts)
    with torch.no_grad():
        peak = positive.flatten(1).argmax(dim=1)
        hit = labels.flatten(1).gather(1, peak[:, None])
        parts["hit"] = float(hit.mean())
    return total, parts


def _bump(center_xy: Tensor, size: int, sigma: float = 0.7) -> Tensor:
    """(N, size, size) Gaussian weights around the target, in cells: sharper than the logistic's plateau of two cells."""
    cells = torch.arange(size, device=center_xy.device, dtype=center_xy.dtype)
    dx = (cells - center_xy[:, 0, None]).square()
    dy = (cells - center_xy[:, 1, None]).square()
    return torch.exp(-(dx[:, None, :] + dy[:, :, None]) / (2 * sigma**2))
