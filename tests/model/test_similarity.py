from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from siamtrack.model.heads import CorrelationHead
from siamtrack.model.similarity import (
    AbsoluteDifference,
    Cosine,
    CrossCorrelation,
    Euclidean,
    Similarity,
    cross_correlation,
    make_similarity,
)

NAMES = ("correlation", "euclidean", "cosine", "absolute")


def by_definition(name: str, a: list[float], b: list[float]) -> float:
    """The table at the top of the module, in plain Python."""
    if name == "correlation":
        return sum(x * y for x, y in zip(a, b, strict=True))
    if name == "euclidean":
        return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
    if name == "cosine":
        return 1 - sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) / len(a)  # untrained weights are 1 / dim


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_the_formula(name: str) -> None:
    torch.manual_seed(0)
    a, b = torch.randn(5, 7, dtype=torch.float64), torch.randn(4, 7, dtype=torch.float64)
    similarity = make_similarity(name, 7).double()  # type: ignore[arg-type]
    expected = torch.tensor([[by_definition(name, x.tolist(), y.tolist()) for y in b] for x in a], dtype=torch.float64)
    assert torch.allclose(similarity.matrix(a, b), expected, atol=1e-7)
    assert torch.allclose(similarity(a[:4], b), expected[:4].diagonal(), atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_distance_is_smaller_for_what_is_more_alike(name: str) -> None:
    similarity = make_similarity(name, 3)  # type: ignore[arg-type]
    me, like, unlike = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.9, 0.1, 0]]), torch.tensor([[-0.5, 0.8, 0.2]])
    assert similarity.distance(me, like) < similarity.distance(me, unlike)
    assert torch.allclose(similarity.distance_matrix(me, like)[0], similarity.distance(me, like))
    assert (similarity(me, like) > similarity(me, unlike)).item() is similarity.larger_is_similar


@pytest.mark.parametrize("name", NAMES)
def test_maps_are_compared_as_vectors_and_shapes_must_agree(name: str) -> None:
    similarity = make_similarity(name, 2 * 3 * 3)  # type: ignore[arg-type]
    a, b = torch.randn(2, 2, 3, 3), torch.randn(2, 2, 3, 3)
    assert torch.allclose(similarity(a, b), similarity(a.flatten(1), b.flatten(1)))
    with pytest.raises(ValueError, match="one shape"):
        similarity(a, b[:1])
    with pytest.raises(ValueError, match="one shape"):
        similarity.matrix(a, b[:, :1])


@pytest.mark.parametrize("kind", [Euclidean, Cosine])
def test_gradients_are_finite_where_both_are_equal(kind: type[Similarity]) -> None:
    a = torch.ones(3, 4, requires_grad=True)
    (kind()(a, a.detach()).sum() + kind().matrix(a, a.detach()).sum()).backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_ranges() -> None:
    torch.manual_seed(1)
    a, b = F.normalize(torch.randn(500, 4), dim=1), F.normalize(torch.randn(500, 4), dim=1)
    assert Euclidean()(a, b).min() >= 0
    assert Euclidean()(a, b).max() <= 2
    assert torch.allclose(Cosine()(a, -a), torch.full((500,), 2.0))
    assert Cosine()(5 * a, a).abs().max() < 1e-6
    assert AbsoluteDifference(4)(a, a).abs().max() == 0


def test_learned_weights_never_turn_negative() -> None:
    torch.manual_seed(0)
    similarity = AbsoluteDifference(2)
    optimizer = torch.optim.SGD(similarity.parameters(), lr=5.0)
    for _ in range(200):  # a loss that would like the difference to count as likeness
        optimizer.zero_grad()
        similarity(torch.zeros(1, 2), torch.ones(1, 2)).sum().backward()
        optimizer.step()
    assert (similarity.weight > 0).all()
    assert similarity.weight.max() < 0.05


def test_the_trackers_head_compares_with_the_same_object() -> None:
    head = CorrelationHead()
    assert isinstance(head.similarity, CrossCorrelation)
    exemplar, search = torch.randn(2, 1, 3, 2, 2), torch.randn(2, 3, 5, 5)
    assert torch.equal(head.similarity.slide(exemplar, search), cross_correlation(exemplar, search))
    # Slid over something of its own size it says what it says of a pair.
    own_size = search[..., :2, :2]
    slid = head.similarity.slide(exemplar, own_size)[:, 0, 0, 0]
    assert torch.allclose(slid, head.similarity(exemplar[:, 0], own_size), atol=1e-5)
    assert "similarity" not in " ".join(head.state_dict())
