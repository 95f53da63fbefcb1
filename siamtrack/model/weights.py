"""Weights as safetensors with a JSON header, and the import of other people's checkpoints.

The header, under the one metadata key `siamtrack`, is JSON: `model`, `input` (colour order, mean, std),
`tracker` (the constants that belong to these weights), and `training` (data, seed, epochs, scores). Tensors are
float16 in the file and float32 in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from siamtrack.config import build, nearest, to_plain
from siamtrack.errors import WeightsError
from siamtrack.model.siamese import InputSpec, Siamese, default_input
from siamtrack.model.tensors import fill, read_bytes, read_tensors, write_tensors
from siamtrack.models import MODELS, HeadName, ModelName

ASSETS = Path(__file__).parent.parent / "assets"


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


@dataclass(frozen=True)
class Weights:
    """A network, its header, and the sha256 of the file that they came from."""

    net: Siamese
    header: WeightsHeader
    sha256: str


def shipped_models() -> list[str]:
    """Names of the models whose weights are inside the package."""
    return [name for name in sorted(MODELS) if (ASSETS / f"{name}.safetensors").is_file()]


def shipped_settings(model: ModelName) -> dict[str, Any]:
    """Tracker constants of the shipped weights of an architecture: those of new ones, until they are fitted to them.

    Defaults of `TrackerConfig` cost `siamfc-box` weights that had just been trained 0.01 to 0.02 AO on val.
    """
    return dict(load_weights(model).header.tracker)


def load_weights(name_or_path: str | Path) -> Weights:
    """Load weights by a shipped model's name, or from a .safetensors, .pth or .pt file.

    A .pth may hold a siamfc-pytorch state dict or a training checkpoint of this package. It is opened with
    `weights_only=True`: nothing in it is executed.

    Raises:
        FileNotFoundError: no such model or file.
        WeightsError: corrupt, too large, missing or misshapen tensors, or an unknown architecture.
    """
    path = _find(str(name_or_path))
    if path.suffix == ".safetensors":
        file = read_tensors(path)
        state, sha256 = file.state, file.sha256
        if isinstance(file.header, dict) and file.header.get("model") == "verifier":
            raise WeightsError(f"{path}: holds a verifier, which tracks nothing; give it to siamtrack verify --model")
        header = _current(build(WeightsHeader, file.header, str(path)))
    else:
        sha256 = hashlib.sha256(read_bytes(path)).hexdigest()
        state, header = _load_checkpoint(path)
    net = Siamese(header.input, header.model, header.head)
    fill(net, state, path, "an AlexNet SiamFC")
    return Weights(net.eval(), header, sha256)


def _current(header: WeightsHeader) -> WeightsHeader:
    """A header whose tracker settings have the names of today: before 0.6 the score weighed one number, without hysteresis."""
    settings = dict(header.tracker)
    if "score_slope" not in settings:
        return header
    settings["score_weights"] = [settings.pop("score_slope"), 0.0]
    settings["doubt_score"] = settings.get("tracking_score", 0.5)
    return replace(header, tracker=settings)


def save_weights(path: str | Path, net: Siamese, header: WeightsHeader) -> None:
    """Write float16 weights with their header, whole or not at all."""
    write_tensors(Path(path), net.state_dict(), to_plain(header))


def _find(name: str) -> Path:
    path = Path(name)
    if path.suffix in (".safetensors", ".pth", ".pt"):
        if not path.is_file():
            raise FileNotFoundError(f"weights file {path} not found")
        return path
    shipped = ASSETS / f"{name}.safetensors"
    if name in shipped_models():
        return shipped
    raise FileNotFoundError(f"no model {name!r}; {nearest(name, shipped_models())} Or give a .safetensors or .pth file")


def _load_checkpoint(path: Path) -> tuple[dict[str, Tensor], WeightsHeader]:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds here, all of which mean the same to a user
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path}: cannot be read as a plain tensor checkpoint ({reason[:200]})") from error
    if isinstance(state, dict) and "recipe" in state and "net" in state:
        model = state["recipe"].get("model", "siamfc")
        spec = default_input(model, state["recipe"]["color_order"])
        tensors = state.get("average") or state["net"]
        head = state["recipe"].get("head", "correlation")
        return tensors, WeightsHeader(model, spec, shipped_settings(model), {"steps": state["step"]}, head=head)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path}: not a state dict of tensors")
    return _import_siamfc_pytorch(dict(state))


def _import_siamfc_pytorch(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], WeightsHeader]:
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
    renamed.setdefault("head.gain", torch.tensor(1.0))
    renamed.setdefault("head.bias", torch.tensor(0.0))
    spec = InputSpec(color_order="rgb", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    tracker = {"scale_search": "search", "scale_count": 3, "window_influence": 0.176}
    return renamed, WeightsHeader(input=spec, tracker=tracker, training={"imported_from": "siamfc-pytorch key names"})
