"""OTB-2013 and OTB-2015: `NAME/img/0001.jpg` with `NAME/groundtruth_rect.txt`.

Boxes are 1-based on disk (the benchmark is MATLAB's) and 0-based from here on; commas, tabs or blanks part them,
even within one file. Names, frames and attributes are those of the authors' own configuration.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib import resources
from pathlib import Path

from siamtrack.data.label_files import read_boxes
from siamtrack.data.pictures import list_pictures
from siamtrack.data.sequence import Item, Sequence
from siamtrack.errors import DataError

LAYOUT = "NAME/img/0001.jpg with NAME/groundtruth_rect.txt for every name of the benchmark (Basketball/, Biker/, ...)"

_TABLE = (resources.files("siamtrack") / "assets/otb.txt").read_text(encoding="utf-8")
_ROWS = [line.split() for line in _TABLE.splitlines() if not line.startswith("#")]

ATTRIBUTES: dict[str, tuple[str, ...]] = {name.rstrip("*"): tuple(marks) for name, *marks in _ROWS}
"""What makes each sequence hard; assets/otb.txt says what the marks mean."""

OTB_2015: tuple[str, ...] = tuple(ATTRIBUTES)
"""The 100 sequences of OTB-2015, also called OTB-100 and TB-100; 98 videos, two of them with two targets."""

OTB_2013: tuple[str, ...] = tuple(name.rstrip("*") for name, *_ in _ROWS if name.endswith("*"))
"""The 51 sequences of OTB-2013, also called CVPR-13; 50 videos, one of them with two targets."""

_LABELLED = {
    # Labels begin at frame 300: before it the face is in the dark.
    "David": (300, 770),
    # Fewer labels than images: the ends are not labelled.
    "Diving": (1, 215),
    "Football1": (1, 74),
    "Freeman3": (1, 460),
    "Freeman4": (1, 283),
    # The numbers of the images begin here instead of at 1.
    "BlurCar1": (247, 988),
    "BlurCar3": (3, 359),
    "BlurCar4": (18, 397),
}
"""First and last labelled frame, by the numbers of the images, where it is not all of them."""

_OMITTED = {"Tiger1": 5}
"""Labelled frames left out at the beginning. The benchmark's toolkit starts no tracker on frames that it lists as unfit,
with the target covered or out of view; a run begins at the first one after them. The GOT-10k toolkit keeps them."""


def find(root: Path, names: Iterable[str]) -> list[Item]:
    """One item a sequence, in the order of the names; what is missing on disk is said when it is loaded."""
    return [Item(name, partial(load, root, name)) for name in names]


def load(root: Path, name: str) -> list[Sequence]:
    """One sequence, between the frames that the benchmark runs: `Jogging-2` is the second target of the folder `Jogging`.

    A folder `Jogging-2` with a `groundtruth_rect.txt` of its own is taken too: the authors' toolkit makes such copies.
    """
    base, _, target = name.partition("-")
    folder = next((root / each for each in (name, base) if (root / each).is_dir()), None)
    if folder is None:
        raise DataError(f"{root / base} not found; OTB has a sequence {name}: get {base}.zip and unpack it there")
    first, last = _LABELLED.get(name, (1, None))
    boxes = read_boxes(_find_labels(folder, target), one_based=True)
    # A digit more in the names of Board, and .png here and there, make no difference: the numbers count.
    images = frames_between(folder / "img", first, last)
    omitted = _OMITTED.get(name, 0)
    return [Sequence(name, folder / "img", boxes[omitted:], images[omitted:])]


def frames_between(folder: Path, first: int, last: int | None = None) -> tuple[Path, ...]:
    """Images of a folder by the numbers that are their names, `0001.jpg`, from `first` to `last`, both in it, or to the end."""
    numbered = [(int(path.stem), path) for path in list_pictures(folder) if path.stem.isdecimal()]
    return tuple(path for number, path in sorted(numbered) if first <= number and (last is None or number <= last))


def _find_labels(folder: Path, target: str) -> Path:
    plain = folder / "groundtruth_rect.txt"
    if not target:
        return plain
    # Downloads and copies spell the number of a target in these ways. Human4's first file is empty and never wanted.
    spelled = [folder / f"groundtruth_rect{mark}{target}.txt" for mark in (".", "_", "-", "")]
    # The plain file of a folder that two targets share does not say whose it is.
    if folder.name.endswith(f"-{target}"):
        spelled.append(plain)
    found = next((path for path in spelled if path.is_file()), None)
    if found is None:
        raise DataError(f"{spelled[0]} not found; target {target} of {folder.name} has its labels there")
    return found
