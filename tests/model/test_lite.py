from __future__ import annotations

import pytest
import torch

from siamtrack.model.backbone import AlexNet
from siamtrack.model.graphs import folded_backbone, folded_norms
from siamtrack.model.lite import LiteNet
from siamtrack.model.siamese import Siamese
from siamtrack.models import STRIDE, default_input, embedding_size


@pytest.fixture(scope="module")
def net() -> Siamese:
    torch.manual_seed(0)
    net = Siamese(model="siamfc-lite").eval()
    for name, tensor in net.state_dict().items():  # as after training: norms that do something
        if name.endswith(("running_mean", "running_var")):
            tensor.copy_(tensor + 0.2 * torch.rand_like(tensor))
    return net


@pytest.mark.parametrize("image", [127, 191, 239, 255])
@torch.inference_mode()
def test_its_cells_are_those_of_alexnet(net: Siamese, image: int) -> None:
    cells = embedding_size(image)
    assert net.embed(torch.zeros(1, 3, image, image)).shape == (1, LiteNet.channels, cells, cells)


def test_its_cells_look_where_alexnets_look() -> None:
    # The middle of what moves a cell: a whole pixel beside it would put every box beside its target.
    for backbone in (LiteNet(), AlexNet()):
        backbone.eval()
        image = torch.rand(1, 3, 255, 255, requires_grad=True)
        part = (
            backbone.stage3(backbone.stage2(backbone.stage1(backbone.stem(image[..., 2:-2, 2:-2]))))
            if isinstance(backbone, LiteNet)
            else backbone.features(image)
        )
        row, column = part.shape[2] // 2, part.shape[3] // 2
        part[0, :, row, column].sum().backward()
        assert image.grad is not None
        touched = image.grad.abs().sum(dim=(0, 1)).nonzero()
        middle = (touched.min(dim=0).values + touched.max(dim=0).values + 1) / 2
        # The parts have one cell more at each edge than the embedding, whose first cell is centred at 43.5 px.
        assert middle.tolist() == [43.5 + STRIDE * (row - 1), 43.5 + STRIDE * (column - 1)]


@torch.inference_mode()
def test_away_from_the_edge_a_cell_does_not_know_where_the_image_ends(net: Siamese) -> None:
    image = torch.rand(1, 3, 255, 255) * 255
    shifted = torch.roll(image, (STRIDE, 2 * STRIDE), dims=(2, 3))
    here, there = net.embed(image), net.embed(shifted)
    # Two padded layers, each with a reach of two cells, and the wrapped rows and columns.
    assert torch.allclose(here[..., 5:-6, 5:-7], there[..., 6:-5, 7:-5], atol=1e-4)


@torch.inference_mode()
def test_folding_changes_nothing_but_rounding(net: Siamese) -> None:
    image = torch.randint(0, 256, (2, 3, 159, 159)).float()
    expected = net.embed(image)
    scale = float(expected.abs().max())
    assert torch.allclose(folded_backbone(net.backbone, net.mean, net.std)(image), expected, atol=1e-4 * scale)
    reverse = folded_backbone(net.backbone, net.mean, net.std, reverse=True)
    assert torch.allclose(reverse(image.flip(1)), expected, atol=1e-4 * scale)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in reverse.modules())
    assert net.box is not None
    exemplar = torch.randn(2, LiteNet.channels, 6, 6)
    assert torch.allclose(folded_norms(net.box).kernel(exemplar), net.box.kernel(exemplar), atol=1e-4)


def test_it_is_small() -> None:
    assert sum(p.numel() for p in Siamese(model="siamfc-lite").parameters()) < 0.5e6


def test_its_input_has_its_own_scaling() -> None:
    assert default_input("siamfc-lite").std == (128.0, 128.0, 128.0)
    assert default_input("siamfc-lite", "bgr").color_order == "bgr"


def test_a_norm_that_keeps_its_statistics_is_part_of_its_convolution_while_learning() -> None:
    torch.manual_seed(0)
    net = LiteNet()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
    image = torch.randn(2, 3, 159, 159)
    learning = net.eval()(image)
    with torch.no_grad():
        assert torch.allclose(learning, net(image), atol=1e-3 * float(learning.detach().abs().max()))
    learning.square().mean().backward()
    norm = net.stage4[1].depthwise[1]
    assert norm.weight.grad is not None
    assert float(norm.weight.grad.abs().max()) > 0
    assert net.stage4[1].depthwise[0].weight.grad is not None
