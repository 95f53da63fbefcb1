"""Exported graphs as a runtime, whichever library runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.tracking.runtimes.runtime import BoxResponse, Crops

Session = Callable[[dict[str, NDArray[Any]]], list[NDArray[np.float32]]]
"""Named inputs in, outputs in the graph's order."""

USUAL_SEARCH_SIZE = 255

MakeSession = Callable[[bytes], Session]
"""From an ONNX file's bytes."""


class Graphs(Protocol):
    """A source of exported graphs."""

    def graph(self, name: str, search_size: int) -> bytes:
        """The bytes of `embed`, `match`, `kernel` or `box` for search crops of so many pixels."""

    def joined(self, head: str, search_size: int) -> bytes:
        """The bytes of `embed` and `match`, or `embed` and `box`, as one graph of one item."""


class GraphRuntime:
    """Runs exported graphs on the CPU, item by item: several at once take as long, and would round otherwise.

    Args:
        graphs: where their bytes come from.
        make_session: of the library that runs them.
    """

    def __init__(self, graphs: Graphs, make_session: MakeSession) -> None:
        self._graphs, self._make_session = graphs, make_session
        self._sessions: dict[tuple[str, int], Session] = {}

    def embed(self, crops: Crops) -> Tensor:
        """Embeddings (N, C, h, w) of crops (N, S, S, 3) BGR."""
        session = self._session("embed", 0, lambda: self._graphs.graph("embed", USUAL_SEARCH_SIZE))
        return torch.from_numpy(np.concatenate([item[0] for item in _by_item(session, crops=crops)]))

    def kernel(self, exemplar: Tensor) -> Tensor:
        """The box head's kernel (N, c, 4, 4)."""
        session = self._session("kernel", 0, lambda: self._graphs.graph("kernel", USUAL_SEARCH_SIZE))
        return torch.from_numpy(np.concatenate([item[0] for item in _by_item(session, exemplar=exemplar.numpy())]))

    def prepare(self, head: str, search_sizes: Sequence[int]) -> None:
        """Make the sessions; graphs that nobody exported before take about a second each."""
        for size in search_sizes:
            self._joined(head, size)

    def match(self, exemplar: Tensor, crops: Crops) -> NDArray[np.float32]:
        """Response logits (N, K, n, n)."""
        items = _by_item(self._joined("match", crops.shape[1]), crops=crops, exemplar=exemplar.numpy())
        return np.concatenate([item[0] for item in items])

    def match_box(self, exemplar: Tensor, kernel: Tensor, crops: Crops, size_wh: Tensor) -> list[BoxResponse]:
        """What the box head says, one answer an item."""
        arrays = {"exemplar": exemplar.numpy(), "kernel": kernel.numpy(), "size_wh": size_wh.numpy()}
        items = _by_item(self._joined("box", crops.shape[1]), crops=crops, **arrays)
        return [BoxResponse(*(output[0] for output in item)) for item in items]

    def _joined(self, head: str, search_size: int) -> Session:
        return self._session(head, search_size, lambda: self._graphs.joined(head, search_size))

    def _session(self, name: str, search_size: int, graph: Callable[[], bytes]) -> Session:
        key = (name, search_size)
        if key not in self._sessions:
            self._sessions[key] = self._make_session(graph())
        return self._sessions[key]


def _by_item(session: Session, **arrays: NDArray[Any]) -> list[list[NDArray[np.float32]]]:
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    count = len(next(iter(arrays.values())))
    return [session({name: array[i : i + 1] for name, array in arrays.items()}) for i in range(count)]
