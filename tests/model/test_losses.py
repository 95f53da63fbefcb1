import math

import numpy as np
import pytest
import torch

from siamtrack.boxes import iou
from siamtrack.model.losses import (
    balanced_logistic_loss,
    focal_loss,
    logistic_labels,
    side_iou,
    softmax_location_loss,
)


def test_labels_are_positive_within_the_radius() -> None:
    labels = logistic_labels(torch.tensor([[8.0, 8.0], [3.0, 5.0]]), 17, 2.0)
    assert labels.shape == (2, 17, 17)
    assert labels[0].sum() == 13  # cells within a distance of 2
    assert labels[0, 8, 10] == 1
    assert labels[0, 9, 10] == 0
    assert labels[1, 5, 3] == 1  # x before y in centres, rows first in maps


def test_the_cell_nearest_to_the_target_is_positive_even_for_a_tiny_radius() -> None:
    labels = logistic_labels(torch.tensor([[4.4, 6.4]]), 17, 0.1)
    assert labels.sum() == 1
    assert labels[0, 6, 4] == 1


def test_balanced_logistic_loss_against_a_reference_in_float64() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 17, 17, dtype=torch.float64)
    labels = logistic_labels(torch.full((3, 2), 8.0), 17, 2.0).double()
    expected = 0.0
    for logit, label in zip(logits, labels, strict=True):
        losses = torch.log1p(torch.exp(-(2 * label - 1) * logit))
        expected += float(losses[label == 1].mean() / 2 + losses[label == 0].mean() / 2) / 3
    assert balanced_logistic_loss(logits, labels).item() == pytest.approx(expected, rel=1e-9)


def test_indifferent_logits_cost_log_two() -> None:
    labels = logistic_labels(torch.tensor([[8.0, 8.0]]), 17, 2.0)
    assert balanced_logistic_loss(torch.zeros(1, 17, 17), labels).item() == pytest.approx(math.log(2))
    assert balanced_logistic_loss(torch.zeros(1, 17, 17), torch.zeros(1, 17, 17)).item() == pytest.approx(math.log(2))


def test_gradients_of_the_balanced_logistic_loss() -> None:
    logits = torch.randn(2, 5, 5, dtype=torch.float64, requires_grad=True)
    labels = logistic_labels(torch.full((2, 2), 2.0), 5, 1.0).double()
    assert torch.autograd.gradcheck(lambda x: balanced_logistic_loss(x, labels), (logits,))


def test_softmax_loss_is_cross_entropy_over_all_cells() -> None:
    torch.manual_seed(0)
    logits, distractors = torch.randn(2, 3, 3), torch.randn(2, 7)
    labels = torch.zeros(2, 3, 3)
    labels[:, 1, 2] = 5.0  # one cell, any weight
    joined = torch.cat([logits.flatten(1), distractors], 1)
    expected = torch.nn.functional.cross_entropy(joined, torch.tensor([5, 5]))
    assert softmax_location_loss(logits, labels, distractors).item() == pytest.approx(expected.item(), rel=1e-5)


def test_masked_distractors_do_not_count() -> None:
    logits, labels = torch.randn(1, 3, 3), torch.eye(3)[None]
    masked = torch.full((1, 4), float("-inf"))
    assert softmax_location_loss(logits, labels, masked).item() == pytest.approx(
        softmax_location_loss(logits, labels, torch.zeros(1, 0)).item()
    )


def test_focal_loss_without_focus_is_weighted_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 5, 5, dtype=torch.float64), torch.randint(0, 2, (3, 5, 5)).double()
    weight = torch.rand(3, 5, 5, dtype=torch.float64)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, weight=weight, reduction="sum") / 2
    assert torch.allclose(focal_loss(logits, labels, weight, gamma=0.0, alpha=0.5), plain)
    # By hand, with focus: -alpha (1 - p)^2 log p for a positive.
    p = torch.sigmoid(logits[0, 0, 0])
    one = torch.zeros_like(weight)
    one[0, 0, 0] = 1
    assert torch.allclose(focal_loss(logits, torch.ones_like(labels), one), -0.25 * (1 - p) ** 2 * p.log())


@pytest.mark.parametrize("loss", ["focal", "sides"])
def test_gradients_of_the_box_losses(loss: str) -> None:
    torch.manual_seed(0)
    values = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    other = torch.rand(2, 4, dtype=torch.float64) + 0.1
    if loss == "focal":
        assert torch.autograd.gradcheck(lambda x: focal_loss(x, (other > 0.5).double(), other), values)
    else:
        assert torch.autograd.gradcheck(lambda x: side_iou(x + 0.1, other)[1], values)


def test_overlap_by_sides_is_the_overlap_of_the_boxes() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.uniform(1, 50, (20, 4)), rng.uniform(1, 50, (20, 4))

    def boxes(sides: np.ndarray) -> np.ndarray:
        return np.stack([-sides[:, 0], -sides[:, 1], sides[:, 0] + sides[:, 2], sides[:, 1] + sides[:, 3]], axis=1)

    found, generalised = side_iou(torch.from_numpy(ours), torch.from_numpy(theirs))
    assert found.numpy() == pytest.approx(iou(boxes(ours), boxes(theirs)))
    assert bool((generalised <= found + 1e-9).all())
    assert float(side_iou(torch.ones(4), torch.ones(4))[1]) == pytest.approx(1)
