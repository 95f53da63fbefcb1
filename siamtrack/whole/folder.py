"""The folder that `siamtrack export --whole` writes: both graphs, and a README that says how to run them."""

from __future__ import annotations

from pathlib import Path
from string import Template

import siamtrack
from siamtrack.backends.exported import with_weights
from siamtrack.backends.onnx import package_graphs
from siamtrack.model.weights import ASSETS, Weights
from siamtrack.system import make_folder, write_whole
from siamtrack.tracking.config import TrackerConfig
from siamtrack.whole.graph import OPSET
from siamtrack.whole.state import LENGTHS
from siamtrack.whole.tracker import NUMBERS, ROWS, TrackerGraphs


def whole_graphs(weights: Weights, config: TrackerConfig) -> dict[str, bytes]:
    """The graphs `init` and `update` of a tracker, with its weights inside.

    Raises:
        ConfigError: the model has no box head. SiamtrackError: the `onnx` package is not installed.
    """
    branches = {name: with_weights(graph, state) for name, (graph, state) in package_graphs(weights).items()}
    graphs = TrackerGraphs(branches["exemplar"], branches["search"], config)
    return {"init": graphs.init(), "update": graphs.update()}


def write_whole_tracker(folder: Path, weights: Weights, config: TrackerConfig) -> dict[str, int]:
    """Write `init.onnx`, `update.onnx` and `README.md`; the last one last. Returns their sizes in bytes by name.

    Raises:
        OutputError: the folder cannot be written. Else as `whole_graphs`.
    """
    files = {f"{name}.onnx": graph for name, graph in whole_graphs(weights, config).items()}
    files["README.md"] = readme(weights).encode()
    make_folder(folder)
    for name, data in files.items():
        write_whole(folder / name, data)
    return {name: len(data) for name, data in files.items()}


def readme(weights: Weights) -> str:
    """What a stranger needs to run the graphs: inputs, outputs, and a program in three languages."""
    template = Template((ASSETS / "whole.md").read_text(encoding="utf-8"))
    return template.substitute(
        model=weights.header.model,
        version=siamtrack.__version__,
        sha256=weights.sha256,
        opset=OPSET,
        rows=ROWS,
        channels=weights.state["backbone.last.bias"].shape[0],
        features=weights.state["box.correlation_norm.bias"].shape[0],
        numbers=NUMBERS,
        memory=", ".join(f"{name} ({length})" for name, length in LENGTHS.items()),
    )
