"""Two branches, one set of parameters: the network as the tracker and the trainer see it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siamtrack.model.backbone import AlexNet
from siamtrack.model.heads import BoxHead, CorrelationHead, HeadMaps
from siamtrack.model.lite import LiteNet
from siamtrack.models import CELLS, HeadName, InputSpec, ModelName, default_input


class Siamese(nn.Module):
    """Embeds exemplar and search region with the same backbone and matches them with a head.

    Sharing is by construction: there is one backbone, and both branches call it.

    Args:
        input_spec: what enters the backbone.
        model: `siamfc`, or `siamfc-lite`, a light backbone with a box head beside the correlation.
        head: what the box head reads, see `BoxHead`: the correlation alone, or the search region's detail too.

    Examples:
        >>> net = Siamese().eval()
        >>> exemplar = net.embed(torch.zeros(1, 3, 127, 127))       # (1, 256, 6, 6)
        >>> search = net.embed(torch.zeros(1, 3, 255, 255))         # (1, 256, 22, 22)
        >>> net.match(exemplar, search).shape
        torch.Size([1, 17, 17])
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
        self.box = BoxHead(LiteNet.channels, detail=head == "detail") if model == "siamfc-lite" else None
        # Derived from the input spec, hence not part of the state dict.
        self.register_buffer("mean", torch.tensor(self.input_spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(self.input_spec.std).view(1, 3, 1, 1), persistent=False)

    def embed(self, image: Tensor) -> Tensor:
        """Embedding (N, C, h, w) of images (N, 3, H, W), 0..255, channels in the input spec's order."""
        embedding: Tensor = self.backbone((image - self.mean) / self.std)
        return embedding

    def match(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """Response logits (N, H', W') of exemplar embeddings (N, C, h, w), each over its search embedding (N, C, H, W)."""
        response: Tensor = self.head(exemplar, search)
        return response

    def forward(self, exemplar_image: Tensor, search_image: Tensor, exemplar_wh: Tensor | None = None) -> Tensor | HeadMaps:
        """What the network says of image pairs: `HeadMaps` of a model with a box head, else the response logits (N, n, n).

        Args:
            exemplar_image: (N, 3, S, S) around the targets; 127 px, or more where cells depend on where an image ends.
            search_image: (N, 3, S, S).
            exemplar_wh: (N, 2) sizes of the targets in the exemplar images, pixels; a box head needs it, or raises ValueError.
        """
        exemplar, search = exemplar_cells(self.embed(exemplar_image)), self.embed(search_image)
        response = self.match(exemplar, search)
        if self.box is None:
            return response
        if exemplar_wh is None:
            raise ValueError(f"{self.model} has a box head: give exemplar_wh, (N, 2) target sizes in the exemplar images")
        maps: HeadMaps = self.box(self.box.kernel(exemplar), self.box.features(search), response, exemplar_wh)
        return maps


def exemplar_cells(embedding: Tensor) -> Tensor:
    """The middle 6 x 6 cells (N, C, 6, 6) of an embedding (N, C, h, w): those of the exemplar in a larger crop."""
    first = (embedding.shape[-1] - CELLS) // 2
    return embedding[..., first : first + CELLS, first : first + CELLS]
