"""ONNX graphs, the package's own or exported ones, and ONNX Runtime, which runs them by default on CPUs."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from siamtrack.backends.exported import read_export
from siamtrack.frames import Image
from siamtrack.model.tensors import State
from siamtrack.model.weights import ASSETS, Weights, graph_weights
from siamtrack.models import InputSpec
from siamtrack.system import network_threads
from siamtrack.tracking.network import Exemplar, Floats, Network, Response, Search

Session = Callable[[dict[str, NDArray[Any]]], list[Floats]]
"""Named inputs in, outputs in the graph's order."""


class GraphBackend(Network):
    """Runs the two branches as ONNX graphs on the CPU, item by item: several at once take as long, and round otherwise.

    It may be pickled and used after a fork: sessions are made in the process that needs them.

    Args:
        weights: of the network. precision: what the graphs compute in.
        folder: graphs that `siamtrack export` wrote; without one those of the package run, with these weights.

    Raises:
        ConfigError, WeightsError: the folder holds no whole export, or one of other weights.
    """

    def __init__(self, weights: Weights, precision: str = "float32", folder: Path | None = None) -> None:
        super().__init__(weights.header.model, "cpu", precision)
        if folder is None:
            self._graphs = package_graphs(weights)
        else:
            self.name = f"{self.name}:{folder}"
            self.precision, graphs = read_export(folder, weights)
            self._graphs = {name: (graph, {}) for name, graph in graphs.items()}
        self._sessions: dict[tuple[int, str], Session] = {}

    @abstractmethod
    def _open(self, graph: bytes, state: State, threads: int) -> Session:
        """A session of a graph whose weights are set by name."""

    def embed_exemplar(self, crop: Image) -> tuple[Floats, Floats | None]:
        """Embedding (C, 6, 6), and kernel (c, 4, 4) where there is a box head."""
        with self._clocked():
            embedding, *kernel = self._session("exemplar")({"crops": crop[None]})
        return embedding[0], kernel[0][0] if kernel else None

    def respond(self, image: Image, searches: Sequence[Search]) -> list[Response]:
        """One run of the search branch a search."""
        crops = [search.region.extract(image, search.pad_color) for search in searches]
        with self._clocked():
            session = self._session("search")
            return [
                Response.of([maps[0] for maps in session(search_inputs(crop, search.exemplar))])
                for crop, search in zip(crops, searches, strict=True)
            ]

    def _session(self, name: str) -> Session:
        # A fork's child has none of the threads that its parent's session would wait for.
        key = (os.getpid(), name)
        if key not in self._sessions:
            self._sessions[key] = self._open(*self._graphs[name], network_threads())
        return self._sessions[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sessions": {}}


class OnnxBackend(GraphBackend):
    """Runs the graphs in ONNX Runtime, in float32."""

    name = "onnx"

    def _open(self, graph: bytes, state: State, threads: int) -> Session:
        return open_graph(graph, state, threads)


def open_graph(graph: bytes, state: State, threads: int) -> Session:
    """A session of a graph. Args: state: arrays of its initializers whose data lie elsewhere, by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Each graph has threads of its own. Those that wait for the next frame in a loop would take a core from the next graph:
    # a frame of siamfc-lite took 19 ms with that, 10 without (two cores, two threads).
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 4  # errors are raised, and its warnings are about graphs, which no user could mend
    if state:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in state.values()]
        options.add_external_initializers(list(state), values)
    session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    return lambda inputs: session.run(None, inputs)


def search_inputs(crop: Image, exemplar: Exemplar) -> dict[str, NDArray[Any]]:
    """Inputs of the search branch by name: a crop (S, S, 3) and what is looked for in it."""
    inputs: dict[str, NDArray[Any]] = {"crops": crop[None], "exemplar": exemplar.embedding[None]}
    if exemplar.kernel is not None:
        inputs |= {"kernel": exemplar.kernel[None], "size_wh": exemplar.size_wh[None]}
    return inputs


def package_graphs(weights: Weights) -> dict[str, tuple[bytes, State]]:
    """The package's graphs `exemplar` and `search` of a network, each with the weights that it takes."""
    state, architecture = input_folded(weights.state, weights.header.input), weights.header.architecture
    return {
        graph: (
            (ASSETS / f"{architecture}.{graph}.onnx").read_bytes(),
            {name: state[name] for name in graph_weights(architecture, graph)},
        )
        for graph in ("exemplar", "search")
    }


def input_folded(state: State, spec: InputSpec) -> State:
    """Weights whose first layer takes BGR pixels in 0..255: scaling and order of channels are folded into it.

    Exact because nothing pads the image: a padded border would be zeros of the scaled image, not of the pixels.

    Args:
        state: a network's arrays, left as they are. spec: what its backbone was trained to see.
    """
    first = next(key for key in state if key.startswith("backbone.") and state[key].ndim == 4 and state[key].shape[1] == 3)
    mean, std = (np.array(each, np.float32)[None, :, None, None] for each in (spec.mean, spec.std))
    weight, prefix = state[first], first.removesuffix("0.weight")
    shift = (weight * (mean / std)).sum(axis=(1, 2, 3))
    weight = weight / std
    folded = {**state, first: np.ascontiguousarray(weight[:, ::-1]) if spec.color_order == "rgb" else weight}
    if f"{prefix}0.bias" in state:
        folded[f"{prefix}0.bias"] = state[f"{prefix}0.bias"] - shift
    else:  # a convolution without bias: its norm takes the shift
        folded[f"{prefix}1.running_mean"] = state[f"{prefix}1.running_mean"] + shift
    return folded
