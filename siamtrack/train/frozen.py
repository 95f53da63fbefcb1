"""The blocks of a light backbone that do not learn, run by ONNX Runtime where batches are loaded.

They have the largest maps: in PyTorch their forward pass alone takes as long as everything else of a CPU step, in
ONNX Runtime a sixth of that, beside the step instead of before it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.backends.onnx import Session, open_graph
from siamtrack.model.export import to_onnx
from siamtrack.model.graphs import folded_backbone
from siamtrack.model.lite import LiteNet
from siamtrack.model.siamese import Siamese
from siamtrack.models import EXEMPLAR_SIZE


class FrozenBlocks:
    """The first blocks of a network's backbone, with their norms' statistics as they are.

    Args:
        net: a network with a `LiteNet`; what it has now is kept.
        count: blocks, in the backbone's order, from 1 to 4.

    Raises:
        SiamtrackError: the `onnx` package is not installed.
    """

    def __init__(self, net: Siamese, count: int) -> None:
        crops = torch.zeros(1, EXEMPLAR_SIZE, EXEMPLAR_SIZE, 3, dtype=torch.uint8)
        self._graph = to_onnx(_Blocks(net, count), {"crops": crops}, ("embedding",), sized=("crops", "embedding"))

    def __call__(self, images: NDArray[np.uint8]) -> Tensor:
        """(B, C, h, w) float32 of views (B, S, S, 3) in the network's order of channels."""
        # One view at a time is twice as fast as all at once: their maps stay in the cache.
        maps = [self._session({"crops": images[i : i + 1]})[0] for i in range(len(images))]
        return torch.from_numpy(np.concatenate(maps))

    def __getstate__(self) -> dict[str, object]:
        # Another process opens the graph itself.
        return {"_graph": self._graph}

    @cached_property
    def _session(self) -> Session:
        return open_graph(self._graph, {}, 1)  # processes that load data share the cores already


class _Blocks(nn.Module):
    def __init__(self, net: Siamese, count: int) -> None:
        super().__init__()
        assert isinstance(net.backbone, LiteNet)
        self.backbone, self.count = folded_backbone(net.backbone, net.mean, net.std), count

    def forward(self, images: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 to (N, C, h, w)."""
        return self.backbone.early(images.permute(0, 3, 1, 2).to(torch.float32), self.count)
