"""The graphs in PyTorch as they are: on every device, in every precision, with nothing to prepare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.model.graphs import make_graphs
from siamtrack.model.siamese import Siamese
from siamtrack.tracking.runtimes.runtime import BoxResponse, Crops


class EagerRuntime:
    """Runs the graphs on a torch device.

    Args:
        net: a trained network; it is copied, not changed.
        device: where to.
        dtype: of the backbone.
    """

    def __init__(self, net: Siamese, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self._graphs = {name: graph.to(device) for name, graph in make_graphs(net, dtype).items()}

    @property
    def graphs(self) -> Mapping[str, nn.Module]:
        """The graphs by name."""
        return self._graphs

    @torch.inference_mode()
    def embed(self, crops: Crops) -> Tensor:
        """Uploaded as bytes, a quarter of the floats."""
        embedding: Tensor = self._graphs["embed"](torch.from_numpy(crops).to(self.device))
        return embedding

    @torch.inference_mode()
    def kernel(self, exemplar: Tensor) -> Tensor:
        """The box head's kernel (N, c, 4, 4)."""
        kernel: Tensor = self._graphs["kernel"](exemplar)
        return kernel

    def prepare(self, head: str, search_sizes: Sequence[int]) -> None:
        """Nothing: the graphs take crops of any size."""

    @torch.inference_mode()
    def match(self, exemplar: Tensor, crops: Crops) -> NDArray[np.float32]:
        """Response logits (N, K, n, n)."""
        graph, search = self._graphs["match"], self.embed(crops)
        response = torch.cat([graph(exemplar[part], search[part]) for part in self._parts(len(search))])
        array: NDArray[np.float32] = response.cpu().numpy()
        return array

    @torch.inference_mode()
    def match_box(self, exemplar: Tensor, kernel: Tensor, crops: Crops, size_wh: Tensor) -> list[BoxResponse]:
        """What the box head says, one answer an item."""
        graph, search, found = self._graphs["box"], self.embed(crops), []
        size_wh = size_wh.to(self.device)
        for part in self._parts(len(search)):
            maps = graph(exemplar[part], kernel[part], search[part], size_wh[part])
            found += [BoxResponse(*each) for each in zip(*(item.cpu().numpy() for item in maps), strict=True)]
        return found

    def _parts(self, count: int) -> list[slice]:
        """How a batch goes through the head: at once on a GPU, item by item on a CPU.

        There a grouped convolution of eight takes nearly twice the time of eight alone, and its rounding depends on
        who else is in the batch. Item by item, a target's track is the same to the last bit alone and among others.
        """
        return [slice(i, i + 1) for i in range(count)] if self.device.type == "cpu" else [slice(None)]
