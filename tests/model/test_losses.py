import math

import numpy as np
import pytest
import torch

from siamtrack.boxes import iou
from siamtrack.model.losses import (
    balanced_logistic_loss,
    contrastive_loss,
    focal_loss,
    logistic_labels,
    pair_logistic_loss,
    side_iou,
    softmax_location_loss,
    triplet_loss,
)
from siamtrack.model.similarity import Cosine


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


def contrastive_by_definition(distances: list[float], labels: list[float], margin: float) -> float:
    terms = [(1 - y) * d * d / 2 + y * max(0.0, margin - d) ** 2 / 2 for d, y in zip(distances, labels, strict=True)]
    return sum(terms) / len(terms)


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
def test_contrastive_loss_against_its_formula_in_float64(margin: float) -> None:
    rng = np.random.default_rng(0)
    distances, labels = rng.uniform(0, 3, 50), rng.integers(0, 2, 50).astype(float)
    labels[:10] = rng.uniform(0, 1, 10)  # continuous labels weigh both terms
    loss = contrastive_loss(torch.tensor(distances), torch.tensor(labels), margin)
    assert loss.item() == pytest.approx(contrastive_by_definition(distances.tolist(), labels.tolist(), margin), abs=1e-12)


def test_contrastive_loss_of_plain_cases() -> None:
    one = torch.tensor([1.0])
    assert contrastive_loss(torch.tensor([0.6]), torch.tensor([0.0])).item() == pytest.approx(0.18)
    assert contrastive_loss(torch.tensor([0.6]), one).item() == pytest.approx(0.08)
    assert contrastive_loss(torch.tensor([1.0]), one).item() == 0  # at the margin
    assert contrastive_loss(torch.tensor([1.7]), one).item() == 0  # beyond it
    assert contrastive_loss(torch.tensor([1.7]), one, margin=2.0).item() == pytest.approx(0.045)
    assert contrastive_loss(torch.tensor([0.0]), torch.tensor([0])).item() == 0  # integer labels are fine
    assert contrastive_loss(torch.zeros(0), torch.zeros(0)).item() == 0


def test_triplet_loss_against_its_formula_in_float64() -> None:
    torch.manual_seed(0)
    anchor, positive, negative = (torch.randn(40, 6, dtype=torch.float64) for _ in range(3))
    expected = np.mean(
        [
            max(0.0, math.dist(a, p) - math.dist(a, n) + 0.7)
            for a, p, n in zip(anchor.tolist(), positive.tolist(), negative.tolist(), strict=True)
        ]
    )
    assert triplet_loss(anchor, positive, negative, 0.7).item() == pytest.approx(expected, abs=1e-12)
    assert triplet_loss(anchor, anchor, anchor + 10, 0.7).item() == 0
    assert triplet_loss(anchor, positive, positive, 0.7).item() == pytest.approx(0.7)  # satisfied by nobody
    cosine = triplet_loss(anchor, positive, negative, 0.7, Cosine())
    assert cosine.item() == pytest.approx(
        (Cosine()(anchor, positive) - Cosine()(anchor, negative) + 0.7).clamp(min=0).mean().item()
    )


def test_losses_of_no_pairs_and_no_triplets_are_zero_with_a_gradient() -> None:
    nothing = torch.zeros(0, 4, requires_grad=True)
    triplet_loss(nothing, nothing, nothing).backward()
    assert nothing.grad is not None
    distance = torch.zeros(0, requires_grad=True)
    (contrastive_loss(distance, torch.zeros(0)) + pair_logistic_loss(distance, torch.zeros(0))).backward()
    assert distance.grad is not None


def test_gradients_of_the_pair_losses() -> None:
    torch.manual_seed(0)
    distance = (torch.rand(8, dtype=torch.float64) * 2 + 0.05).requires_grad_()
    label = torch.tensor([0, 1, 0, 1, 0.3, 0.8, 1, 0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda d: contrastive_loss(d, label, 1.3), (distance,))
    assert torch.autograd.gradcheck(lambda d: pair_logistic_loss(d, label), (distance,))
    embeddings = [torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(lambda a, p, n: triplet_loss(a, p, n, 0.9), embeddings)


def test_the_logistic_loss_weighs_both_kinds_alike_however_many_there_are() -> None:
    few = pair_logistic_loss(torch.tensor([2.0, -1.0]), torch.tensor([0.0, 1.0]))
    many = pair_logistic_loss(torch.tensor([2.0, -1.0, -1.0, -1.0]), torch.tensor([0.0, 1.0, 1.0, 1.0]))
    assert few.item() == pytest.approx(many.item())
    # On hard labels it is SiamFC's loss of one map.
    logits, label = torch.randn(1, 1, 30), torch.tensor([0.0] * 4 + [1.0] * 26)
    assert pair_logistic_loss(logits[0, 0], label).item() == pytest.approx(
        balanced_logistic_loss(logits, 1 - label[None, None]).item(), rel=1e-5
    )
    assert pair_logistic_loss(torch.tensor([2.0]), torch.tensor([0.0])).item() == pytest.approx(math.log1p(math.exp(-2)))


def test_pair_losses_refuse_what_they_cannot_mean() -> None:
    with pytest.raises(ValueError, match="one label a distance"):
        contrastive_loss(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="margin is 0"):
        contrastive_loss(torch.zeros(3), torch.zeros(3), 0)
    with pytest.raises(ValueError, match="margin is -1"):
        triplet_loss(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 2), -1)
    with pytest.raises(ValueError, match="one shape"):
        triplet_loss(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(2, 2))
