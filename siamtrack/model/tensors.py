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

from siamtrack.errors import WeightsError, one_line, shown
from siamtrack.outside import parse_json
from siamtrack.system import MIB, read_file, replace_file

if TYPE_CHECKING:
    from torch import nn

MAX_BYTES = 512 * MIB
"""Of a model file: larger than any of this package."""

MAX_TENSORS = 20_000

MAX_HEADER = 16 * MIB
"""Bytes of a safetensors file's table of tensors."""

DTYPES = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8", "BOOL")
"""What safetensors calls the types of numbers that are read."""

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


def read_tensors(path: Path) -> TensorFile:
    """Tensors and header of a safetensors file.

    Raises:
        FileNotFoundError, WeightsError: missing, too large, or not a whole safetensors file of plain numbers.
    """
    data = read_file(path, MAX_BYTES, WeightsError)
    metadata = check_table(data, str(path)).get("__metadata__") or {}
    try:
        state = as_float32(load_bytes(data))
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({one_line(error)}); get it again") from error
    text = metadata.get("siamtrack")
    return TensorFile(
        state, parse_json(text, f"{path}: header", WeightsError) if text else {}, hashlib.sha256(data).hexdigest()
    )


def check_table(data: bytes, where: str) -> dict[str, Any]:
    """The table at the head of a safetensors file, metadata included, before anything is made of it.

    Raises:
        WeightsError: it is no table, or names more, or other, tensors than a model of this package has.
    """
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= min(MAX_HEADER, len(data) - 8):
        raise WeightsError(f"{where}: not a whole safetensors file (its table has {length} bytes); get it again")
    table = parse_json(data[8 : 8 + length], f"{where}: table of tensors", WeightsError)
    metadata = table.get("__metadata__") if isinstance(table, dict) else 0
    if not (metadata is None or (isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values()))):
        raise WeightsError(f"{where}: not a whole safetensors file (its table is none); get it again")
    parts = {name: part for name, part in table.items() if name != "__metadata__"}
    if len(parts) > MAX_TENSORS:
        raise WeightsError(f"{where}: {len(parts)} tensors; a model of this package has at most {MAX_TENSORS}")
    for name, part in parts.items():
        dtype = part.get("dtype") if isinstance(part, dict) else None
        if dtype not in DTYPES:
            raise WeightsError(f"{where}: {shown(name)} is of type {shown(dtype)}; known: {', '.join(DTYPES)}")
    return dict(table)


def write_tensors(path: Path, state: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    """Write float16 tensors (arrays, or tensors on the CPU) with their header, whole or not at all.

    Raises:
        WeightsError: a number is not finite in float16, and no reader would take the file.
    """
    arrays = {key: np.asarray(value) for key, value in state.items()}
    with np.errstate(over="ignore"):
        halves = {
            key: np.ascontiguousarray(value.astype(np.float16) if value.dtype.kind == "f" else value).reshape(value.shape)
            for key, value in arrays.items()
        }
    for key, value in halves.items():
        _check_finite(key, value, path)
    replace_file(path, save_bytes(halves, metadata={"siamtrack": json.dumps(header, sort_keys=True)}))


def as_float32(state: Mapping[str, Any]) -> State:
    """Arrays of arrays or CPU tensors, floats as float32."""
    arrays = {key: np.asarray(value) for key, value in state.items()}
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and `check_state` refuses that
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
        listed = ", ".join(one_line(key, 60) for key in (missing or extra)[:3])
        raise WeightsError(f"{path}: {len(missing)} tensors missing, {len(extra)} unknown ({listed} ...); not {what}")
    for key, value in state.items():
        if value.shape != shapes[key]:
            raise WeightsError(f"{path}: {key} has shape {value.shape}, expected {shapes[key]}")
        _check_finite(key, value, path)


def _check_finite(key: str, value: NDArray[Any], path: Path) -> None:
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise WeightsError(f"{path}: {key} holds numbers that are not finite")


def fill(net: nn.Module, state: State) -> None:
    """Load arrays, as `check_state` lets them pass, into a network."""
    import torch

    net.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in state.items()}, strict=False)
