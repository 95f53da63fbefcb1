"""Tensors and a JSON header in one safetensors file: the form of every model file of this package.

The header lies under the one metadata key `siamtrack`. Nothing in such a file is ever executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor, nn

from siamtrack.errors import WeightsError
from siamtrack.system import replace_file

MAX_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True)
class TensorFile:
    """What a file holds.

    Attributes:
        state: tensors by name. header: plain data, {} where the file has none. sha256: of the whole file.
    """

    state: dict[str, Tensor]
    header: Any
    sha256: str


def read_bytes(path: Path) -> bytes:
    """A model file's content.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: it is larger than any model of this package.
    """
    if not path.is_file():
        raise FileNotFoundError(f"weights file {path} not found")
    if path.stat().st_size > MAX_BYTES:
        raise WeightsError(f"{path}: {path.stat().st_size} bytes; weights of this package stay under {MAX_BYTES}")
    return path.read_bytes()


def read_tensors(path: Path) -> TensorFile:
    """Tensors and header of a safetensors file.

    Raises:
        FileNotFoundError, WeightsError: missing, too large, or not a whole safetensors file.
    """
    data = read_bytes(path)
    try:
        state = load_bytes(data)
        length = int.from_bytes(data[:8], "little")
        text = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get("siamtrack")
        header = json.loads(text) if text else {}
    except (safetensors.SafetensorError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}); get it again") from error
    return TensorFile(state, header, hashlib.sha256(data).hexdigest())


def write_tensors(path: Path, state: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write float16 tensors with their header, whole or not at all."""
    halves = {key: (value.half() if value.is_floating_point() else value).contiguous() for key, value in state.items()}
    replace_file(path, save_bytes(halves, metadata={"siamtrack": json.dumps(header, sort_keys=True)}))


def fill(net: nn.Module, state: Mapping[str, Tensor], path: Path, what: str) -> None:
    """Load a state dict, of which every tensor was checked before.

    Args:
        what: the kind of network, for error messages.

    Raises:
        WeightsError: tensors are missing, unknown, misshapen or not finite.
    """
    wanted = net.state_dict()
    missing = sorted(key for key in wanted if key not in state and not key.endswith("num_batches_tracked"))
    extra = sorted(key for key in state if key not in wanted)
    if missing or extra:
        listed = ", ".join((missing or extra)[:3])
        raise WeightsError(f"{path}: {len(missing)} tensors missing, {len(extra)} unknown ({listed} ...); not {what}")
    for key, value in state.items():
        if value.shape != wanted[key].shape:
            raise WeightsError(f"{path}: {key} has shape {tuple(value.shape)}, expected {tuple(wanted[key].shape)}")
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise WeightsError(f"{path}: {key} holds numbers that are not finite")
    net.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in state.items()}, strict=False
    )
