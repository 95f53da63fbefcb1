"""The plain recipe: the network as it was trained, on contiguous float32 crops. What all else is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.model.siamese import Siamese
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.runtimes.runtime import BoxResponse, Crops, Runtime

PLAIN_MODEL = "siamfc"
PLAIN_SETTINGS = {"scale_search": "search", "scale_count": 3}
"""The paper's form: three search crops a frame."""


class PlainRuntime:
    """Nothing is folded, fused or laid out anew; see `siamtrack.tracking.runtimes.runtime.Runtime`.

    Args:
        net: a trained network; it is used as it is, in evaluation mode.
        device: where to.
    """

    def __init__(self, net: Siamese, device: torch.device) -> None:
        self.device = device
        self._net = net.to(device).eval()
        self._reverse = net.input_spec.color_order == "rgb"

    @torch.inference_mode()
    def embed(self, crops: Crops) -> Tensor:
        """Embeddings (N, C, h, w) of crops (N, S, S, 3) BGR."""
        ordered = crops[..., ::-1] if self._reverse else crops
        planes = np.ascontiguousarray(ordered.transpose(0, 3, 1, 2), dtype=np.float32)
        return self._net.embed(torch.from_numpy(planes).to(self.device))

    @torch.inference_mode()
    def kernel(self, exemplar: Tensor) -> Tensor:
        """The box head's kernel (N, c, 4, 4)."""
        assert self._net.box is not None, "the engine asks only networks with a box head"
        return self._net.box.kernel(exemplar)

    def prepare(self, head: str, search_sizes: Sequence[int]) -> None:
        """Nothing."""

    @torch.inference_mode()
    def match(self, exemplar: Tensor, crops: Crops) -> NDArray[np.float32]:
        """Response logits (N, K, n, n)."""
        response: NDArray[np.float32] = self._net.match(exemplar, self.embed(crops)).cpu().numpy()
        return response

    @torch.inference_mode()
    def match_box(self, exemplar: Tensor, kernel: Tensor, crops: Crops, size_wh: Tensor) -> list[BoxResponse]:
        """What the box head says, one answer an item."""
        assert self._net.box is not None, "the engine asks only networks with a box head"
        search = self.embed(crops)
        response = self._net.match(exemplar[:, None], search)[:, 0]
        maps = self._net.box(kernel, self._net.box.features(search), response, size_wh.to(self.device))
        return [BoxResponse(*each) for each in zip(*(item.cpu().numpy() for item in (response, *maps)), strict=True)]


class PlainEngine(Engine):
    """An engine of the plain recipe, in float32.

    Args:
        net: a trained network.
        device: as for `Engine`.
    """

    def __init__(self, net: Siamese, device: str = "auto") -> None:
        super().__init__(net, device, "float32", "eager")
        self.runtime = "plain"

    def _make(self, net: Siamese) -> Runtime:
        return PlainRuntime(net, self.device)
