"""A network's exported graphs, made once a user and kept in the cache folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch

from siamtrack.model.export import export_graph, joined
from siamtrack.model.siamese import Siamese
from siamtrack.system import cache_folder, read_cached, write_cached

FORMAT = 2
"""Part of every cached file's name: raise it when the graphs of the same weights change."""

SIZELESS = ("embed", "kernel")
"""Graphs in which no shape depends on the search crops' size."""

_HASH_BYTES = hashlib.sha256().digest_size


class ExportedGraphs:
    """ONNX bytes of a network's graphs, exported when they are first asked for.

    Args:
        net: a trained network.
    """

    def __init__(self, net: Siamese) -> None:
        self._net, self._stem = net, f"{net.model}-{fingerprint(net)}-torch{torch.__version__}-v{FORMAT}"
        self._made: dict[str, bytes] = {}

    def graph(self, name: str, search_size: int) -> bytes:
        """One graph's bytes; `match` and `box` are for search crops of that size, `embed` and `kernel` for any.

        Raises:
            SiamtrackError: it must be exported first, and the `onnx` package is not installed.
        """
        return self._kept(self._file(name, search_size), lambda: export_graph(self._net, name, search_size))

    def joined(self, head: str, search_size: int) -> bytes:
        """The bytes of `embed` and a head as one graph, for search crops of that size; errors as for `graph`."""
        return self._kept(
            self._file(f"embed-{head}", search_size),
            lambda: joined(self.graph("embed", search_size), self.graph(head, search_size), search_size),
        )

    def _kept(self, file: str, make: Callable[[], bytes]) -> bytes:
        """A file of the cache, made if it is not there."""
        found = self._made.get(file) or _read(file)
        if found is None:
            # Kept here, too: the cache may be one that cannot be written.
            self._made[file] = found = make()
            write_cached(cache_folder("graphs") / file, found + hashlib.sha256(found).digest())
        return found

    def _file(self, name: str, search_size: int) -> str:
        return f"{self._stem}-{name}.onnx" if name in SIZELESS else f"{self._stem}-{search_size}-{name}.onnx"


def _read(file: str) -> bytes | None:
    """A cached file; None where there is none, or one that does not end with the hash of what is before: a full disk's."""
    kept = read_cached(cache_folder("graphs") / file)
    if kept is None or len(kept) <= _HASH_BYTES or hashlib.sha256(kept[:-_HASH_BYTES]).digest() != kept[-_HASH_BYTES:]:
        return None
    return kept[:-_HASH_BYTES]


def fingerprint(net: Siamese) -> str:
    """A hash of a network: its architecture, what it is fed, its weights."""
    digest = hashlib.sha256(f"{net.model} {net.input_spec}".encode())
    for name, tensor in net.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
