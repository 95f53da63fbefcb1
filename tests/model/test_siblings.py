from __future__ import annotations

import pytest
import torch
from torch import nn

from siamtrack.model.backbone import AlexNet
from siamtrack.model.losses import contrastive_loss
from siamtrack.model.siblings import Siblings
from siamtrack.model.similarity import Cosine, CrossCorrelation, Euclidean
from siamtrack.model.towers import AlexNetTower, GRUTower, TowerSpec, make_tower


def test_any_module_can_be_the_tower() -> None:
    net = Siblings(nn.Linear(8, 4), Euclidean())
    distance = net(torch.randn(3, 8), torch.randn(3, 8))
    assert distance.shape == (3,)
    assert (distance <= 2).all()  # embeddings have length 1
    assert torch.allclose(net.embed(torch.randn(3, 8)).norm(dim=1), torch.ones(3))
    assert Siblings(nn.Linear(8, 4), Euclidean(), normalise=False).embed(torch.ones(1, 8)).norm() != 1


def test_both_branches_are_one_set_of_parameters_after_training() -> None:
    torch.manual_seed(0)
    net = Siblings(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)), Euclidean())
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
    for similarity in (Euclidean(), Cosine(), CrossCorrelation()):
        net = Siblings(nn.Linear(4, 4), similarity)
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
    ],
)
def test_impossible_towers_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TowerSpec(**values)  # type: ignore[arg-type]
