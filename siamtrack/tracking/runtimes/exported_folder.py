"""A folder of exported graphs: what `siamtrack export` writes, and `--runtime onnx:DIR` runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siamtrack.config import build, to_plain
from siamtrack.errors import ConfigError, OutputError, WeightsError
from siamtrack.model.export import joined
from siamtrack.model.siamese import Siamese
from siamtrack.tracking.runtimes.exported import fingerprint

ABOUT = "export.json"
MAX_BYTES = 512 * 2**20


@dataclass(frozen=True)
class ExportedFile:
    """One graph's file: its name in the folder, and what must be in it."""

    file: str
    sha256: str


@dataclass(frozen=True)
class ExportAbout:
    """What `export.json` says.

    Attributes:
        model: name of the architecture. weights: fingerprint of the weights that the graphs were made of.
        search_size: side in pixels of the search crops.
        precision: `float32`, or `int8` where the embedding is quantised.
        graphs: files by graph.
        tracker: the tracker's constants that go with the weights, for whoever runs the graphs without this package.
    """

    model: str
    weights: str
    search_size: int
    precision: str
    graphs: dict[str, ExportedFile]
    tracker: dict[str, Any]


def write_folder(
    folder: Path, net: Siamese, graphs: Mapping[str, bytes], search_size: int, precision: str, tracker: Mapping[str, Any]
) -> None:
    """Write graphs and `export.json`; the latter last, so that a folder which has one is whole.

    Raises:
        OutputError: the folder cannot be written.
    """
    files = {name: ExportedFile(f"{name}.onnx", hashlib.sha256(data).hexdigest()) for name, data in graphs.items()}
    about = ExportAbout(net.model, fingerprint(net), search_size, precision, files, dict(tracker))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ABOUT).unlink(missing_ok=True)
        for name, data in graphs.items():
            (folder / f"{name}.onnx").write_bytes(data)
        partial = folder / f"{ABOUT}.partial"
        partial.write_text(json.dumps(to_plain(about), indent=2) + "\n", encoding="utf-8")
        partial.replace(folder / ABOUT)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); free space there, or give another --out") from error


class FolderGraphs:
    """The graphs of a folder, for the weights that they were made of.

    Args:
        folder: as `write_folder` left it. net: the network that they must belong to.

    Raises:
        FileNotFoundError: no such export.
        WeightsError: it was made of other weights, or cannot be read.
    """

    def __init__(self, folder: Path, net: Siamese) -> None:
        self.folder = folder
        if not (folder / ABOUT).is_file():
            raise FileNotFoundError(f"{folder / ABOUT} not found; give a folder that siamtrack export wrote")
        try:
            self.about = build(ExportAbout, json.loads((folder / ABOUT).read_text(encoding="utf-8")), str(folder / ABOUT))
        except (ValueError, OSError) as error:
            raise WeightsError(f"{folder / ABOUT}: cannot be read ({' '.join(str(error).split())}); export again") from error
        if self.about.weights != fingerprint(net):
            raise WeightsError(f"{folder}: was exported from other weights than this {net.model}'s; export them again")

    def graph(self, name: str, search_size: int) -> bytes:
        """One graph's bytes.

        Raises:
            ConfigError: the export is for search crops of another size.
            WeightsError: a file is missing, or is not the one that was exported.
        """
        if name in ("match", "box") and search_size != self.about.search_size:
            raise ConfigError(
                f"{self.folder}: is for search crops of {self.about.search_size} px, the tracker's have {search_size}; "
                f"export with --search-size {search_size}"
            )
        entry = self.about.graphs.get(name)
        path = self.folder / Path(entry.file).name if entry is not None else self.folder / f"{name}.onnx"
        if entry is None or not path.is_file() or path.stat().st_size > MAX_BYTES:
            raise WeightsError(f"{path}: missing or too large; export again")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise WeightsError(f"{path}: is not what was exported; export again")
        return data

    def joined(self, head: str, search_size: int) -> bytes:
        """The bytes of `embed` and a head as one graph; errors as for `graph`."""
        return joined(self.graph("embed", search_size), self.graph(head, search_size), search_size)
