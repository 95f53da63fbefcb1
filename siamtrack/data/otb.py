"""OTB-2013 and OTB-2015: `NAME/img/0001.jpg` with `NAME/groundtruth_rect.txt`.

Boxes are 1-based on disk (the benchmark is MATLAB's) and 0-based from here on; commas, tabs or blanks part them,
even within one file. Names, frames and attributes are those of the authors' own configuration.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from siamtrack.data.label_files import read_boxes
from siamtrack.data.pictures import list_pictures
from siamtrack.data.sequence import Item, Sequence
from siamtrack.errors import DataError

LAYOUT = "NAME/img/0001.jpg with NAME/groundtruth_rect.txt for every name of the benchmark (Basketball/, Biker/, ...)"

_ATTRIBUTES = """
Basketball IV OCC DEF OPR BC
Biker SV OCC MB FM OPR OV LR
Bird1 DEF FM OV
Bird2 OCC DEF FM IPR OPR
BlurBody SV DEF MB FM IPR
BlurCar1 MB FM
BlurCar2 SV MB FM
BlurCar3 MB FM
BlurCar4 MB FM
BlurFace MB FM IPR
BlurOwl SV MB FM IPR
Board SV MB FM OPR OV BC
Bolt OCC DEF IPR OPR
Bolt2 DEF BC
Box IV SV OCC MB IPR OPR OV BC LR
Boy SV MB FM IPR OPR
Car1 IV SV MB FM BC LR
Car2 IV SV MB FM BC
Car24 IV SV BC
Car4 IV SV
CarDark IV BC
CarScale SV OCC FM IPR OPR
ClifBar SV OCC MB FM IPR OV BC
Coke IV OCC FM IPR OPR BC
Couple SV DEF FM OPR BC
Coupon OCC BC
Crossing SV DEF FM OPR BC
Crowds IV DEF BC
Dancer SV DEF IPR OPR
Dancer2 DEF
David IV SV OCC DEF MB IPR OPR
David2 IPR OPR
David3 OCC DEF OPR BC
Deer MB FM IPR BC LR
Diving SV DEF IPR
Dog SV DEF OPR
Dog1 SV IPR OPR
Doll IV SV OCC IPR OPR
DragonBaby SV OCC MB FM IPR OPR OV
Dudek SV OCC DEF FM IPR OPR OV BC
FaceOcc1 OCC
FaceOcc2 IV OCC IPR OPR
Fish IV
FleetFace SV DEF MB FM IPR OPR
Football OCC IPR OPR BC
Football1 IPR OPR BC
Freeman1 SV IPR OPR
Freeman3 SV IPR OPR
Freeman4 SV OCC IPR OPR
Girl SV OCC IPR OPR
Girl2 SV OCC DEF MB OPR
Gym SV DEF IPR OPR
Human2 IV SV MB OPR
Human3 SV OCC DEF OPR BC
Human4-2 IV SV OCC DEF
Human5 SV OCC DEF
Human6 SV OCC DEF FM OPR OV
Human7 IV SV OCC DEF MB FM
Human8 IV SV DEF
Human9 IV SV DEF MB FM
Ironman IV SV OCC MB FM IPR OPR OV BC LR
Jogging-1 OCC DEF OPR
Jogging-2 OCC DEF OPR
Jump SV OCC DEF MB FM IPR OPR
Jumping MB FM
KiteSurf IV OCC IPR OPR
Lemming IV SV OCC FM OPR OV
Liquor IV SV OCC MB FM OPR OV BC
Man IV
Matrix IV SV OCC FM IPR OPR BC
Mhyang IV DEF OPR BC
MotorRolling IV SV MB FM IPR BC LR
MountainBike IPR OPR BC
Panda SV OCC DEF IPR OPR OV LR
RedTeam SV OCC IPR OPR LR
Rubik SV OCC IPR OPR
Shaking IV SV IPR OPR BC
Singer1 IV SV OCC OPR
Singer2 IV DEF IPR OPR BC
Skater SV DEF IPR OPR
Skater2 SV DEF FM IPR OPR
Skating1 IV SV OCC DEF OPR BC
Skating2-1 SV OCC DEF FM OPR
Skating2-2 SV OCC DEF FM OPR
Skiing IV SV DEF IPR OPR
Soccer IV SV OCC MB FM IPR OPR BC
Subway OCC DEF BC
Surfer SV FM IPR OPR LR
Suv OCC IPR OV
Sylvester IV IPR OPR
Tiger1 IV OCC DEF MB FM IPR OPR
Tiger2 IV OCC DEF MB FM IPR OPR OV
Toy SV FM IPR OPR
Trans IV SV OCC DEF
Trellis IV SV IPR OPR BC
Twinnings SV OPR
Vase SV FM IPR
Walking SV OCC DEF
Walking2 SV OCC LR
Woman IV SV OCC DEF MB FM OPR
"""

_OTB_2013 = """
Basketball Bolt Boy Car4 CarDark CarScale Coke Couple Crossing David David2 David3 Deer Dog1 Doll Dudek FaceOcc1
FaceOcc2 Fish FleetFace Football Football1 Freeman1 Freeman3 Freeman4 Girl Ironman Jogging-1 Jogging-2 Jumping
Lemming Liquor Matrix Mhyang MotorRolling MountainBike Shaking Singer1 Singer2 Skating1 Skiing Soccer Subway Suv
Sylvester Tiger1 Tiger2 Trellis Walking Walking2 Woman
"""

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    name: tuple(marks) for name, *marks in (line.split() for line in _ATTRIBUTES.strip().splitlines())
}
"""By sequence: illumination (IV) and scale (SV) variation, occlusion (OCC), deformation (DEF), motion blur (MB), fast
motion (FM), rotation in (IPR) and out of (OPR) the plane, out of view (OV), background clutter (BC), low resolution (LR).
As the authors' Python toolkit lists them, for 2013 too; their older MATLAB configuration marks a few otherwise."""

OTB_2015: tuple[str, ...] = tuple(ATTRIBUTES)
"""The 100 sequences of OTB-2015, also called OTB-100 and TB-100; 98 videos, two of them with two targets."""

OTB_2013: tuple[str, ...] = tuple(_OTB_2013.split())
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
    """One item a sequence, in the order of the names; what is missing on disk is said when it is loaded.

    Args:
        root: the folder of the sequences' folders.
        names: `OTB_2013` or `OTB_2015`.
    """
    return [Item(name, partial(load, root, name)) for name in names]


def load(root: Path, name: str) -> list[Sequence]:
    """One sequence, by its name in the benchmark: `Jogging-2` is the second target of the folder `Jogging`.

    A folder `Jogging-2` with a `groundtruth_rect.txt` of its own is taken too: the authors' toolkit makes such copies.

    Returns:
        One sequence; its boxes and frames are those between which the benchmark runs.

    Raises:
        DataError: the folder or its labels are missing, or the labels cannot be read.
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
    """Images of a folder by the numbers that are their names, in order of these.

    Args:
        folder: with images such as `0001.jpg`; others in it are passed over.
        first, last: the range, both ends in it; None for everything from `first` on.
    """
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
