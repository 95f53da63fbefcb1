"""How benchmarks lie on disk, where evaluation reads them otherwise than training does, or training not at all.

Boxes are 0-based in NfS, GOT-10k and TrackingNet; in DTB70, TColor-128, UAV123 and LaSOT they are 1-based on disk and
0-based from here on (these run in MATLAB). `otb.py` reads OTB.
"""

from __future__ import annotations

import json
import math
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.data.label_files import clean_boxes, folders, read_boxes, read_text
from siamtrack.data.otb import frames_between
from siamtrack.data.pictures import list_pictures
from siamtrack.data.sequence import Item, Sequence
from siamtrack.data.sequence_folders import chunk_names, got10k_folders, load_lasot
from siamtrack.errors import DataError

NFS_RATIO = 8
"""240 frames a second are made 30 by keeping every 8th; the labels may still be those of all 240."""


# ---- GOT-10k and TrackingNet, whose test sets withhold their truth: only the first box is known


def got10k_folder(root: Path, subset: str) -> Path:
    """The folder of a subset of GOT-10k: `root/val`, or the root itself if it has a `list.txt` and is no other subset's."""
    if (root / subset).is_dir():
        return root / subset
    if not (root / "list.txt").is_file():
        raise DataError(f"{root} holds neither {subset}/ nor list.txt; give the folder that holds val/ and test/")
    if root.resolve().name in {"train", "val", "test"} - {subset}:
        raise DataError(f"{root} is not GOT-10k's {subset}, which is wanted; give the folder that holds {subset}/")
    return root


def got10k_items(folder: Path, subset: str) -> list[Item]:
    """GOT-10k as its toolkit scores it: `groundtruth.txt` as it is, neither absence nor cover takes a box away.

    Without a `list.txt` every folder with labels or images counts. Of the subset `test` only the first box is known.
    """
    load = _load_hidden if subset == "test" else _load_labelled
    paths = {path.relative_to(folder).as_posix(): path for path in got10k_folders(folder)}
    return [Item(name, partial(load, name, path, path / "groundtruth.txt")) for name, path in paths.items()]


def find_got10k_benchmark(root: Path, subset: str) -> list[Item]:
    """The sequences of `list.txt`, which says which ones count; a DataError where it is missing."""
    folder = got10k_folder(root, subset)
    if not (folder / "list.txt").is_file():
        raise DataError(f"{folder}/list.txt not found; it says which sequences count, one a line: get it with the data")
    return got10k_items(folder, subset)


def find_trackingnet_test(root: Path) -> list[Item]:
    """The sequences of the test set, sorted; `root` is the folder that holds `TEST`, or that folder itself."""
    chunk = root / "TEST" if (root / "TEST").is_dir() else root
    if not (chunk / "anno").is_dir() or not (chunk / "frames").is_dir():
        raise DataError(f"{root} holds no TEST/ with anno/ and frames/; give the folder that holds TEST/")
    frames, labels = chunk / "frames", chunk / "anno"
    return [Item(name, partial(_load_hidden, name, frames / name, labels / f"{name}.txt")) for name in chunk_names(chunk)]


def _load_labelled(name: str, folder: Path, labels: Path) -> list[Sequence]:
    if not folder.is_dir():
        raise DataError(f"{folder} not found; list.txt names it")
    return [Sequence(name, folder, read_boxes(labels), list_pictures(folder))]


def _load_hidden(name: str, folder: Path, labels: Path) -> list[Sequence]:
    if not folder.is_dir():
        raise DataError(f"{folder} not found; the benchmark has a sequence {name} there")
    images, known = list_pictures(folder), read_boxes(labels)
    if len(known) != 1:
        raise DataError(f"{labels} holds {len(known)} boxes; one is wanted, the first frame's: the others are withheld")
    boxes = np.zeros((len(images), 4))
    boxes[:1] = known
    return [Sequence(name, folder, boxes, images)]


# ---- LaSOT


def find_lasot_test(root: Path) -> list[Item]:
    """The 280 sequences of the test set; what is missing on disk is said when it is loaded."""
    return [_lasot_item(root, str(name)) for name in read_toolkit_table("lasot.json")["test"]]


def _lasot_item(root: Path, name: str) -> Item:
    # The whole set is divided by class, the archive of the test set alone is not.
    places = (root / name.rpartition("-")[0] / name, root / name)
    folder = next((path for path in places if path.is_dir()), None)
    if folder is None:
        return Item.broken(name, f"{places[0]} not found; it belongs to the test set of LaSOT")
    return Item(name, partial(load_lasot, folder))


def read_toolkit_table(name: str) -> dict[str, Any]:
    """A table that the GOT-10k toolkit, which siamtrack installs, has in its `datasets` folder; a DataError where it is not."""
    try:
        found: dict[str, Any] = json.loads((resources.files("got10k") / "datasets" / name).read_text(encoding="utf-8"))
    except (ImportError, OSError, ValueError) as error:
        raise DataError(f"{name} of the GOT-10k toolkit cannot be read ({error}); run: pip install got10k==0.1.3") from error
    return found


# ---- UAV123 and UAV20L: several sequences may be stretches of one folder, as a table of the GOT-10k toolkit tells; NaN
# says that the target is covered or out of view


def find_uav123(root: Path, version: str) -> list[Item]:
    """One item a sequence of `UAV123` or `UAV20L`, sorted by name; what is missing on disk is said when it is loaded."""
    table = read_toolkit_table("uav123.json")
    if version not in table:
        raise DataError(f"no version {version!r} of UAV123; known: {', '.join(sorted(table))}")
    return [Item(name, partial(load_uav123, root, version, name, row)) for name, row in sorted(table[version].items())]


def load_uav123(root: Path, version: str, name: str, row: dict[str, Any]) -> list[Sequence]:
    """One sequence, of a row of the toolkit's table: its folder, `start_frame` and `end_frame` by the numbers of the images."""
    folder = root / "data_seq/UAV123" / str(row["folder_name"])
    if not folder.is_dir():
        raise DataError(f"{folder} not found; {version} has a sequence {name} there")
    boxes = read_boxes(root / "anno" / version / f"{name}.txt", one_based=True, nan_absent=True)
    return [Sequence(name, folder, boxes, frames_between(folder, row["start_frame"], row["end_frame"]))]


# ---- NfS (Need for Speed): a line of labels is `id left top right bottom frame lost occluded generated "class"`, parted by
# blanks. The columns after the box are not used: the benchmark counts every frame.


def find_nfs(root: Path, fps: int) -> list[Item]:
    """One item a sequence, sorted by name, of 30 or 240 frames a second."""
    if fps not in (30, 240):
        raise ValueError(f"NfS has 30 and 240 frames a second, not {fps}")
    paths = [path for path in folders(root) if (path / "30").is_dir() or (path / "240").is_dir()]
    return [Item(path.name, partial(_load_nfs, path, fps)) for path in paths]


def _load_nfs(folder: Path, fps: int) -> list[Sequence]:
    images = list_pictures(folder / str(fps) / folder.name)
    boxes = _read_corners(folder / str(fps) / f"{folder.name}.txt")
    differ = abs(len(boxes) - len(images)) > 1
    if fps == 30 and differ and abs(len(boxes[::NFS_RATIO]) - len(images)) <= 1:
        boxes = boxes[::NFS_RATIO]
    # Ten sequences have one label less than frames, at either rate; a frame that nobody labelled cannot be scored.
    if abs(len(boxes) - len(images)) == 1:
        count = min(len(boxes), len(images))
        boxes, images = boxes[:count], images[:count]
    return [Sequence(folder.name, folder / str(fps) / folder.name, boxes, images)]


def _read_corners(path: Path) -> NDArray[np.float64]:
    """(N, 4) boxes x, y, w, h of a file that gives corners."""
    rows = []
    for number, line in enumerate(read_text(path).rstrip().splitlines(), 1):
        try:
            corners = [float(part) for part in line.split()[1:5]]
        except ValueError:
            corners = []
        if len(corners) != 4 or not all(map(math.isfinite, corners)):
            raise DataError(f"{path}, line {number}: {line[:60]!r} is not id left top right bottom in finite numbers")
        left, top, right, bottom = corners
        rows.append([left, top, right - left, bottom - top])
    if not rows:
        raise DataError(f"{path} is empty; one line a frame is wanted")
    return clean_boxes(rows)


# ---- DTB70


def find_dtb70(root: Path) -> list[Item]:
    """One item a sequence, sorted by name: every folder with `img` or labels in it."""
    paths = [path for path in folders(root) if (path / "img").is_dir() or (path / "groundtruth_rect.txt").is_file()]
    return [Item(path.name, partial(_load_dtb70, path)) for path in paths]


def _load_dtb70(folder: Path) -> list[Sequence]:
    boxes = read_boxes(folder / "groundtruth_rect.txt", one_based=True)
    return [Sequence(folder.name, folder / "img", boxes, list_pictures(folder / "img"))]


# ---- TColor-128 (Temple Color): `NAME_frames.txt` holds `first,last`: which images are labelled


def find_tcolor128(root: Path) -> list[Item]:
    """One item a sequence, sorted by name: every folder with `img` or labels in it."""
    paths = [path for path in folders(root) if (path / "img").is_dir() or any(path.glob("*_gt.txt"))]
    return [Item(path.name, partial(_load_tcolor128, path)) for path in paths]


def _load_tcolor128(folder: Path) -> list[Sequence]:
    first, last = _read_range(_only(folder, "_frames.txt"))
    boxes = read_boxes(_only(folder, "_gt.txt"), one_based=True)
    return [Sequence(folder.name, folder / "img", boxes, frames_between(folder / "img", first, last))]


def _only(folder: Path, ending: str) -> Path:
    """The one file of a folder with an ending, in any case: the names of some do not repeat the folder's letter by letter."""
    found = [path for path in folder.iterdir() if path.name.lower().endswith(ending) and not path.name.startswith(".")]
    if len(found) != 1:
        raise DataError(f"{folder} holds {len(found)} files *{ending}; one is wanted, {folder.name}{ending}")
    return found[0]


def _read_range(path: Path) -> tuple[int, int]:
    text = read_text(path).strip()
    try:
        first, last = (int(part) for part in text.replace(",", " ").split())
    except ValueError:
        first, last = 1, 0
    if last < first:
        raise DataError(f"{path}: {text[:60]!r} is not first,last in whole numbers")
    return first, last
