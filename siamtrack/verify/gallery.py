"""A gallery: embeddings of named classes, searched for those nearest to a query, and kept in a file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save

from siamtrack.config import build, nearest, to_plain
from siamtrack.errors import DataError, SiamtrackError, one_line, shown
from siamtrack.outside import parse_json
from siamtrack.system import read_file, replace_file
from siamtrack.verify.header import Metric
from siamtrack.verify.nearest import Finder, measure

MAX_BYTES = 2 * 1024**3
MAX_HEADER_BYTES = 100_000_000  # what safetensors itself is willing to read

_KEY = "siamtrack_gallery"
_VERSION = 1
_TYPES = {"embeddings": ("F32", np.float32), "classes": ("I32", np.int32), "cells": ("F32", np.float32)}
"""Of the tensors. `cells`, and what the header says of them, are of files that other versions wrote; nothing reads them."""

METRICS: tuple[str, ...] = get_args(Metric)


@dataclass(frozen=True)
class Match:
    """One class that a search found.

    Attributes:
        name: the class.
        distance: from the query to the nearest item of that class; smaller is more similar, for every metric.
        item: that item's row in the gallery. Rows move up when a class before them is removed.
    """

    name: str
    distance: float
    item: int


class Gallery:
    """Enrolled embeddings of named classes, by one metric; for one thread at a time.

    The metrics are, for embeddings a and b of `dim` numbers: `euclidean` ||a - b||, `cosine` 1 - cos(a, b) in 0..2,
    `absolute` sum |a - b| (multiply by learned weights beforehand), `correlation` -<a, b>.

    Args:
        dim: numbers in an embedding.
        metric: one of `METRICS`.
        verifier: sha256 of the weights that made the embeddings, for whoever must know whether theirs fit; "" unknown.

    Raises:
        ValueError: `dim` is no positive integer, or `metric` is none of `METRICS`.
    """

    def __init__(self, dim: int, metric: str = "euclidean", verifier: str = "") -> None:
        if not isinstance(dim, (int, np.integer)) or dim < 1:
            raise ValueError(f"a gallery's dim is how many numbers an embedding has, 1 or more; got {dim!r}")
        if metric not in METRICS:
            raise ValueError(f"no metric {metric!r}; {nearest(str(metric), METRICS)}")
        self.dim, self.metric, self.verifier = int(dim), cast(Metric, metric), verifier
        self._numbers: dict[str, int] = {}  # classes by name, in order of enrolment
        # Rows (N, D), of length 1 for cosine, and their classes (N,).
        self._parts = [(np.empty((0, self.dim), np.float32), np.empty(0, np.int32))]
        self._finder: Finder | None = None  # of the rows as they are

    def __len__(self) -> int:
        return sum(len(rows) for rows, _ in self._parts)

    @property
    def names(self) -> list[str]:
        """The distinct classes, in order of enrolment."""
        return list(self._numbers)

    def add(self, embeddings: NDArray[np.float32], names: Sequence[str]) -> None:
        """Enrol rows. All of them, or on an error none.

        Args:
            embeddings: (N, D); what is not float32 is converted.
            names: N classes, new ones or known ones.

        Raises:
            ValueError: wrong shape, another number of names, a name that is empty or no string, numbers that are not
                finite, or a zero row for `cosine`.
        """
        rows = self._as_rows(embeddings)
        if isinstance(names, str):
            raise ValueError(f"names must be a list with a name for every embedding, got the one string {names!r}")
        if len(names) != len(rows):
            raise ValueError(f"got {len(rows)} embeddings and {len(names)} names; every embedding needs one name")
        for name in names:
            if not isinstance(name, str) or not name:
                raise ValueError(f"a class's name must be a string that is not empty, got {name!r}")
        classes = [self._numbers.setdefault(name, len(self._numbers)) for name in names]
        self._parts.append((rows, np.array(classes, np.int32)))
        self._finder = None

    def remove(self, name: str) -> int:
        """Take out a class with all its rows; later rows move up. Returns their number; a ValueError if there is none."""
        if name not in self._numbers:
            raise ValueError(f"no class {name!r} among {len(self._numbers)}; {nearest(str(name), self._numbers)[:200]}")
        number = self._numbers.pop(name)
        self._numbers = {known: i for i, known in enumerate(self._numbers)}
        rows, classes = self._merged()
        kept = classes != number
        self._parts = [(rows[kept], classes[kept] - (classes[kept] > number).astype(np.int32))]
        self._finder = None
        return len(rows) - len(self)

    def search(self, embeddings: NDArray[np.float32], count: int = 5) -> list[list[Match]]:
        """The classes nearest to each query, each with its nearest item. Equal distances come in the order of the rows.

        Args:
            embeddings: (Q, D) queries; what is not float32 is converted. count: how many distinct classes to find.

        Returns:
            For each query the `count` nearest classes, nearest first; fewer when the gallery has fewer.

        Raises:
            SiamtrackError: the gallery is empty.
            ValueError: wrong shape, numbers that are not finite, a zero row for `cosine`, or `count` below 1.
        """
        if not isinstance(count, (int, np.integer)) or count < 1:
            raise ValueError(f"count is how many classes to find, 1 or more; got {count!r}")
        queries = self._as_rows(embeddings)
        rows, classes = self._merged()
        if not len(rows):
            raise SiamtrackError("the gallery is empty, so nothing can be found in it; enroll at least one class first")
        if self._finder is None:
            self._finder = Finder(self.metric, rows, classes)
        names = self.names
        found = [self._finder.search(query, min(count, len(names))) for query in queries]
        return [[Match(names[classes[item]], distance, item) for distance, item in nearest_rows] for nearest_rows in found]

    def save(self, path: str | Path) -> None:
        """Write one .safetensors file, whole or not at all.

        Raises:
            SiamtrackError: it would be too large for `load`. OSError: it cannot be written.
        """
        rows, classes = self._merged()
        write_gallery(Path(path), GalleryHeader(self.dim, self.metric, self.verifier, tuple(self._numbers)), rows, classes)

    @staticmethod
    def load(path: str | Path) -> Gallery:
        """Read a gallery that `save` wrote. Nothing in the file is executed, and nothing is believed unchecked.

        Raises:
            FileNotFoundError: there is no such file.
            DataError: too large, not a whole safetensors file, not a gallery, or changed since it was written.
        """
        header, rows, classes = read_gallery(Path(path))
        gallery = Gallery(header.dim, header.metric, header.verifier)
        gallery._numbers = {name: number for number, name in enumerate(header.names)}
        gallery._parts = [(rows, classes)]
        return gallery

    def _merged(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """All rows and their classes, joined when wanted: enrolling one by one does not copy all each time."""
        if len(self._parts) > 1:
            rows, classes = zip(*self._parts, strict=True)
            self._parts = [(np.concatenate(rows), np.concatenate(classes))]
        return self._parts[0]

    def _as_rows(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """A checked copy (N, D), as the gallery keeps rows."""
        given = np.asarray(embeddings)
        if given.ndim != 2 or given.shape[1] != self.dim or given.dtype.kind not in "fiu":
            raise ValueError(f"embeddings here are real numbers (N, {self.dim}), got {given.dtype} of shape {given.shape}")
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused as such
            rows = np.array(given, np.float32, order="C")
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if bad.size:
            raise ValueError(f"embedding {bad[0]} holds numbers that are not finite in float32; leave it out")
        if self.metric == "cosine":
            lengths = measure("euclidean", np.zeros(self.dim, np.float32), rows)
            if not lengths.all():
                raise ValueError(f"embedding {lengths.argmin()} is all zeros, which has no cosine to anything; leave it out")
            rows = (rows / lengths[:, None]).astype(np.float32)
        return rows


# ---- The file: safetensors, of which nothing is believed unchecked: `embeddings` (N, D) float32, `classes` (N,) int32 into the
# names, and under the one metadata key `siamtrack_gallery` the JSON of `GalleryHeader`


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
