from __future__ import annotations

import torch
from torch import nn

from siamtrack.train.average import Average


def test_the_average_follows_and_ends_where_the_network_stays() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    average = Average(net, 0.9)
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[1].num_batches_tracked += 5
    average.update(net, 0)
    first = average.state["0.weight"].clone()
    assert not torch.equal(first, net[0].weight)
    for step in range(1, 200):
        average.update(net, step)
    assert torch.allclose(average.state["0.weight"], torch.ones(3, 3), atol=1e-6)
    assert average.state["1.num_batches_tracked"] == 5


def test_decay_zero_is_a_copy_and_a_checkpoint_comes_back() -> None:
    net = nn.Linear(2, 2)
    average = Average(net, 0.0)
    with torch.no_grad():
        net.weight.fill_(3.0)
    average.update(net, 4)
    assert torch.equal(average.state["weight"], net.weight)
    other = Average(nn.Linear(2, 2), 0.5)
    other.load(average.state)
    assert torch.equal(other.state["weight"], net.weight)
