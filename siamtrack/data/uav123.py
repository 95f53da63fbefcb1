"""UAV123 and UAV20L: `data_seq/UAV123/FOLDER/000001.jpg` with `anno/UAV123/NAME.txt` or `anno/UAV20L/NAME.txt`.

Several sequences may be stretches of one folder; a table tells which. Boxes are 1-based on disk (the benchmark runs in
OTB's MATLAB toolkit) and 0-based from here on; NaN says that the target is covered or out of view.
"""

from __future__ import annotations

import json
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from siamtrack.data.dataset import Item
from siamtrack.data.labels import read_boxes
from siamtrack.data.otb import frames_between
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError

LAYOUT = "data_seq/UAV123/bike1/000001.jpg with anno/UAV123/bike1.txt (anno/UAV20L/bike1.txt for UAV20L)"


def find(root: Path, version: str) -> list[Item]:
    """One item a sequence, sorted by name; what is missing on disk is said when it is loaded.

    Args:
        root: the folder that holds `anno` and `data_seq`.
        version: `UAV123` (123 sequences) or `UAV20L` (20 long ones).

    Raises:
        DataError: the table of frame ranges is missing, or has no such version.
    """
    table = read_toolkit_table("uav123.json")
    if version not in table:
        raise DataError(f"no version {version!r} of UAV123; known: {', '.join(sorted(table))}")
    return [Item(name, partial(load, root, version, name, row)) for name, row in sorted(table[version].items())]


def load(root: Path, version: str, name: str, row: dict[str, Any]) -> list[Sequence]:
    """One sequence.

    Args:
        root, version: as `find` has them. name: the sequence.
        row: its `folder_name`, and `start_frame` and `end_frame` by the numbers of the images, both in it.

    Raises:
        DataError: the frames are missing, or the labels cannot be read.
    """
    folder = root / "data_seq/UAV123" / str(row["folder_name"])
    if not folder.is_dir():
        raise DataError(f"{folder} not found; {version} has a sequence {name} there")
    boxes = read_boxes(root / "anno" / version / f"{name}.txt", one_based=True, nan_absent=True)
    return [Sequence(name, folder, boxes, frames_between(folder, row["start_frame"], row["end_frame"]))]


def read_toolkit_table(name: str) -> dict[str, Any]:
    """A table that the GOT-10k toolkit, which siamtrack installs, has in its `datasets` folder.

    Raises:
        DataError: the toolkit is not installed, or has no such table.
    """
    try:
        found: dict[str, Any] = json.loads((resources.files("got10k") / "datasets" / name).read_text(encoding="utf-8"))
    except (ImportError, OSError, ValueError) as error:
        raise DataError(f"{name} of the GOT-10k toolkit cannot be read ({error}); run: pip install got10k==0.1.3") from error
    return found
