"""Losses of the tracker: the balanced logistic one of SiamFC, its softmax form, and those of the box head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def logistic_labels(center_xy: Tensor, size: int, radius: float) -> Tensor:
    """Label maps (N, size, size): 1 within `radius` of the target, and in the nearest cell, else 0 (arXiv 1606.09549, eq. 4).

    Args:
        center_xy: (N, 2) position of the target in each response map, in cells (cell 0 has its centre at 0).
        size: cells along one side of the response map. radius: in cells, Euclidean; the paper's 16 px are 2 cells.
    """
    cells = torch.arange(size, device=center_xy.device, dtype=center_xy.dtype)
    dx = cells[None, None, :] - center_xy[:, 0, None, None]
    dy = cells[None, :, None] - center_xy[:, 1, None, None]
    distance = (dx.square() + dy.square()).sqrt()
    closest = distance.flatten(1).min(dim=1).values[:, None, None]
    return (distance <= torch.maximum(closest, torch.full_like(closest, radius))).float()


def balanced_logistic_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy in which the positive and the negative cells of each map weigh one half each.

    Source: arXiv 1606.09549, equations 2 to 4 and the class weighting below them. A map without positive cells counts its
    negatives alone, and the other way round.

    Args:
        logits, labels: (N, h, w); labels are 0 or 1.

    Returns:
        Scalar, mean over the maps.
    """
    positive = (labels > 0.5).to(logits.dtype)
    negative = 1.0 - positive
    count_positive = positive.sum(dim=(-2, -1), keepdim=True)
    count_negative = negative.sum(dim=(-2, -1), keepdim=True)
    weight = positive / count_positive.clamp(min=1) + negative / count_negative.clamp(min=1)
    weight = weight / weight.sum(dim=(-2, -1), keepdim=True)
    losses = F.binary_cross_entropy_with_logits(logits, labels, weight=weight, reduction="none")
    return losses.sum(dim=(-2, -1)).mean()


def softmax_location_loss(logits: Tensor, labels: Tensor, distractors: Tensor) -> Tensor:
    """Cross-entropy of "which cell is the target?" over the target's own map and maps that hold other objects.

    The balanced logistic loss weighs a thousand easy background cells like one hard one; this form lets
    the hardest, a distractor in another video, speak loudest.

    Args:
        logits: (N, h, w) responses of each exemplar over its own search region.
        labels: (N, h, w) non-negative weights of the target's cells.
        distractors: (N, D) logits of the same exemplars elsewhere; minus infinity for cells that must not count.

    Returns:
        Scalar, mean over the maps.
    """
    log_total = torch.logsumexp(torch.cat([logits.flatten(1), distractors], dim=1), dim=1)
    target = labels.flatten(1)
    target = target / target.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return (log_total - (target * logits.flatten(1)).sum(dim=1)).mean()


def focal_loss(logits: Tensor, labels: Tensor, weight: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """Binary focal loss (arXiv 1708.02002, equation 5), summed: to be divided by the number of positives.

    Args:
        logits, labels, weight: one shape; labels 0 or 1, weight 0 where a cell must not count.
        gamma: how fast a cell that is right already falls silent. alpha: weight of the positives; the negatives have 1 - alpha.
    """
    losses = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    wrong = (torch.sigmoid(logits) - labels).abs()
    balance = alpha * labels + (1 - alpha) * (1 - labels)
    return (weight * balance * wrong.pow(gamma) * losses).sum()


def side_iou(predicted: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """IoU in 0..1 and GIoU (arXiv 1902.09630, algorithm 1) in -1..1 of boxes given by distances from one point inside both.

    Args:
        predicted, wanted: (..., 4) distances to the left, top, right and lower side, none negative.
    """

    def area(sides: Tensor) -> Tensor:
        return (sides[..., 0] + sides[..., 2]) * (sides[..., 1] + sides[..., 3])

    overlap = area(torch.minimum(predicted, wanted))
    union = area(predicted) + area(wanted) - overlap
    hull = area(torch.maximum(predicted, wanted))
    iou = overlap / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)
