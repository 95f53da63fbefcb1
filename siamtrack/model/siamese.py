"""Two branches, one set of parameters: the network as the tracker and the trainer see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from siamtrack.model.backbone import AlexNet
from siamtrack.model.heads import BoxHead, CorrelationHead
from siamtrack.model.lite import LiteNet
from siamtrack.models import HeadName, ModelName


@dataclass(frozen=True)
class InputSpec:
    """What the backbone was trained to see. It travels in the weights file.

    Attributes:
        color_order: order of the three channels that the network expects.
        mean, std: per channel, in that order, on the 0..255 scale: `(pixel - mean) / std` enters conv1.
    """

    color_order: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)


class Siamese(nn.Module):
    """Embeds exemplar and search region with the same backbone and matches them with a head.

    Sharing is by construction: there is one backbone, and both branches call it.

    Args:
        input_spec: what enters the backbone.
        model: `siamfc`; `siamfc-box`, the same with a box head beside the correlation, whose tensors a `siamfc` has a
            subset of; or `siamfc-lite`, a light backbone with a light box head.
        head: what the box head reads, see `BoxHead`: the correlation alone, or the search region's detail too.

    Example:
        >>> net = Siamese().eval()
        >>> exemplar = net.embed(torch.zeros(1, 3, 127, 127))       # (1, 256, 6, 6)
        >>> search = net.embed(torch.zeros(1, 3, 255, 255))         # (1, 256, 22, 22)
        >>> net.match(exemplar[None], search).shape
        torch.Size([1, 1, 17, 17])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, input_spec: InputSpec | None = None, model: ModelName = "siamfc", head: HeadName = "correlation"
    ) -> None:
        super().__init__()
        self.input_spec = input_spec or default_input(model)
        self.model: ModelName = model
        self.backbone: AlexNet | LiteNet = LiteNet() if model == "siamfc-lite" else AlexNet()
        self.head = CorrelationHead()
        self.box = _box_head(model, head == "detail")
        # Derived from the input spec, hence not part of the state dict.
        self.register_buffer("mean", torch.tensor(self.input_spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(self.input_spec.std).view(1, 3, 1, 1), persistent=False)

    def embed(self, image: Tensor) -> Tensor:
        """Embedding (N, C, h, w) of images (N, 3, H, W), 0..255, channels in the input spec's order."""
        embedding: Tensor = self.backbone((image - self.mean) / self.std)
        return embedding

    def match(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """Response logits (N, K, H', W') of K exemplar embeddings (N, K, C, h, w) over search embeddings (N, C, H, W)."""
        response: Tensor = self.head(exemplar, search)
        return response

    def forward(self, exemplar_image: Tensor, search_image: Tensor) -> Tensor:
        """Response logits (N, 1, H', W') of image pairs: exemplars (N, 3, 127, 127), search regions (N, 3, 255, 255)."""
        return self.match(self.embed(exemplar_image)[:, None], self.embed(search_image))


def default_input(model: ModelName, color_order: Literal["rgb", "bgr"] = "rgb") -> InputSpec:
    """What an architecture is fed unless its weights say otherwise: EfficientNet-lite has its own scaling."""
    if model == "siamfc-lite":
        return InputSpec(color_order, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
    return InputSpec(color_order)


def _box_head(model: ModelName, detail: bool) -> BoxHead | None:
    if model == "siamfc-lite":
        return BoxHead(LiteNet.channels, width=96, separable=True, detail=detail)
    return BoxHead(AlexNet.channels, detail=detail) if model == "siamfc-box" else None
