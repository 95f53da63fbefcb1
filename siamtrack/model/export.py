"""PyTorch modules as ONNX, above all the network's parts, which `siamtrack export` writes for other engines."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.errors import import_extra
from siamtrack.model.graphs import make_graphs
from siamtrack.model.siamese import Siamese
from siamtrack.models import CELLS, embedding_size

OPSET = 17

INPUTS = {
    "embed": ("crops",),
    "match": ("exemplar", "search"),
    "kernel": ("exemplar",),
    "box": ("exemplar", "kernel", "search", "size_wh"),
}
OUTPUTS = {
    "embed": ("embedding",),
    "match": ("response",),
    "kernel": ("kernel",),
    "box": ("response", "target", "quality", "distances"),
}
"""Of the graphs of `siamtrack.model.graphs`, by name."""

_SIZED = dict.fromkeys(("crops", "response", "target", "quality"), (1, 2)) | dict.fromkeys(("embedding", "distances"), (2, 3))
"""Axes that have the size of the crops, or follow from it."""

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


def export_parts(net: Siamese, search_size: int = 255) -> dict[str, bytes]:
    """Every graph of `make_graphs` as an ONNX file's bytes, by name.

    Any batch. `embed` takes crops of any size, `match` and `box` search embeddings of one size alone: engines for small
    devices want shapes that are known.

    Args:
        net: a trained network; it is copied, not changed. search_size: side in pixels of the search crops.
    """
    found = {}
    for name, graph in make_graphs(net, exportable=True).items():
        given = examples(net, 1, search_size)
        inputs = {key: given[key] for key in INPUTS[name]}
        sized = ("crops", "embedding") if name == "embed" else ()
        found[name] = to_onnx(graph, inputs, OUTPUTS[name], sized)
    return found


def largest_differences(net: Siamese, graphs: Mapping[str, bytes], run: Run, search_size: int = 255) -> list[Difference]:
    """Compare exported parts with PyTorch on random inputs, with another batch size than they were exported with."""
    found = []
    for name, module in make_graphs(net).items():
        given = examples(net, 3, search_size)
        inputs = {key: given[key] for key in INPUTS[name]}
        with torch.inference_mode():
            expected = module(*inputs.values())
        expected = expected if isinstance(expected, tuple) else (expected,)
        got = run(graphs[name], {key: value.numpy() for key, value in inputs.items()})
        for output, theirs, ours in zip(OUTPUTS[name], got, expected, strict=True):
            array = ours.numpy()
            found.append(Difference(f"{name}.{output}", float(np.abs(theirs - array).max()), float(np.abs(array).max())))
    return found


def examples(net: Siamese, items: int, search_size: int) -> dict[str, Tensor]:
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


def to_onnx(graph: nn.Module, inputs: dict[str, Tensor], outputs: tuple[str, ...], sized: tuple[str, ...] = ()) -> bytes:
    """A module as ONNX bytes, for any number of items; weights keep the names that they have in it.

    Args:
        graph: put into evaluation mode. inputs: examples by name. outputs: their names.
        sized: inputs and outputs whose size is free as well.

    Raises:
        SiamtrackError: the `onnx` package is not installed.
    """
    import_extra("onnx", "torch", "export needs the package onnx")
    axes = {name: {0: "items"} for name in (*inputs, *outputs)}
    for name in sized:
        axes[name] |= dict.fromkeys(_SIZED[name], "side" if name == "crops" else "cells")
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
