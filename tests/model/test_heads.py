from __future__ import annotations

import pytest
import torch

from siamtrack.model.correlation import cross_correlation, depthwise_correlation
from siamtrack.model.heads import BoxHead


def maps_of(head: BoxHead, exemplar_wh: torch.Tensor, search_px: int = 22) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    n = len(exemplar_wh)
    exemplar, search = torch.randn(n, 256, 6, 6), torch.randn(n, 256, search_px, search_px)
    response = cross_correlation(exemplar, search)
    return response, *head(head.kernel(exemplar), head.features(search), response, exemplar_wh)


def test_a_new_head_repeats_the_box_that_was_drawn_and_the_response() -> None:
    sizes = torch.tensor([[60.0, 40.0], [20.0, 90.0]])
    response, target, quality, distances = maps_of(BoxHead(256).eval(), sizes)
    assert torch.equal(target, response)
    assert torch.equal(quality, torch.zeros_like(quality))
    assert distances.shape == (2, 4, 17, 17)
    for i, (width, height) in enumerate(sizes):
        left, top, right, bottom = distances[i]
        assert torch.allclose(left + right, width.expand(17, 17))
        assert torch.allclose(top + bottom, height.expand(17, 17))


def test_the_maps_grow_with_the_search_region() -> None:
    _, target, quality, distances = maps_of(BoxHead(256).eval(), torch.tensor([[60.0, 40.0]]), 26)
    assert target.shape == quality.shape == (1, 21, 21)
    assert distances.shape == (1, 4, 21, 21)


def test_distances_stay_finite_whatever_the_weights_say() -> None:
    head = BoxHead(256).eval()
    torch.nn.init.constant_(head.to_distances.bias, 1e4)
    assert bool(torch.isfinite(maps_of(head, torch.tensor([[60.0, 40.0]]))[3]).all())


def test_channels_of_a_depthwise_correlation_sum_to_the_correlation() -> None:
    torch.manual_seed(1)
    exemplar, search = torch.randn(3, 8, 4, 4, dtype=torch.float64), torch.randn(3, 8, 9, 7, dtype=torch.float64)
    by_channel = depthwise_correlation(exemplar, search)
    assert by_channel.shape == (3, 8, 6, 4)
    assert torch.allclose(by_channel.sum(dim=1), cross_correlation(exemplar, search))
    with pytest.raises(ValueError, match="of one N and one C"):
        depthwise_correlation(exemplar[:2], search)


def test_the_detail_head_begins_with_the_drawn_box_too_and_reads_the_search_region() -> None:
    torch.manual_seed(0)
    head = BoxHead(256, 32, detail=True).eval()
    sizes = torch.tensor([[60.0, 40.0]])
    response, target, _, distances = maps_of(head, sizes)
    assert torch.equal(target, response)
    assert torch.allclose(distances[:, 0] + distances[:, 2], torch.full((1, 17, 17), 60.0))
    # A cell of its map lies between four cells of the features, whose neighbourhood it reads.
    kernel, features = torch.randn(1, 64, 4, 4), torch.zeros(1, 64, 20, 20, requires_grad=True)
    assert head.detail is not None
    for norm in (head.detail.likeness_norm, head.detail.mix[1], head.detail.gather[1]):
        torch.nn.init.constant_(norm.bias, 1.0)
    head.detail(kernel, features)[0, :, 5, 9].sum().backward()
    assert features.grad is not None
    rows, columns = features.grad.abs().sum(dim=(0, 1)).nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 8, 9, 12)
