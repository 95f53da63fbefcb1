"""The network's parts as modules: what PyTorch runs to track, and what `siamtrack export` writes as ONNX.

| graph | reads | gives |
|---|---|---|
| embed | crops (N, S, S, 3) uint8 BGR, as OpenCV has them | embedding (N, C, h, w) |
| match | exemplar (N, C, 6, 6), search (N, C, H, W) | response logits (N, n, n) |
| kernel | exemplar (N, C, 6, 6) | the box head's kernel (N, c, 4, 4): once for a track |
| box | exemplar (N, C, 6, 6), kernel, search, size_wh (N, 2) | response, target, quality (N, n, n), distances (N, 4, n, n) |

`match` serves models without a box head, `kernel` and `box` those with one. The package's own two ONNX graphs, which join
them, are made by `tools/make_graphs.py`.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from siamtrack.model.correlation import correlation_by_products, cross_correlation, depthwise_by_products, depthwise_correlation
from siamtrack.model.heads import BoxHead, CorrelationHead
from siamtrack.model.siamese import Siamese

Module = TypeVar("Module", bound=nn.Module)


class EmbedGraph(nn.Module):
    """Crops to embeddings; scaling, norms and the order of channels live in the convolutions.

    Args:
        net: a trained network; it is copied, not changed.
        dtype: what the convolutions compute in. The embedding is float32 again.
    """

    def __init__(self, net: Siamese, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        backbone = folded_backbone(net.backbone, net.mean, net.std, reverse=net.input_spec.color_order == "rgb")
        # channels_last halves the time of the pools and costs the convolutions nothing.
        self.backbone = backbone.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dtype = dtype

    def forward(self, crops: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 BGR to (N, C, h, w) float32."""
        # Seen as (N, 3, S, S) the crops lie channels_last already.
        embedding: Tensor = self.backbone(crops.permute(0, 3, 1, 2).to(self.dtype))
        return embedding.float()


class MatchGraph(nn.Module):
    """SiamFC's response.

    Args:
        head: of the network.
        exportable: use products that any batch size can be exported with, not a convolution grouped by item.
    """

    scale: Tensor
    bias: Tensor

    def __init__(self, head: CorrelationHead, exportable: bool = False) -> None:
        super().__init__()
        self.register_buffer("scale", head.scale.detach().clone())
        self.register_buffer("bias", head.bias.detach().clone())
        self._correlation = correlation_by_products if exportable else cross_correlation

    def forward(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """Response logits (N, n, n) of exemplars (N, C, 6, 6), each over its search embedding (N, C, H, W)."""
        response: Tensor = self._correlation(exemplar, search) * self.scale + self.bias
        return response


class KernelGraph(nn.Module):
    """What the box head keeps of an exemplar. Args: the head, folded."""

    def __init__(self, box: BoxHead) -> None:
        super().__init__()
        self.box = box

    def forward(self, exemplar: Tensor) -> Tensor:
        """(N, C, 6, 6) to (N, c, 4, 4)."""
        return self.box.kernel(exemplar)


class BoxGraph(nn.Module):
    """SiamFC's response and the box head's maps. Args: as for `MatchGraph`, and the box head, folded."""

    def __init__(self, head: CorrelationHead, box: BoxHead, exportable: bool = False) -> None:
        super().__init__()
        self.match = MatchGraph(head, exportable)
        self.box = box
        self._correlation = depthwise_by_products if exportable else depthwise_correlation

    def forward(
        self, exemplar: Tensor, kernel: Tensor, search: Tensor, size_wh: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Response, target and quality logits (N, n, n), distances (N, 4, n, n) in pixels of the search crop."""
        response = self.match(exemplar, search)
        return response, *self.box(kernel, self.box.features(search), response, size_wh, self._correlation)


def make_graphs(net: Siamese, dtype: torch.dtype = torch.float32, exportable: bool = False) -> dict[str, nn.Module]:
    """The graphs of a network by name: embed and match, or embed, match, kernel and box.

    Args:
        net: a trained network; it is copied, not changed.
        dtype: of the backbone. Heads compute in float32: correlations sum thousands of products.
        exportable: see `MatchGraph`.
    """
    graphs: dict[str, nn.Module] = {"embed": EmbedGraph(net, dtype), "match": MatchGraph(net.head, exportable)}
    if net.box is not None:
        box = folded_norms(net.box)
        graphs |= {"kernel": KernelGraph(box), "box": BoxGraph(net.head, box, exportable)}
    return {name: graph.eval().requires_grad_(False) for name, graph in graphs.items()}


def folded_norms(module: Module) -> Module:
    """A copy, in evaluation mode, in which every batch norm after a convolution is part of it."""
    module = copy.deepcopy(module).eval().requires_grad_(False)
    for chain in [part for part in module.modules() if isinstance(part, nn.Sequential)]:
        for i in range(len(chain) - 1):
            if isinstance(chain[i], nn.Conv2d) and isinstance(chain[i + 1], nn.BatchNorm2d):
                convolution: Any = chain[i]
                norm: Any = chain[i + 1]
                chain[i], chain[i + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return module


def folded_backbone(backbone: Module, mean: Tensor, std: Tensor, reverse: bool = False) -> Module:
    """A copy that takes pixels in 0..255: `(pixel - mean) / std` folded into the first convolution, every norm into its own.

    Exact because nothing pads the image: a padded border would be zeros of the scaled image, not of the pixels.

    Args:
        backbone: its last blocks may be missing; it is left as it is.
        mean, std: (1, 3, 1, 1) of the pixels, in the order that the backbone was trained with.
        reverse: let it take the channels in the opposite order.
    """
    backbone = folded_norms(backbone)
    first: Any = next(part for part in backbone.modules() if isinstance(part, nn.Conv2d))
    first.bias.data -= (first.weight * (mean / std)).sum(dim=(1, 2, 3))
    first.weight.data /= std
    if reverse:
        first.weight.data = first.weight.data.flip(1)
    return backbone
