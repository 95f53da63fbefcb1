"""Exported graphs as a runtime, whichever library runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.model.backbone import EXEMPLAR_SIZE, STRIDE, embedding_size
from siamtrack.tracking.runtimes.exported import SIZELESS
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


class GraphRuntime:
    """Runs exported graphs on the CPU, item by item: several at once take as long, and would round otherwise.

    Args:
        graphs: where their bytes come from.
        make_session: of the library that runs them.
    """

    def __init__(self, graphs: Graphs, make_session: MakeSession) -> None:
        self._graphs, self._make_session = graphs, make_session
        self._sessions: dict[str, Session] = {}

    def embed(self, crops: Crops) -> Tensor:
        """Embeddings (N, C, h, w) of crops (N, S, S, 3) BGR."""
        # A search crop says which size the other graphs will be wanted for, so that all are exported in one go.
        side = crops.shape[1]
        session = self._session("embed", side if side > EXEMPLAR_SIZE else USUAL_SEARCH_SIZE)
        embeddings = [session({"crops": crops[i : i + 1]})[0] for i in range(len(crops))]
        return torch.from_numpy(embeddings[0] if len(embeddings) == 1 else np.concatenate(embeddings))

    def match(self, exemplar: Tensor, search: Tensor) -> NDArray[np.float32]:
        """Response logits (N, K, n, n)."""
        session = self._session("match", _side(search))
        return np.concatenate([item[0] for item in self._by_item(session, exemplar=exemplar, search=search)])

    def kernel(self, exemplar: Tensor) -> Tensor:
        """The box head's kernel (N, c, 4, 4)."""
        session = self._session("kernel", USUAL_SEARCH_SIZE)
        return torch.from_numpy(np.concatenate([item[0] for item in self._by_item(session, exemplar=exemplar)]))

    def match_box(self, exemplar: Tensor, kernel: Tensor, search: Tensor, size_wh: Tensor) -> list[BoxResponse]:
        """What the box head says, one answer an item."""
        session = self._session("box", _side(search))
        items = self._by_item(session, exemplar=exemplar, kernel=kernel, search=search, size_wh=size_wh)
        return [BoxResponse(*(output[0] for output in item)) for item in items]

    def _by_item(self, session: Session, **inputs: Tensor) -> list[list[NDArray[np.float32]]]:
        arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in inputs.items()}
        count = len(next(iter(arrays.values())))
        return [session({name: array[i : i + 1] for name, array in arrays.items()}) for i in range(count)]

    def _session(self, name: str, search_size: int) -> Session:
        key = name if name in SIZELESS else f"{name} {search_size}"
        if key not in self._sessions:
            self._sessions[key] = self._make_session(self._graphs.graph(name, search_size))
        return self._sessions[key]


def _side(search: Tensor) -> int:
    """Side in pixels of the crops that search embeddings (N, C, h, w) are of."""
    return EXEMPLAR_SIZE + STRIDE * (search.shape[-1] - embedding_size(EXEMPLAR_SIZE))
