from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from siamtrack.model.losses import balanced_logistic_loss
from siamtrack.verify.network import Similarity
from siamtrack.verify.pair_losses import (
    Triplets,
    batch_hard,
    class_masks,
    contrastive_loss,
    pair_logistic_loss,
    semi_hard,
    triplet_loss,
)


def listed(triplets: Triplets) -> set[tuple[int, int, int]]:
    return set(zip(*(rows.tolist() for rows in triplets), strict=True))


def points(*where: float) -> torch.Tensor:
    place = torch.tensor(where, dtype=torch.float32)
    return (place[:, None] - place[None, :]).abs()


def test_masks() -> None:
    same, different = class_masks(torch.tensor([4, 4, 7]))
    assert same.tolist() == [[False, True, False], [True, False, False], [False, False, False]]
    assert different.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


def test_batch_hard_takes_the_farthest_positive_and_the_nearest_negative() -> None:
    distance = points(0, 1, 5, 2, 9)  # classes: a a a b b
    found = listed(batch_hard(distance, *class_masks(torch.tensor([0, 0, 0, 1, 1]))))
    assert found == {(0, 2, 3), (1, 2, 3), (2, 0, 3), (3, 4, 1), (4, 3, 2)}


def test_batch_hard_against_a_search_of_all_triplets() -> None:
    torch.manual_seed(0)
    classes = torch.randint(0, 5, (24,))
    embedding = torch.randn(24, 3)
    distance = torch.cdist(embedding, embedding)
    for anchor, positive, negative in listed(batch_hard(distance, *class_masks(classes))):
        alike = [k for k in range(24) if k != anchor and classes[k] == classes[anchor]]
        unlike = [k for k in range(24) if classes[k] != classes[anchor]]
        assert distance[anchor, positive] == max(distance[anchor, k] for k in alike)
        assert distance[anchor, negative] == min(distance[anchor, k] for k in unlike)


def test_semi_hard_takes_the_nearest_negative_beyond_the_positive() -> None:
    distance = points(0, 2, 1, 2.5, 6)  # classes: a a b b c
    found = listed(semi_hard(distance, *class_masks(torch.tensor([0, 0, 1, 1, 2])), margin=1.0))
    # From 0 the positive lies at 2: the negative at 1 is harder, 2.5 is semi-hard, 6 is beyond the margin.
    assert (0, 1, 3) in found
    assert all(distance[a, p] < distance[a, n] < distance[a, p] + 1.0 for a, p, n in found)
    assert not any(a == 4 for a, _, _ in found)  # a class of one has no positive


def test_nothing_to_mine_gives_empty_triplets() -> None:
    distance = points(0, 1, 2)
    for classes in ([1, 1, 1], [1, 2, 3]):
        masks = class_masks(torch.tensor(classes))
        assert listed(batch_hard(distance, *masks)) == set()
        assert listed(semi_hard(distance, *masks, margin=0.1)) == set()
    far = points(0, 0.1, 50)
    assert listed(semi_hard(far, *class_masks(torch.tensor([0, 0, 1])), margin=1.0)) == set()
    assert len(batch_hard(torch.zeros(0, 0), *class_masks(torch.zeros(0)))[0]) == 0


def test_pairs_that_are_neither_are_left_alone() -> None:
    same = torch.tensor([[False, True, False], [True, False, False], [False, False, False]])
    different = torch.zeros(3, 3, dtype=torch.bool)
    different[0, 2] = True
    assert listed(batch_hard(points(0, 1, 2), same, different)) == {(0, 1, 2)}


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
    distance = Similarity("euclidean", 6).distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    assert triplet_loss(near, far, 0.7).item() == pytest.approx(expected, abs=1e-12)
    assert triplet_loss(torch.zeros(40), torch.full((40,), 24.0), 0.7).item() == 0
    assert triplet_loss(near, near, 0.7).item() == pytest.approx(0.7)  # satisfied by nobody


def test_losses_of_no_pairs_and_no_triplets_are_zero_with_a_gradient() -> None:
    for loss in (triplet_loss, contrastive_loss, pair_logistic_loss):
        distance = torch.zeros(0, requires_grad=True)
        found = loss(distance, torch.zeros(0))
        assert found.item() == 0
        found.backward()
        assert distance.grad is not None


def test_gradients_of_the_pair_losses() -> None:
    torch.manual_seed(0)
    distance = (torch.rand(8, dtype=torch.float64) * 2 + 0.05).requires_grad_()
    label = torch.tensor([0, 1, 0, 1, 0.3, 0.8, 1, 0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda d: contrastive_loss(d, label, 1.3), (distance,))
    assert torch.autograd.gradcheck(lambda d: pair_logistic_loss(d, label), (distance,))
    embeddings = [torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    between = Similarity("euclidean", 3).distance
    assert torch.autograd.gradcheck(lambda a, p, n: triplet_loss(between(a, p), between(a, n), 0.9), embeddings)


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
    with pytest.raises(ValueError, match="of one shape"):
        contrastive_loss(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="margin is 0"):
        contrastive_loss(torch.zeros(3), torch.zeros(3), 0)
    with pytest.raises(ValueError, match="margin is -1"):
        triplet_loss(torch.zeros(3), torch.zeros(3), -1)
    with pytest.raises(ValueError, match="of one shape"):
        triplet_loss(torch.zeros(3), torch.zeros(2))
