import pytest
import torch

from siamtrack.model.backbone import AlexNet
from siamtrack.model.correlation import cross_correlation, cross_correlation_all
from siamtrack.model.heads import CorrelationHead
from siamtrack.model.siamese import Siamese
from siamtrack.models import STRIDE, InputSpec, embedding_size


@pytest.fixture(scope="module")
def net() -> Siamese:
    torch.manual_seed(0)
    return Siamese().eval()


def test_the_backbone_has_the_size_of_the_paper() -> None:
    assert sum(p.numel() for p in AlexNet().parameters()) == pytest.approx(2.3e6, rel=0.02)


@pytest.mark.parametrize(("image", "cells"), [(127, 6), (239, 20), (255, 22), (223, 18)])
@torch.inference_mode()
def test_embedding_size(net: Siamese, image: int, cells: int) -> None:
    assert net.embed(torch.zeros(1, 3, image, image)).shape == (1, 256, cells, cells)
    assert embedding_size(image) == cells


@torch.inference_mode()
def test_the_exemplars_embedding_can_be_cut_from_the_search_regions(net: Siamese) -> None:
    # What training rests on: no padding, so a window on the stride's grid embeds alike inside a larger image.
    image = torch.rand(1, 3, 255, 255) * 255
    whole = net.embed(image)
    for x, y in ((8, 8), (3, 11)):
        part = net.embed(image[:, :, y * STRIDE : y * STRIDE + 127, x * STRIDE : x * STRIDE + 127])
        assert torch.allclose(whole[:, :, y : y + 6, x : x + 6], part, atol=1e-4)


@torch.inference_mode()
def test_response_of_an_image_to_itself_peaks_in_the_middle(net: Siamese) -> None:
    image = torch.rand(1, 3, 255, 255) * 255
    response = net(image[:, :, 64:191, 64:191], image)
    assert response.shape == (1, 17, 17)
    assert response.flatten().argmax() == 8 * 17 + 8


def test_both_branches_are_one_set_of_parameters(net: Siamese) -> None:
    exemplar = torch.rand(1, 3, 127, 127, requires_grad=True)
    search = torch.rand(1, 3, 255, 255, requires_grad=True)
    net(exemplar, search).sum().backward()
    assert exemplar.grad is not None
    assert search.grad is not None
    assert len([name for name, _ in net.named_parameters() if name.startswith("backbone.conv1.0")]) == 2


def test_cross_correlation_is_the_sum_of_products() -> None:
    torch.manual_seed(1)
    exemplar, search = torch.rand(2, 4, 2, 2), torch.rand(2, 4, 5, 6)
    response = cross_correlation(exemplar, search)
    assert response.shape == (2, 4, 5)
    expected = (exemplar[1] * search[1, :, 2:4, 3:5]).sum()
    assert response[1, 2, 3] == pytest.approx(expected.item(), rel=1e-5)
    every = cross_correlation_all(exemplar, search)
    assert torch.allclose(every[[0, 1], [0, 1]], response)


@pytest.mark.parametrize("shapes", [((2, 2, 2), (1, 2, 5, 5)), ((2, 4, 2, 2), (1, 4, 5, 5)), ((1, 3, 2, 2), (1, 4, 5, 5))])
def test_shapes_that_do_not_fit_are_refused(shapes: tuple) -> None:
    with pytest.raises(ValueError, match="exemplar"):
        cross_correlation(torch.zeros(shapes[0]), torch.zeros(shapes[1]))


def test_the_response_scale_starts_at_a_thousandth() -> None:
    head = CorrelationHead()
    assert head.scale.item() == pytest.approx(1e-3)
    assert head.bias.item() == 0


def test_the_input_spec_scales_pixels() -> None:
    torch.manual_seed(0)
    plain = Siamese(InputSpec(mean=(0, 0, 0), std=(1, 1, 1))).eval()
    scaled = Siamese(InputSpec(mean=(10, 20, 30), std=(2, 2, 2))).eval()
    scaled.load_state_dict(plain.state_dict())
    image = torch.rand(1, 3, 127, 127) * 255
    moved = (image - torch.tensor([10.0, 20, 30]).view(1, 3, 1, 1)) / 2
    assert torch.allclose(scaled.embed(image), plain.embed(moved), atol=1e-4)
