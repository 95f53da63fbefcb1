"""The graphs as ONNX: one file each, any batch size, one search size, checked against PyTorch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.errors import SiamtrackError
from siamtrack.model.backbone import EXEMPLAR_SIZE, embedding_size
from siamtrack.model.graphs import make_graphs
from siamtrack.model.siamese import Siamese

OPSET = 17
CELLS = embedding_size(EXEMPLAR_SIZE)

_INPUTS = {
    "embed": ("crops",),
    "match": ("exemplar", "search"),
    "kernel": ("exemplar",),
    "box": ("exemplar", "kernel", "search", "size_wh"),
}
_OUTPUTS = {
    "embed": ("embedding",),
    "match": ("response",),
    "kernel": ("kernel",),
    "box": ("response", "target", "quality", "distances"),
}
_AXES = {
    "crops": {0: "items", 1: "side", 2: "side"},
    "embedding": {0: "items", 2: "cells", 3: "cells"},
    "search": {0: "items"},
    "exemplar": {0: "items"},
    "kernel": {0: "items"},
    "size_wh": {0: "items"},
    "response": {0: "items"},
    "target": {0: "items"},
    "quality": {0: "items"},
    "distances": {0: "items"},
}
_MATCH_AXES = {"exemplar": {0: "items", 1: "scales"}, "response": {0: "items", 1: "scales"}}

Run = Callable[[bytes, dict[str, NDArray[np.generic]]], list[NDArray[np.float32]]]
"""Runs a graph's bytes on named arrays: what `largest_difference` compares with PyTorch."""


@dataclass(frozen=True)
class Difference:
    """How far an exported graph is from PyTorch.

    Attributes:
        output: `graph.output`. largest: absolute difference. scale: largest absolute value of PyTorch's own output.
    """

    output: str
    largest: float
    scale: float

    @property
    def relative(self) -> float:
        """The difference as a share of the output's scale."""
        return self.largest / max(self.scale, 1e-12)


def export_graphs(net: Siamese, search_size: int = 255) -> dict[str, bytes]:
    """Every graph of a network as an ONNX file's bytes, by name; arguments and errors as for `export_graph`."""
    graphs = make_graphs(net, exportable=True)
    return {name: _export(name, graph, _examples(net, name, 1, search_size)) for name, graph in graphs.items()}


def export_graph(net: Siamese, name: str, search_size: int = 255) -> bytes:
    """One graph of a network as an ONNX file's bytes.

    Args:
        net: a trained network; it is copied, not changed.
        name: one of `make_graphs`.
        search_size: side in pixels of the search crops. `embed` takes crops of any size, `match` and `box` search
            embeddings of this size alone: shapes that are known are what makes them fast.

    Raises:
        SiamtrackError: the `onnx` package is not installed.
    """
    return _export(name, make_graphs(net, exportable=True)[name], _examples(net, name, 1, search_size))


def joined(embed: bytes, head: bytes, search_size: int) -> bytes:
    """One graph of two: from a search crop to what `match` or `box` says of it.

    For one item and one size: what a runtime knows of the shapes, it computes ahead. And one graph of two wakes the
    threads once.

    Args:
        embed, head: as `export_graphs` made them for crops of `search_size` pixels.

    Raises:
        SiamtrackError: the `onnx` package is not installed.
    """
    try:
        import onnx.compose
    except ImportError as error:
        raise SiamtrackError("exported graphs are put together by the `onnx` package: pip install onnx") from error
    # Its own names keep the head apart from the embedding, whose graph may be a quantised one; inputs and outputs stay.
    second = onnx.compose.add_prefix(onnx.load_from_string(head), "head/", rename_inputs=False, rename_outputs=False)
    whole = onnx.compose.merge_models(onnx.load_from_string(embed), second, io_map=[("embedding", "search")])
    known = {"items": 1, "side": search_size}
    for given in whole.graph.input:
        for length in given.type.tensor_type.shape.dim:
            if length.dim_param in known:
                length.dim_value = known[length.dim_param]
    return bytes(whole.SerializeToString())


def largest_differences(
    net: Siamese, graphs: dict[str, bytes], run: Run, items: int = 3, search_size: int = 255
) -> list[Difference]:
    """Compare exported graphs with PyTorch on random inputs, with another batch size than they were exported with."""
    found = []
    for name, module in make_graphs(net).items():
        inputs = _examples(net, name, items, search_size)
        with torch.inference_mode():
            expected = module(*inputs.values())
        expected = expected if isinstance(expected, tuple) else (expected,)
        got = run(graphs[name], {key: value.numpy() for key, value in inputs.items()})
        for output, theirs, ours in zip(_OUTPUTS[name], got, expected, strict=True):
            array = ours.numpy()
            found.append(Difference(f"{name}.{output}", float(np.abs(theirs - array).max()), float(np.abs(array).max())))
    return found


def _examples(net: Siamese, name: str, items: int, search_size: int) -> dict[str, Tensor]:
    """Inputs of a graph; random, so that a comparison on them says something."""
    draw = torch.Generator().manual_seed(0)
    channels, search = net.backbone.channels, embedding_size(search_size)
    kernel = net.box.correlation_norm.num_features if net.box is not None else 0
    shapes = {
        "exemplar": (items, 2, channels, CELLS, CELLS) if name == "match" else (items, channels, CELLS, CELLS),
        "search": (items, channels, search, search),
        "kernel": (items, kernel, CELLS - 2, CELLS - 2),
    }
    given = {key: torch.randn(shape, generator=draw) for key, shape in shapes.items()}
    given["crops"] = torch.randint(0, 256, (items, search_size, search_size, 3), generator=draw, dtype=torch.uint8)
    given["size_wh"] = 20 + 80 * torch.rand(items, 2, generator=draw)
    return {key: given[key] for key in _INPUTS[name]}


def _export(name: str, graph: torch.nn.Module, inputs: dict[str, Tensor]) -> bytes:
    buffer = io.BytesIO()
    axes = _AXES | (_MATCH_AXES if name == "match" else {})
    with warnings.catch_warnings():
        # It traces shapes that are constants here, and says that it will be replaced one day.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                graph,
                tuple(inputs.values()),
                buffer,  # type: ignore[arg-type]  # it takes a file as well
                dynamo=False,
                opset_version=OPSET,
                input_names=list(_INPUTS[name]),
                output_names=list(_OUTPUTS[name]),
                dynamic_axes={key: axes[key] for key in _INPUTS[name] + _OUTPUTS[name]},
            )
        except torch.onnx.OnnxExporterError as error:
            raise SiamtrackError(f"the {name} graph cannot be exported ({error}): pip install onnx") from error
    return buffer.getvalue()
