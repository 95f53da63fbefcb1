"""Weights as safetensors with a JSON header, and the import of other people's checkpoints.

The header, under the one metadata key `siamtrack`, is JSON: `model`, `input` (colour order, mean, std),
`tracker` (the constants that belong to these weights), and `training` (data, seed, epochs, scores). Tensors are
float16 in the file and float32 in memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from siamtrack.config import build, nearest, to_plain
from siamtrack.errors import WeightsError, import_extra, one_line, shown
from siamtrack.model.tensors import (
    MAX_BYTES,
    MAX_TENSORS,
    State,
    as_float32,
    check_state,
    fill,
    read_tensors,
    write_tensors,
)
from siamtrack.models import ARCHITECTURES, MODELS, HeadName, InputSpec, ModelName, default_input
from siamtrack.outside import whole
from siamtrack.system import MIB, read_file

if TYPE_CHECKING:
    from siamtrack.model.siamese import Siamese

ASSETS = Path(__file__).parent.parent / "assets"

MAX_PICKLE = 64 * MIB
"""Bytes of what a checkpoint holds beside the tensors' numbers."""


@dataclass(frozen=True)
class WeightsHeader:
    """What a weights file says about itself.

    Attributes:
        model: name of the architecture.
        head: what its box head reads; "correlation" where a file does not say.
        input: what the backbone was trained to see.
        tracker: tracker constants that differ from their defaults, as plain data.
        training: data, seed, steps, scores; free form, for people.
    """

    model: ModelName = "siamfc"
    head: HeadName = field(default="correlation", kw_only=True)
    input: InputSpec = field(default_factory=InputSpec)
    tracker: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        """Name of the network's files in `assets/`.

        Raises:
            WeightsError: there is no such network.
        """
        wanted = (self.model, self.head)
        found = next((name for name, pair in ARCHITECTURES.items() if pair == wanted), None)
        if found is None:
            raise WeightsError(f"there is no {self.model} with a {self.head} head; known: {', '.join(ARCHITECTURES)}")
        return found


@dataclass(frozen=True)
class Weights:
    """Arrays of a network, its header, and the sha256 of the file that they came from."""

    state: State
    header: WeightsHeader
    sha256: str

    @cached_property
    def net(self) -> Siamese:
        """The network in PyTorch, in evaluation mode.

        Raises:
            SiamtrackError: PyTorch is not installed.
        """
        import_extra("torch", "torch", "training, CUDA and export need PyTorch")
        from siamtrack.model.siamese import Siamese

        net = Siamese(self.header.input, self.header.model, self.header.head)
        fill(net, self.state)
        return net.eval()


def shipped_models() -> list[str]:
    """Names of the models whose weights are inside the package."""
    return [name for name in sorted(MODELS) if (ASSETS / f"{name}.safetensors").is_file()]


def shipped_settings(model: ModelName) -> dict[str, Any]:
    """Tracker constants of the shipped weights of an architecture: those of new ones, until they are fitted; {} without."""
    return dict(load_weights(model).header.tracker) if model in shipped_models() else {}


def load_weights(name_or_path: str | Path) -> Weights:
    """Load weights by a shipped model's name, or from a .safetensors, .pth or .pt file.

    A .pth may hold a siamfc-pytorch state dict or a training checkpoint of this package. It is opened by PyTorch with
    `weights_only=True`: nothing in it is executed.

    Raises:
        FileNotFoundError: no such model or file.
        WeightsError: corrupt, too large, missing or misshapen tensors, or an unknown architecture.
        SiamtrackError: a .pth file, and PyTorch is not installed.
    """
    path = _find(str(name_or_path))
    if path.suffix == ".safetensors":
        file = read_tensors(path)
        state, sha256 = file.state, file.sha256
        if isinstance(file.header, dict) and file.header.get("model") == "verifier":
            raise WeightsError(f"{path}: holds a verifier, which tracks nothing; give it to siamtrack verify --model")
        header = _current(build(WeightsHeader, file.header, str(path)))
    else:
        data = read_file(path, MAX_BYTES, WeightsError)
        sha256 = hashlib.sha256(data).hexdigest()
        state, header = _load_checkpoint(path, data)
    check_state(state, tensor_shapes(header.architecture), path, f"a {header.model}")
    return Weights(state, header, sha256)


def tensor_shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's tensors."""
    return {name: tuple(shape) for name, shape in _about(architecture)["shapes"].items()}


def graph_weights(architecture: str, graph: str) -> list[str]:
    """Names of the tensors that a graph of the package takes: of `exemplar` or `search`."""
    return list(_about(architecture)["weights"][graph])


def _about(architecture: str) -> dict[str, Any]:
    """What `tools/make_graphs.py` wrote beside a network's graphs."""
    return dict(json.loads((ASSETS / f"{architecture}.json").read_text(encoding="utf-8")))


def save_weights(path: str | Path, state: Mapping[str, Any], header: WeightsHeader) -> None:
    """Write float16 weights (a network's state dict) with their header, whole or not at all."""
    write_tensors(Path(path), state, to_plain(header))


def _current(header: WeightsHeader) -> WeightsHeader:
    """A header by the constants of today.

    The score of earlier ones weighed fewer numbers, the first without hysteresis; and where they embedded the exemplar at
    several scales, these were chosen for that form.
    """
    settings = dict(header.tracker)
    if settings.pop("scale_search", None) == "exemplar":
        for key in ("scale_count", "scale_step"):
            settings.pop(key, None)
    if "score_slope" in settings:
        settings["score_weights"] = [settings.pop("score_slope")]
        settings["doubt_score"] = settings.get("tracking_score", 0.5)
    weights = settings.get("score_weights")
    if isinstance(weights, list):
        settings["score_weights"] = [*weights, *[0.0] * (4 - len(weights))]
    return replace(header, tracker=settings)


def _find(name: str) -> Path:
    path = Path(name)
    if path.suffix in (".safetensors", ".pth", ".pt"):
        if not path.is_file():
            raise FileNotFoundError(f"weights file {path} not found")
        return path
    if name in shipped_models():
        return ASSETS / f"{name}.safetensors"
    raise FileNotFoundError(
        f"no model {name!r}; give a .safetensors or .pth file, or a model: {nearest(name, shipped_models())}"
    )


def _load_checkpoint(path: Path, data: bytes) -> tuple[State, WeightsHeader]:
    state = load_pickled(path, data)
    if isinstance(state, dict) and "recipe" in state and "net" in state:
        average = state.get("average")
        tensors = state["net"] if average is None or average == {} else average
        recipe = {
            key: value for key, value in _mapping(state["recipe"], path).items() if key in ("model", "head", "color_order")
        }
        about = build(_CheckpointRecipe, recipe, str(path), warn=False)
        try:
            training = {"steps": whole(state.get("step", 0), "step", 0)}
        except ValueError as error:
            raise WeightsError(f"{path}: {error}") from error
        spec = default_input(about.model, about.color_order)
        header = WeightsHeader(about.model, spec, shipped_settings(about.model), training, head=about.head)
        return _plain_state(tensors, path), header
    return _import_siamfc_pytorch(_plain_state(state, path))


@dataclass(frozen=True)
class _CheckpointRecipe:
    """What a training checkpoint's recipe says of its network."""

    model: ModelName = "siamfc"
    head: HeadName = "correlation"
    color_order: Literal["rgb", "bgr"] = "rgb"


def load_pickled(path: Path, data: bytes) -> Any:
    """What PyTorch pickled into a file, tensors on the CPU; nothing in it is executed.

    Args:
        path: of the file, for messages. data: its content.

    Raises:
        SiamtrackError: PyTorch is not installed. WeightsError: it cannot be read, or would unpack to more than `MAX_BYTES`.
    """
    torch = import_extra("torch", "torch", f"{path}: a .pth file is read by PyTorch")
    try:
        _check_archive(data)
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds here, all of which mean the same to a user
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path}: cannot be read as a plain tensor checkpoint ({one_line(reason)})") from error


def _check_archive(data: bytes) -> None:
    """Refuse an archive by the sizes in its directory, before anything is unpacked.

    Raises:
        ValueError, BadZipFile: it is no archive, or unpacks to more than a model has.
    """
    if b"bytearray" in data[:MAX_PICKLE]:  # the one thing that PyTorch lets a pickle make as large as it likes
        raise ValueError("it asks for a bytearray, which no checkpoint of tensors holds")
    if not data.startswith(b"PK"):  # the older form has no compression
        return
    if data.count(b"PK\x01\x02") > 2 * MAX_TENSORS:  # `ZipFile` would read its whole directory
        raise ValueError("it has more parts than a model of this package")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
    unpacked, pickled = (sum(entry.file_size for entry in entries if entry.filename.endswith(end)) for end in ("", ".pkl"))
    if len(entries) > MAX_TENSORS or unpacked > MAX_BYTES or pickled > MAX_PICKLE:
        raise ValueError(f"{len(entries)} parts unpack to {unpacked} bytes; a model of this package has at most {MAX_BYTES}")


def _mapping(value: Any, path: Path) -> dict[str, Any]:
    """A mapping with text as keys; anything else is a WeightsError."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise WeightsError(f"{path}: not a state dict of tensors by name ({shown(type(value).__name__)})")
    return dict(value)


def _plain_state(tensors: Any, path: Path) -> State:
    """Arrays of a state dict's tensors, if all of them are plain ones.

    Raises:
        WeightsError: not a state dict, or a tensor that is sparse, quantised, without data, of an unknown type or too large.
    """
    import torch

    state, size = _mapping(tensors, path), 0
    kinds = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool)
    for key, value in state.items():
        plain = type(value) in (torch.Tensor, torch.nn.Parameter) and value.layout == torch.strided and not value.is_nested
        if not plain or value.device.type != "cpu" or value.is_quantized or value.dtype not in kinds:
            raise WeightsError(f"{path}: {shown(key)} is no plain tensor of numbers; not a state dict of tensors")
        size += value.numel() * value.element_size()  # as it is seen: a stride of 0 makes much of little
        if size > MAX_BYTES:
            raise WeightsError(f"{path}: its tensors take more than {MAX_BYTES} bytes; weights of this package stay under it")
    return as_float32(
        {key: value.detach().resolve_neg().float() if value.is_floating_point() else value for key, value in state.items()}
    )


def _import_siamfc_pytorch(state: State) -> tuple[State, WeightsHeader]:
    """Rename a state dict of huanglianghua/siamfc-pytorch (AlexNetV1) to this package's keys.

    Its keys are `backbone.conv1.0.weight` ...; older releases lack the prefix or call it `features`. It was trained
    on RGB crops in 0..255 without scaling, and its head multiplies by 1e-3 with no bias.
    """
    renamed = {}
    for key, value in state.items():
        key = key.removeprefix("module.")
        for prefix in ("features.", "backbone."):
            key = key.removeprefix(prefix)
        renamed[f"backbone.{key}" if key.startswith("conv") else key] = value
    renamed.setdefault("head.gain", np.array(1.0, np.float32))
    renamed.setdefault("head.bias", np.array(0.0, np.float32))
    spec = InputSpec(color_order="rgb", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    tracker = {"window_influence": 0.176}
    return renamed, WeightsHeader(input=spec, tracker=tracker, training={"imported_from": "siamfc-pytorch key names"})
