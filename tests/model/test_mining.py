from __future__ import annotations

import torch

from siamtrack.model.mining import Triplets, batch_hard, class_masks, semi_hard


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
