"""Exported graphs as a runtime, whichever library runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.model.backbone import EXEMPLAR_SIZE, STRIDE, embedding_size
from siamtrack.tracking.runtimes.runtime import BoxResponse, Crops

Session = Callable[[dict[str, NDArray[Any]]], list[NDArray[np.float32]]]
"""Named inputs in, outputs in the graph's order."""

MakeSession = Callable[[bytes], Session]
"""From an ONNX file's bytes."""


class Graphs(Protocol):
    """A source of exported graphs."""

    def graph(self, name: str, search_size: int) -> bytes:
        """The bytes of `embed`, `match`, `kernel` or `box` for search crops of so many pixels."""


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
        session = self._session("embed")
        embeddings = [session({"crops": crops[i : i + 1]})[0] for i in range(len(crops))]
        return torch.from_numpy(embeddings[0] if len(embeddings) == 1 else np.concatenate(embeddings))

    def match(self, exemplar: Tensor, search: Tensor) -> NDArray[np.float32]:
        """Response logits (N, K, n, n)."""
        session = self._session("match", search)
        return np.concatenate([item[0] for item in self._by_item(session, exemplar=exemplar, search=search)])

    def kernel(self, exemplar: Tensor) -> Tensor:
        """The box head's kernel (N, c, 4, 4)."""
        session = self._session("kernel")
        return torch.from_numpy(np.concatenate([item[0] for item in self._by_item(session, exemplar=exemplar)]))

    def match_box(self, exemplar: Tensor, kernel: Tensor, search: Tensor, size_wh: Tensor) -> list[BoxResponse]:
        """What the box head says, one answer an item."""
        session = self._session("box", search)
        items = self._by_item(session, exemplar=exemplar, kernel=kernel, search=search, size_wh=size_wh)
        return [BoxResponse(*(output[0] for output in item)) for item in items]

    def _by_item(self, session: Session, **inputs: Tensor) -> list[list[NDArray[np.float32]]]:
        arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in inputs.items()}
        count = len(next(iter(arrays.values())))
        return [session({name: array[i : i + 1] for name, array in arrays.items()}) for i in range(count)]

    def _session(self, name: str, search: Tensor | None = None) -> Session:
        cells = search.shape[-1] if search is not None else embedding_size(255)
        key = (name, EXEMPLAR_SIZE + STRIDE * (cells - embedding_size(EXEMPLAR_SIZE)))
        if key not in self._sessions:
            self._sessions[key] = self._make_session(self._graphs.graph(*key))
        return self._sessions[key]
