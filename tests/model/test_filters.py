from __future__ import annotations

import torch

from siamtrack.model.filters import gabor_filters, plant_edges
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import load_weights


def test_filters_are_unit_edges_without_mean_and_repeatable() -> None:
    bank = gabor_filters(32, 11, torch.Generator().manual_seed(4))
    assert bank.shape == (32, 3, 11, 11)
    assert torch.allclose(bank.flatten(1).norm(dim=1), torch.ones(32), atol=1e-5)
    assert bank.mean(dim=(2, 3)).abs().max() < 1e-6
    assert torch.equal(bank, gabor_filters(32, 11, torch.Generator().manual_seed(4)))
    # Every fourth opposes colours, which brightness alone does not move.
    assert bank[3::4].sum(dim=1).abs().max() < 1e-5
    assert bank[0].sum(dim=0).abs().max() > 0.1


def test_each_group_gets_its_share_and_a_trained_network_hardly_changes() -> None:
    net = load_weights("siamfc").net
    before = net.backbone.conv1[0].weight.clone()
    torch.manual_seed(0)
    exemplar, search = torch.rand(1, 3, 127, 127) * 255, torch.rand(1, 3, 159, 159) * 255
    was = net.train()(exemplar, search)
    plant_edges(net.backbone, 0.25, torch.Generator().manual_seed(0))
    now = net(exemplar, search)
    changed = (net.backbone.conv1[0].weight - before).flatten(1).norm(dim=1) > 0.5 * before.flatten(1).norm(dim=1).median()
    assert changed.sum() >= 24
    assert torch.corrcoef(torch.stack([was.flatten(), now.flatten()]))[0, 1] > 0.8


def test_an_untrained_layer_becomes_edges_alone() -> None:
    torch.manual_seed(0)
    net = Siamese()
    plant_edges(net.backbone, 1.0, torch.Generator().manual_seed(0))
    weight = net.backbone.conv1[0].weight
    assert torch.allclose(weight.flatten(1).norm(dim=1), weight[0].norm().expand(96), rtol=1e-4)
    assert weight.mean(dim=(2, 3)).abs().max() < 1e-5
