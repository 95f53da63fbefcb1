"""The folder that `siamtrack export --whole` writes: both graphs, and a README that says how to run them."""

from __future__ import annotations

from itertools import accumulate
from string import Template

import siamtrack
from siamtrack.backends.exported import with_weights
from siamtrack.backends.onnx import package_graphs
from siamtrack.errors import ConfigError
from siamtrack.model.weights import ASSETS, Weights
from siamtrack.models import BOX_MODELS
from siamtrack.tracking.config import TrackerConfig
from siamtrack.whole.graph import OPSET, Real
from siamtrack.whole.state import LENGTHS
from siamtrack.whole.tracker import NUMBERS, OWN_NODES, ROWS, TrackerGraphs

_NAMES = {
    "float64": {"openvino": "f64", "cpp": "double", "array": "Float64Array"},
    "float32": {"openvino": "f32", "cpp": "float", "array": "Float32Array"},
}
"""What the README's languages call the numbers."""


def whole_graphs(weights: Weights, config: TrackerConfig, real: Real = "float64") -> dict[str, bytes]:
    """The graphs `init` and `update` of a tracker, with its weights inside. Args: real: as for `TrackerGraphs`.

    Raises:
        ConfigError: the model has no box head.
    """
    if weights.header.model not in BOX_MODELS:
        raise ConfigError(f"{weights.header.model} has no box head, which a whole tracker needs; use {' or '.join(BOX_MODELS)}")
    branches = {name: with_weights(graph, state) for name, (graph, state) in package_graphs(weights).items()}
    graphs = TrackerGraphs(branches["exemplar"], branches["search"], config, real)
    return {"init": graphs.init(), "update": graphs.update()}


def whole_files(weights: Weights, config: TrackerConfig, real: Real = "float64") -> dict[str, bytes]:
    """`init.onnx`, `update.onnx` and `README.md` by name. Args and raises: as `whole_graphs`."""
    graphs = whole_graphs(weights, config, real)
    return {**{f"{name}.onnx": graph for name, graph in graphs.items()}, "README.md": _readme(weights, real).encode()}


def _readme(weights: Weights, real: Real) -> str:
    """What whoever runs the graphs needs: inputs, outputs, and a program in three languages."""
    starts = dict(zip(LENGTHS, accumulate(LENGTHS.values(), initial=0), strict=False))
    template = Template((ASSETS / "whole.md").read_text(encoding="utf-8"))
    return template.substitute(
        model=weights.header.model,
        version=siamtrack.__version__,
        sha256=weights.sha256,
        opset=OPSET,
        real=real,
        **_NAMES[real],
        own_nodes=OWN_NODES,
        missing_frames=starts["missing_frames"],
        awaited=starts["awaited"],
        rows=ROWS,
        channels=weights.state["backbone.last.bias"].shape[0],
        features=weights.state["box.correlation_norm.bias"].shape[0],
        numbers=NUMBERS,
        memory=", ".join(f"{name} ({length})" for name, length in LENGTHS.items()),
    )
