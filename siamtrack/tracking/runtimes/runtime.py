"""What an engine needs of whatever runs the graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Crops = NDArray[np.uint8]


class BoxResponse(NamedTuple):
    """`BoxMaps` of one search region as arrays, and SiamFC's own response.

    Attributes:
        response, target, quality: (n, n) logits. distances: (4, n, n) pixels of the search crop.
    """

    response: NDArray[np.float32]
    target: NDArray[np.float32]
    quality: NDArray[np.float32]
    distances: NDArray[np.float32]


class Runtime(Protocol):
    """Runs the graphs of one network on one device. Shapes as in `siamtrack.model.graphs`.

    On a CPU every item of a batch must come out as it would alone, to the last bit.
    """

    def embed(self, crops: Crops) -> Tensor:
        """Embeddings (N, C, h, w) of crops (N, S, S, 3) BGR."""

    def kernel(self, exemplar: Tensor) -> Tensor:
        """The box head's kernel (N, c, 4, 4)."""

    def prepare(self, head: str, search_sizes: Sequence[int]) -> None:
        """Make ready what `match` or `box` (the head) needs for search crops of these sizes, so that no frame waits for it."""

    def match(self, exemplar: Tensor, crops: Crops) -> NDArray[np.float32]:
        """Response logits (N, K, n, n) of exemplars (N, K, C, 6, 6) over search crops (N, S, S, 3) BGR."""

    def match_box(self, exemplar: Tensor, kernel: Tensor, crops: Crops, size_wh: Tensor) -> list[BoxResponse]:
        """What the box head says of search crops, one answer an item."""
