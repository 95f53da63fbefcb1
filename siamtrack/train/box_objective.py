"""The box head's objective: which cells stand for the target, how far its sides are, how good each box is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from siamtrack.model.heads import BoxHead
from siamtrack.model.losses import focal_loss, side_iou
from siamtrack.models import EXEMPLAR_SIZE, STRIDE
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.pairs import Batch
from siamtrack.train.recipe import Negatives
from siamtrack.train.soft_targets import soft_loss

POSITIVE_SHARE = 0.25
"""Cells within this share of the target's sides from its middle are positive; between there and its sides none counts."""

SIDES_WEIGHT, QUALITY_WEIGHT, SOFT_WEIGHT = 1.5, 0.5, 1.0


def assign_cells(center_xy: Tensor, size_wh: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """What each cell of a response map should say.

    Args:
        center_xy, size_wh: (N, 2) of the target in the search crop, pixels.
        cells: along one side of the map.

    Returns:
        labels (N, cells, cells): 1 in the middle of the target, else 0; at least one cell is 1.
        weight (N, cells, cells): 0 in the rest of the target, which is neither its middle nor background.
        distances (N, 4, cells, cells): to the left, top, right and lower side, pixels; negative outside.
    """
    line = EXEMPLAR_SIZE / 2 + STRIDE * torch.arange(cells, device=center_xy.device, dtype=center_xy.dtype)
    dx = line[None, None, :] - center_xy[:, 0, None, None]
    dy = line[None, :, None] - center_xy[:, 1, None, None]
    dx, dy = dx.expand(-1, cells, -1), dy.expand(-1, -1, cells)
    half_w, half_h = size_wh[:, 0, None, None] / 2, size_wh[:, 1, None, None] / 2
    # A small target still gets the cells around its middle.
    near_x, near_y = ((2 * POSITIVE_SHARE * half).clamp(min=STRIDE * 0.75) for half in (half_w, half_h))
    distance = (dx / near_x).square() + (dy / near_y).square()
    closest = distance.flatten(1).min(dim=1).values[:, None, None]
    labels = (distance <= closest.clamp(min=1)).float()
    inside = (dx.abs() < half_w) & (dy.abs() < half_h)
    weight = torch.where(inside & (labels == 0), 0.0, 1.0)
    distances = torch.stack([half_w + dx, half_h + dy, half_w - dx, half_h - dy], dim=1)
    return labels, weight, distances


def hardest_views(response: Tensor, instance: Tensor) -> Tensor:
    """(B / 2,) numbers of the views of another instance in which each even exemplar finds most of itself: batch-hard negatives.

    What DaSiamRPN (arXiv 1808.06048, section 3.2) takes from labels, pairs of one category, the response itself finds here,
    among the views of this process.

    Args:
        response: (B / 2, B, h, h) correlation logits of the even exemplars with all views. instance: (B,) of the views.
    """
    peaks = response.detach().flatten(2).amax(dim=2)
    return peaks.masked_fill(instance[::2, None] == instance[None, :], float("-inf")).argmax(dim=1)


def box_loss(
    head: BoxHead,
    embedding: Tensor,
    exemplar: Tensor,
    response: Tensor,
    batch: Batch,
    group: Group = ALONE,
    negatives: Negatives = "next",
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of the box head on a batch whose views 2i and 2i + 1 show the same target.

    Args:
        head: the box head.
        embedding: (B, C, n, n) float32 of the views. exemplar: (B, C, 6, 6) cut out of them.
        response: (B, B, h, h) correlation logits, exemplar by search region.
        batch: for the targets' places and sizes, and a teacher's opinion of the odd views, if there is one.
        group: processes over which "per positive cell" is counted.
        negatives: which other target's view each even exemplar is looked for in, too, where nothing is to be found.

    Returns:
        The scalar loss, its parts, and the mean IoU over positive cells.
    """
    count = len(embedding)
    kernel, features = head.kernel(exemplar), head.features(embedding)
    own = torch.arange(count, device=embedding.device)
    partner = own ^ 1
    # Every other exemplar is also looked for in a view of another target, where nothing is to be found.
    even = own[::2]
    negative = hardest_views(response[even], batch.instance) if negatives == "hardest" else (even ^ 2) + 1
    z, x = torch.cat([own, even]), torch.cat([partner, negative])
    maps = head(kernel[z], features[x], response[z, x], batch.size_wh[z])

    labels, weight, distances = assign_cells(batch.center_xy[partner], batch.size_wh[partner], response.shape[-1])
    fair = (batch.instance[even] != batch.instance[negative]).float()[:, None, None]
    nothing = torch.zeros_like(maps.target[count:])
    positives = group.mean(labels.sum())
    target = focal_loss(maps.target, torch.cat([labels, nothing]), torch.cat([weight, nothing + fair])) / positives

    # A cell outside a very thin target has no box to give; an image without labels has none either.
    # All cells are computed and these counted: picking them out would make a GPU wait for how many there are.
    chosen = (labels > 0) & (distances > 0).all(dim=1) & batch.boxed[:, None, None]
    cells = group.mean(chosen.sum().float()).clamp(min=1)
    iou, giou = side_iou(maps.distances[:count].permute(0, 2, 3, 1), distances.permute(0, 2, 3, 1))
    found = torch.where(chosen, iou, 0.0)
    sides = torch.where(chosen, 1 - giou, 0.0).sum() / cells
    quality = F.binary_cross_entropy_with_logits(maps.quality[:count], found.detach(), chosen.float(), reduction="sum") / cells
    parts = {"class": target, "sides": sides, "quality": quality, "iou": found.sum() / cells}
    total = target + SIDES_WEIGHT * sides + QUALITY_WEIGHT * quality
    if batch.soft is not None:
        parts["soft"] = soft_loss(maps.target[:count:2], maps.distances[:count:2], batch.soft, group)
        total = total + SOFT_WEIGHT * parts["soft"]
    return total, parts
