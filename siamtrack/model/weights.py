"""Weights as safetensors with a JSON header, and the import of other people's checkpoints.

The header, under the one metadata key `siamtrack`, is JSON: `model`, `input` (colour order, mean, std),
`tracker` (the constants that belong to these weights), and `training` (data, seed, epochs, scores). Tensors are
float16 in the file and float32 in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load as load_bytes
from safetensors.torch import save_file
from torch import Tensor

from siamtrack.config import build, nearest, to_plain
from siamtrack.errors import WeightsError
from siamtrack.model.siamese import InputSpec, ModelName, Siamese

ASSETS = Path(__file__).parent.parent / "assets"
MAX_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class WeightsHeader:
    """What a weights file says about itself.

    Attributes:
        model: name of the architecture.
        input: what the backbone was trained to see.
        tracker: tracker constants that differ from their defaults, as plain data.
        training: data, seed, steps, scores; free form, for people.
    """

    model: ModelName = "siamfc"
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
    return sorted(path.stem for path in ASSETS.glob("*.safetensors"))


def load_weights(name_or_path: str | Path) -> Weights:
    """Load weights by a shipped model's name, or from a .safetensors, .pth or .pt file.

    A .pth may hold a siamfc-pytorch state dict or a training checkpoint of this package. It is opened with
    `weights_only=True`: nothing in it is executed.

    Raises:
        FileNotFoundError: no such model or file.
        WeightsError: corrupt, too large, missing or misshapen tensors, or an unknown architecture.
    """
    path = _find(str(name_or_path))
    if path.stat().st_size > MAX_BYTES:
        raise WeightsError(f"{path}: {path.stat().st_size} bytes; weights of this package stay under {MAX_BYTES}")
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        state, header = _parse_safetensors(path, data)
    else:
        state, header = _load_checkpoint(path)
    net = Siamese(header.input, header.model)
    _fill(net, state, path)
    return Weights(net.eval(), header, hashlib.sha256(data).hexdigest())


def save_weights(path: str | Path, net: Siamese, header: WeightsHeader) -> None:
    """Write float16 weights with their header, whole or not at all."""
    path = Path(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous() for key, value in net.state_dict().items()
    }
    save_file(state, str(partial), metadata={"siamtrack": json.dumps(to_plain(header), sort_keys=True)})
    os.replace(partial, path)


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


def _parse_safetensors(path: Path, data: bytes) -> tuple[dict[str, Tensor], WeightsHeader]:
    try:
        state = load_bytes(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
        text = metadata.get("siamtrack")
        header = build(WeightsHeader, json.loads(text) if text else {}, str(path))
    except (safetensors.SafetensorError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}); get it again") from error
    return state, header


def _load_checkpoint(path: Path) -> tuple[dict[str, Tensor], WeightsHeader]:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds here, all of which mean the same to a user
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path}: cannot be read as a plain tensor checkpoint ({reason[:200]})") from error
    if isinstance(state, dict) and "recipe" in state and "net" in state:
        spec = InputSpec(color_order=state["recipe"]["color_order"])
        model = state["recipe"].get("model", "siamfc")
        tensors = state.get("average") or state["net"]
        return tensors, WeightsHeader(model=model, input=spec, training={"steps": state["step"]})
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


def _fill(net: Siamese, state: Mapping[str, Tensor], path: Path) -> None:
    wanted = net.state_dict()
    missing = sorted(key for key in wanted if key not in state and not key.endswith("num_batches_tracked"))
    extra = sorted(key for key in state if key not in wanted)
    if missing or extra:
        listed = ", ".join((missing or extra)[:3])
        raise WeightsError(
            f"{path}: {len(missing)} tensors missing, {len(extra)} unknown ({listed} ...); not an AlexNet SiamFC"
        )
    for key, value in state.items():
        if value.shape != wanted[key].shape:
            raise WeightsError(f"{path}: {key} has shape {tuple(value.shape)}, expected {tuple(wanted[key].shape)}")
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise WeightsError(f"{path}: {key} holds numbers that are not finite")
    net.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in state.items()}, strict=False
    )
