"""A folder of exported graphs: what `siamtrack export` writes, and the backends `onnx:DIR` and `openvino:DIR` run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siamtrack.config import build, to_plain
from siamtrack.errors import ConfigError, WeightsError, import_extra
from siamtrack.model.tensors import MAX_BYTES, State
from siamtrack.model.weights import Weights
from siamtrack.outside import read_json
from siamtrack.system import make_folder, read_file, remove_files, write_folder

ABOUT = "export.json"


def with_weights(graph: bytes, state: State) -> bytes:
    """A graph of the package with its weights inside, for engines that take a whole file; `state` as of `input_folded`."""
    import_extra("onnx.numpy_helper", "torch", "writing ONNX files needs the package onnx")
    import onnx

    model = onnx.load_from_string(graph)
    for tensor in model.graph.initializer:
        if tensor.name in state:
            tensor.CopyFrom(onnx.numpy_helper.from_array(state[tensor.name], tensor.name))
    return bytes(model.SerializeToString())


@dataclass(frozen=True)
class ExportedFile:
    """One graph's file: its name in the folder, and what must be in it."""

    file: str
    sha256: str


@dataclass(frozen=True)
class ExportAbout:
    """What `export.json` says.

    Attributes:
        model: name of the architecture. weights: sha256 of the weights file that the graphs were made of.
        search_size: side in pixels of the search crops of the parts that have one.
        precision: of the graphs; `float32`, but for what others make of them.
        graphs: files by graph.
        tracker: the tracker's constants that go with the weights, for whoever runs the graphs without this package.
    """

    model: str
    weights: str
    search_size: int
    precision: str
    graphs: dict[str, ExportedFile]
    tracker: dict[str, Any]


def read_export(folder: Path, weights: Weights) -> tuple[str, Mapping[str, bytes]]:
    """Precision and graphs `exemplar` and `search` of a folder that `siamtrack export` wrote.

    Raises:
        ConfigError: not such a folder, or of an older release. WeightsError: a file was changed, or is of other weights.
    """
    path = folder / ABOUT
    try:
        about = build(ExportAbout, read_json(path, ConfigError), str(path))
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} holds no {ABOUT}; make it with: siamtrack export MODEL --out {folder}") from error
    except ConfigError as error:
        raise ConfigError(f"{error}; export again: siamtrack export MODEL --out {folder}") from error
    if "scale_search" in about.tracker:  # its graphs took exemplars at several scales
        raise ConfigError(f"{folder} was exported by an older release; export again: siamtrack export MODEL --out {folder}")
    if about.weights != weights.sha256:
        raise WeightsError(f"{folder} was exported from other weights than {weights.header.model} {weights.sha256[:12]}")
    graphs: dict[str, bytes] = {}
    for name in ("exemplar", "search"):
        if name not in about.graphs:
            raise ConfigError(f"{path} names no {name} graph; export again: siamtrack export MODEL --out {folder}")
        file = folder / Path(about.graphs[name].file).name
        try:
            graphs[name] = read_file(file, MAX_BYTES, WeightsError)
        except FileNotFoundError as error:
            raise WeightsError(f"{file} is missing; export again") from error
        if hashlib.sha256(graphs[name]).hexdigest() != about.graphs[name].sha256:
            raise WeightsError(f"{file} is not the file that was exported: its sha256 differs; export again")
    return about.precision, graphs


def write_export(
    folder: Path, weights: Weights, graphs: Mapping[str, bytes], search_size: int, precision: str, tracker: Mapping[str, Any]
) -> None:
    """Write graphs and `export.json`; the latter last, so that a folder which has one is whole.

    Raises:
        OutputError: the folder cannot be written.
    """
    files = {name: ExportedFile(f"{name}.onnx", hashlib.sha256(data).hexdigest()) for name, data in graphs.items()}
    about = ExportAbout(weights.header.model, weights.sha256, search_size, precision, files, dict(tracker))
    make_folder(folder)
    remove_files([folder / ABOUT])
    named = {files[name].file: data for name, data in graphs.items()}
    write_folder(folder, {**named, ABOUT: json.dumps(to_plain(about), indent=2) + "\n"})
