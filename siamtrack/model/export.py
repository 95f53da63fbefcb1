"""The network as ONNX: the package's own two branches, and the parts that `siamtrack export` writes for other engines."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.errors import import_extra
from siamtrack.model.graphs import ExemplarBranch, SearchBranch, make_graphs
from siamtrack.model.siamese import Siamese
from siamtrack.models import CELLS, HeadName, ModelName, embedding_size

OPSET = 17

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
_CELLS = {"embedding": (2, 3), "response": (1, 2), "target": (1, 2), "quality": (1, 2), "distances": (2, 3)}
"""Axes whose length follows from the size of the crops."""

Run = Callable[[bytes, dict[str, NDArray[np.generic]]], list[NDArray[np.float32]]]
"""Runs a graph's bytes on named arrays: what `largest_differences` compares with PyTorch."""


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


def branch_graphs(model: ModelName, head: HeadName) -> dict[str, bytes]:
    """The two branches of a network as ONNX graphs without weights: `exemplar` and `search`.

    Any batch and any size of crops. Weights are initializers with external data, by the names of the network's tensors: a
    backend sets them when it opens a graph. Norms stay apart from convolutions; backends fold them.

    Raises:
        SiamtrackError: the `onnx` package is not installed.
    """
    net = Siamese(model=model, head=head).eval()
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_()  # the exporter makes one of tensors that are equal, as untrained norms are
    part = "match" if net.box is None else "box"
    given = _examples(net, 1, 255)
    crops = {"crops": given["crops"]}
    learned, seen = ("exemplar", "kernel") if net.box is not None else ("exemplar",), _OUTPUTS[part]
    exemplar = _export(ExemplarBranch(net), crops, learned, sized=("crops",))
    inputs = crops | {name: given[name] for name in _INPUTS[part] if name != "search"}
    search = _export(SearchBranch(net), inputs, seen, sized=("crops", *seen))
    return {"exemplar": _without_weights(exemplar, net), "search": _without_weights(search, net)}


def export_parts(net: Siamese, search_size: int = 255) -> dict[str, bytes]:
    """Every graph of `make_graphs` as an ONNX file's bytes, by name.

    Any batch. `embed` takes crops of any size, `match` and `box` search embeddings of one size alone: engines for small
    devices want shapes that are known.

    Args:
        net: a trained network; it is copied, not changed. search_size: side in pixels of the search crops.
    """
    found = {}
    for name, graph in make_graphs(net, exportable=True).items():
        given = _examples(net, 1, search_size)
        inputs = {key: given[key] for key in _INPUTS[name]}
        sized = ("crops", "embedding") if name == "embed" else ()
        found[name] = _export(graph, inputs, _OUTPUTS[name], sized)
    return found


def largest_differences(
    net: Siamese, graphs: Mapping[str, bytes], run: Run, items: int = 3, search_size: int = 255
) -> list[Difference]:
    """Compare exported parts with PyTorch on random inputs, with another batch size than they were exported with."""
    found = []
    for name, module in make_graphs(net).items():
        given = _examples(net, items, search_size)
        inputs = {key: given[key] for key in _INPUTS[name]}
        with torch.inference_mode():
            expected = module(*inputs.values())
        expected = expected if isinstance(expected, tuple) else (expected,)
        got = run(graphs[name], {key: value.numpy() for key, value in inputs.items()})
        for output, theirs, ours in zip(_OUTPUTS[name], got, expected, strict=True):
            array = ours.numpy()
            found.append(Difference(f"{name}.{output}", float(np.abs(theirs - array).max()), float(np.abs(array).max())))
    return found


def _examples(net: Siamese, items: int, search_size: int) -> dict[str, Tensor]:
    """Inputs of graphs by name; random, so that a comparison on them says something."""
    draw = torch.Generator().manual_seed(0)
    channels, search = net.backbone.channels, embedding_size(search_size)
    kernel = net.box.correlation_norm.num_features if net.box is not None else 0
    shapes = {
        "exemplar": (items, channels, CELLS, CELLS),
        "search": (items, channels, search, search),
        "kernel": (items, kernel, CELLS - 2, CELLS - 2),
    }
    given = {key: torch.randn(shape, generator=draw) for key, shape in shapes.items()}
    given["crops"] = torch.randint(0, 256, (items, search_size, search_size, 3), generator=draw, dtype=torch.uint8)
    given["size_wh"] = 20 + 80 * torch.rand(items, 2, generator=draw)
    return given


def _export(graph: nn.Module, inputs: dict[str, Tensor], outputs: tuple[str, ...], sized: tuple[str, ...]) -> bytes:
    """ONNX bytes. Args: sized: inputs and outputs of free size."""
    _onnx()
    axes: dict[str, dict[int, str]] = {name: {0: "items"} for name in (*inputs, *outputs)}
    for name in sized:
        if name == "crops":
            axes[name] |= {1: "side", 2: "side"}
        else:
            axes[name] |= dict.fromkeys(_CELLS[name], "cells")
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # It traces shapes that are constants here, and says that it will be replaced one day.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(),
            tuple(inputs.values()),
            buffer,  # type: ignore[arg-type]  # it takes a file as well
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            # Nothing is folded yet, or the tensors would not be found by name.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    return buffer.getvalue()


def _without_weights(graph: bytes, net: Siamese) -> bytes:
    """The graph with every tensor of the network as an initializer whose data lie elsewhere."""
    onnx = _onnx()
    model, names = onnx.load_from_string(graph), net.state_dict().keys()
    for tensor in model.graph.initializer:
        if tensor.name in names:
            length = str(onnx.numpy_helper.to_array(tensor).nbytes)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", "weights"), ("offset", "0"), ("length", length)):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, value
    return bytes(model.SerializeToString())


def _onnx() -> Any:
    import_extra("onnx.numpy_helper", "torch", "export needs the package onnx")
    import onnx

    return onnx
