"""A gallery's file: one safetensors file, of which nothing is believed unchecked.

It holds `embeddings` (N, D) float32 and `classes` (N,) int32 into the names. The header, under the one metadata key
`siamtrack_gallery`, is the JSON of `GalleryHeader`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save

from siamtrack.config import build, to_plain
from siamtrack.errors import DataError, SiamtrackError, one_line, shown
from siamtrack.outside import parse_json
from siamtrack.system import read_file, replace_file
from siamtrack.verify.header import Metric

MAX_BYTES = 2 * 1024**3
MAX_HEADER_BYTES = 100_000_000  # what safetensors itself is willing to read

_KEY = "siamtrack_gallery"
_VERSION = 1
_TYPES = {"embeddings": ("F32", np.float32), "classes": ("I32", np.int32), "cells": ("F32", np.float32)}
"""Of the tensors. `cells`, and what the header says of them, are of files that other versions wrote; nothing reads them."""


@dataclass(frozen=True)
class GalleryHeader:
    """The JSON of a gallery's file. `write_gallery` fills in the fields that have defaults."""

    dim: int
    metric: Metric
    verifier: str
    names: tuple[str, ...]
    version: int = _VERSION
    trained_on: int = 0
    probes: int = 0
    sha256: str = ""


def write_gallery(path: Path, header: GalleryHeader, embeddings: NDArray[np.float32], classes: NDArray[np.int32]) -> None:
    """Write a file, whole or not at all.

    Raises:
        SiamtrackError: it would be larger than what `read_gallery` takes.
        OSError: it cannot be written; what was there before is still there.
    """
    tensors: dict[str, NDArray[Any]] = {"embeddings": embeddings, "classes": classes}
    header = dataclasses.replace(header, sha256=sign(header, tensors))
    data = save(tensors, metadata={_KEY: json.dumps(to_plain(header), sort_keys=True)})
    if len(data) > MAX_BYTES or int.from_bytes(data[:8], "little") > MAX_HEADER_BYTES:
        limits = f"at most {MAX_BYTES} bytes, of which names take {MAX_HEADER_BYTES}"
        raise SiamtrackError(f"{path}: {len(data)} bytes; a gallery has {limits}; split it")
    replace_file(path, data)


def read_gallery(path: Path) -> tuple[GalleryHeader, NDArray[np.float32], NDArray[np.int32]]:
    """Header, embeddings and classes of a file. Nothing in it is executed.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: too large, not a whole safetensors file, not a gallery, or changed since it was written.
    """
    try:
        data = read_file(path, MAX_BYTES)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"gallery file {path} not found") from error
    try:
        header, tensors = _parse(data)
        _check(header, tensors["embeddings"], tensors["classes"])
    except (safetensors.SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: not a whole gallery ({one_line(error)}); enroll again") from error
    return header, tensors["embeddings"], tensors["classes"]


def sign(header: GalleryHeader, tensors: dict[str, NDArray[Any]]) -> str:
    """A sha256 over the header without its own sha256, and the bytes of the tensors in the order of their names."""
    plain = to_plain(dataclasses.replace(header, sha256=""))
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(np.ascontiguousarray(tensors[name]).data)
    return digest.hexdigest()


def _parse(data: bytes) -> tuple[GalleryHeader, dict[str, NDArray[Any]]]:
    """Header and tensors of a file's bytes, of the right names and types and with the right signature."""
    deserialize: Any = safetensors.deserialize  # has no annotations
    parts = dict(deserialize(data))
    metadata = parse_json(data[8 : 8 + int.from_bytes(data[:8], "little")], "its table").get("__metadata__") or {}
    if _KEY not in metadata:
        raise ValueError(f"{_KEY!r} is not in its header")
    values = parse_json(metadata[_KEY], "its header")
    if isinstance(values, dict) and values.get("version") != _VERSION:
        raise ValueError(f"it has version {shown(values.get('version'))}, and this siamtrack reads {_VERSION}")
    header = build(GalleryHeader, values, "header")
    for name, part in parts.items():
        if name not in _TYPES or part["dtype"] != _TYPES[name][0]:
            raise ValueError(f"tensor {name!r} of {part['dtype']} does not belong in a gallery")
    if not {"embeddings", "classes"} <= set(parts):
        raise ValueError(f"it holds {sorted(parts)}, and a gallery 'embeddings' and 'classes'")
    tensors = {name: np.frombuffer(part["data"], _TYPES[name][1]).reshape(part["shape"]) for name, part in parts.items()}
    if header.sha256 != sign(header, tensors):
        raise ValueError("it was changed after it was written: its sha256 differs")
    return header, tensors


def _check(header: GalleryHeader, embeddings: NDArray[Any], classes: NDArray[Any]) -> None:
    """Refuse what a gallery would not have let in: a signature keeps off accidents, not whoever has read `sign`."""
    known, used = len(header.names), np.unique(classes)
    if header.dim < 1 or embeddings.ndim != 2 or embeddings.shape[1] != header.dim:
        raise ValueError(f"embeddings of shape {embeddings.shape}, and the header says (N, {header.dim})")
    if classes.shape != embeddings.shape[:1]:
        raise ValueError(f"classes of shape {classes.shape} for {len(embeddings)} embeddings")
    if len(set(header.names)) != known or "" in header.names:
        raise ValueError("the header names a class twice, or one has no name")
    if not np.array_equal(used, np.arange(known)):
        raise ValueError(f"the header names {known} classes, and the embeddings have {len(used)}, {used[:1]} to {used[-1:]}")
    if not np.isfinite(embeddings).all():
        raise ValueError("embeddings hold numbers that are not finite")
    lengths = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings, dtype=np.float64))
    if header.metric == "cosine" and not np.allclose(lengths, 1, rtol=0, atol=1e-5):
        raise ValueError("it is by cosine, and its embeddings do not have length 1")
