"""Tensors and a JSON header in one safetensors file: the form of every model file of this package.

The header lies under the one metadata key `siamtrack`. Nothing in such a file is ever executed. Tensors are numpy arrays
here: a tracker on a CPU needs no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load as load_bytes
from safetensors.numpy import save as save_bytes

from siamtrack.errors import WeightsError
from siamtrack.system import replace_file

if TYPE_CHECKING:
    from torch import nn

MAX_BYTES = 512 * 1024 * 1024

State = dict[str, NDArray[Any]]
"""Arrays by the names of a network's parameters and buffers; float32 where they are floats."""


@dataclass(frozen=True)
class TensorFile:
    """What a file holds.

    Attributes:
        state: arrays by name. header: plain data, {} where the file has none. sha256: of the whole file.
    """

    state: State
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
        state = as_float32(load_bytes(data))
        length = int.from_bytes(data[:8], "little")
        text = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get("siamtrack")
        header = json.loads(text) if text else {}
    except (safetensors.SafetensorError, json.JSONDecodeError, UnicodeDecodeError, KeyError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}); get it again") from error
    return TensorFile(state, header, hashlib.sha256(data).hexdigest())


def write_tensors(path: Path, state: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    """Write float16 tensors (arrays, or tensors on the CPU) with their header, whole or not at all."""
    arrays = {key: np.asarray(value) for key, value in state.items()}
    halves = {
        key: np.ascontiguousarray(value.astype(np.float16) if value.dtype.kind == "f" else value).reshape(value.shape)
        for key, value in arrays.items()
    }
    replace_file(path, save_bytes(halves, metadata={"siamtrack": json.dumps(header, sort_keys=True)}))


def as_float32(state: Mapping[str, Any]) -> State:
    """Arrays of arrays or CPU tensors, floats as float32."""
    arrays = {key: np.asarray(value) for key, value in state.items()}
    return {key: value.astype(np.float32) if value.dtype.kind == "f" else value for key, value in arrays.items()}


def check_state(state: State, shapes: Mapping[str, tuple[int, ...]], path: Path, what: str) -> None:
    """Hold arrays to the names and shapes that a network has.

    Args:
        state: to check. shapes: wanted, by name; `num_batches_tracked` may be missing. path: for messages.
        what: the kind of network, for messages.

    Raises:
        WeightsError: tensors are missing, unknown, misshapen or not finite.
    """
    missing = sorted(key for key in shapes if key not in state and not key.endswith("num_batches_tracked"))
    extra = sorted(key for key in state if key not in shapes)
    if missing or extra:
        listed = ", ".join((missing or extra)[:3])
        raise WeightsError(f"{path}: {len(missing)} tensors missing, {len(extra)} unknown ({listed} ...); not {what}")
    for key, value in state.items():
        if value.shape != shapes[key]:
            raise WeightsError(f"{path}: {key} has shape {value.shape}, expected {shapes[key]}")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise WeightsError(f"{path}: {key} holds numbers that are not finite")


def fill(net: nn.Module, state: State, path: Path, what: str) -> None:
    """Load arrays into a network; arguments and errors as for `check_state`."""
    import torch

    check_state(state, {key: tuple(value.shape) for key, value in net.state_dict().items()}, path, what)
    net.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in state.items()}, strict=False)
