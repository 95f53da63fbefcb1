from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from siamtrack.model.backbone import AlexNet
from siamtrack.verify.header import TowerSpec
from siamtrack.verify.network import AlexNetTower, GRUTower, Siblings, Similarity, as_batch, make_tower
from siamtrack.verify.pair_losses import contrastive_loss


def test_any_module_can_be_the_tower() -> None:
    net = Siblings(nn.Linear(8, 4), Similarity("euclidean", 4))
    distance = net(torch.randn(3, 8), torch.randn(3, 8))
    assert distance.shape == (3,)
    assert (distance <= 2).all()  # embeddings have length 1
    assert torch.allclose(net.embed(torch.randn(3, 8)).norm(dim=1), torch.ones(3))
    assert Siblings(nn.Linear(8, 4), Similarity("euclidean", 4), normalise=False).embed(torch.ones(1, 8)).norm() != 1


def test_both_branches_are_one_set_of_parameters_after_training() -> None:
    torch.manual_seed(0)
    net = Siblings(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)), Similarity("euclidean", 4))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    a, b, label = torch.randn(16, 6), torch.randn(16, 6), torch.randint(0, 2, (16,)).float()
    before = contrastive_loss(net(a, b), label)
    for _ in range(50):
        optimizer.zero_grad()
        contrastive_loss(net(a, b), label).backward()
        optimizer.step()
    assert contrastive_loss(net(a, b), label) < 0.7 * before
    # Two branches with weights of their own would disagree on one item, and not be symmetric in two.
    assert net(a, a).abs().max() == 0
    assert torch.allclose(net(a, b), net(b, a))
    assert len([name for name in net.state_dict() if name.startswith("tower.")]) == 4  # one tower's tensors


def test_logits_fall_with_distance_whatever_the_similarity() -> None:
    for name in ("correlation", "euclidean", "cosine", "absolute"):
        net = Siblings(nn.Linear(4, 4), Similarity(name, 4))
        logits = net.logit(torch.tensor([0.0, 0.5, 1.0]))
        assert (logits.diff() < 0).all()


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (TowerSpec("alexnet", dim=16, size=95), (2, 3, 95, 95)),
        (TowerSpec("cnn", dim=16, size=28, gray=True, width=8), (2, 1, 28, 28)),
        (TowerSpec("cnn", dim=16, size=48, width=8), (2, 3, 48, 48)),
    ],
)
def test_towers_embed_pictures(spec: TowerSpec, shape: tuple[int, ...]) -> None:
    tower = make_tower(spec).eval()
    assert tower(torch.rand(shape) * 255).shape == (2, 16)


def test_a_recurrent_tower_ignores_padding() -> None:
    torch.manual_seed(0)
    tower = GRUTower(8, 2, 6).eval()
    rows = torch.randn(2, 9, 2)
    short = tower(rows[:1, :5], torch.tensor([5]))
    padded = torch.cat([torch.cat([rows[:1, :5], torch.full((1, 4, 2), 99.0)], dim=1), rows[1:]])
    both = tower(padded, torch.tensor([5, 9]))
    assert torch.allclose(both[0], short[0], atol=1e-6)
    assert not torch.allclose(both[0], both[1], atol=1e-3)


def test_the_alexnet_tower_is_the_trackers_backbone_up_to_conv4() -> None:
    tower, backbone = AlexNetTower(32), AlexNet()
    wanted = {key: value.shape for key, value in backbone.state_dict().items() if not key.startswith("conv5")}
    assert {key: value.shape for key, value in tower.backbone.state_dict().items()} == wanted


@torch.inference_mode()
def test_a_folded_tower_says_the_same() -> None:
    tower = AlexNetTower(32).eval()
    image = torch.rand(2, 3, 95, 95) * 255
    before, keys = tower(image), set(tower.state_dict())
    tower.fold()
    assert torch.allclose(tower(image), before, atol=1e-3)
    assert set(tower.state_dict()) == keys


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "alexnet", "size": 64}, "87 px or more"),
        ({"kind": "alexnet", "size": 127, "gray": True}, "colour pictures"),
        ({"kind": "cnn", "size": 8}, "16 px or more"),
        ({"dim": 0}, "dim is 0"),
        ({"dim": 10**9}, "dim is 1000000000; it must be 1 or more, and 4096 at most"),
        ({"size": 10**6}, "size is 1000000"),
        ({"kind": "gru", "width": 10**6}, "width is 1000000"),
        ({"kind": "gru", "length": 10**9}, "length is 1000000000"),
        ({"kind": "gru", "features": 10**5000}, "features is a whole number of 16610 bits"),
    ],
)
def test_impossible_towers_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TowerSpec(**values)  # type: ignore[arg-type]


NAMES = ("correlation", "euclidean", "cosine", "absolute")


def by_definition(name: str, a: list[float], b: list[float]) -> float:
    """The table of `Similarity`, in plain Python."""
    if name == "correlation":
        return -sum(x * y for x, y in zip(a, b, strict=True))
    if name == "euclidean":
        return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
    if name == "cosine":
        return 1 - sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) / len(a)  # untrained weights are 1 / dim


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_the_formula(name: str) -> None:
    torch.manual_seed(0)
    a, b = torch.randn(5, 7, dtype=torch.float64), torch.randn(4, 7, dtype=torch.float64)
    similarity = Similarity(name, 7).double()  # type: ignore[arg-type]
    expected = torch.tensor([[by_definition(name, x.tolist(), y.tolist()) for y in b] for x in a], dtype=torch.float64)
    assert torch.allclose(similarity.distance_matrix(a, b), expected, atol=1e-7)
    assert torch.allclose(similarity.distance(a[:4], b), expected[:4].diagonal(), atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_distance_is_smaller_for_what_is_more_alike(name: str) -> None:
    similarity = Similarity(name, 3)  # type: ignore[arg-type]
    me, like, unlike = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.9, 0.1, 0]]), torch.tensor([[-0.5, 0.8, 0.2]])
    assert similarity.distance(me, like) < similarity.distance(me, unlike)
    assert torch.allclose(similarity.distance_matrix(me, like)[0], similarity.distance(me, like))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_must_agree(name: str) -> None:
    similarity = Similarity(name, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one shape"):
        similarity.distance(torch.randn(2, 3), torch.randn(1, 3))
    with pytest.raises(ValueError, match="one shape"):
        similarity.distance_matrix(torch.randn(2, 3), torch.randn(2, 1))


@pytest.mark.parametrize("name", ["euclidean", "cosine"])
def test_gradients_are_finite_where_both_are_equal(name: str) -> None:
    a, similarity = torch.ones(3, 4, requires_grad=True), Similarity(name, 4)  # type: ignore[arg-type]
    (similarity.distance(a, a.detach()).sum() + similarity.distance_matrix(a, a.detach()).sum()).backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_ranges() -> None:
    torch.manual_seed(1)
    a, b = F.normalize(torch.randn(500, 4), dim=1), F.normalize(torch.randn(500, 4), dim=1)
    euclidean, cosine = Similarity("euclidean", 4).distance, Similarity("cosine", 4).distance
    assert euclidean(a, b).min() >= 0
    assert euclidean(a, b).max() <= 2
    assert torch.allclose(cosine(a, -a), torch.full((500,), 2.0))
    assert cosine(5 * a, a).abs().max() < 1e-6
    assert Similarity("absolute", 4).distance(a, a).abs().max() == 0


def test_learned_weights_never_turn_negative() -> None:
    torch.manual_seed(0)
    similarity = Similarity("absolute", 2)
    optimizer = torch.optim.SGD(similarity.parameters(), lr=5.0)
    for _ in range(200):  # a loss that would like the difference to count as likeness
        optimizer.zero_grad()
        similarity.distance(torch.zeros(1, 2), torch.ones(1, 2)).sum().backward()
        optimizer.step()
    assert (similarity.weight > 0).all()
    assert similarity.weight.max() < 0.05


def test_batches() -> None:
    (pictures,) = as_batch([np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 9, np.uint8)])
    assert pictures.shape == (2, 3, 8, 8)
    assert pictures.dtype == torch.float32
    rows, lengths = as_batch([np.ones((3, 2), np.float32), np.ones((5, 2), np.float32)])
    assert rows.shape == (2, 5, 2)
    assert lengths.tolist() == [3, 5]
    assert rows[0, 3:].abs().sum() == 0
