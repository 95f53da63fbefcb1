"""Benchmarks by name: data sets as their evaluation reads them, which is not as training does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.config import nearest
from siamtrack.data import dtb70, got10k, lasot, layout, nfs, otb, tcolor128, uav123
from siamtrack.data.dataset import BAD_INPUT, Item, reason
from siamtrack.data.labels import folders, read_boxes, read_flags
from siamtrack.data.pictures import list_pictures
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError

SHOWN = 3
"""How many bad sequences an error names; `benchmark_check.check_benchmark` names all."""


@dataclass(frozen=True)
class Benchmark:
    """A benchmark that was opened: labels are read, frames stay on disk.

    Attributes:
        name: its title, such as `GOT-10k`; that of somebody's own sequences has their folder's name. subset: such as `val`.
        protocol: how it is scored, `got10k` (all frames together) or `otb` (mean over sequences).
        sequences: in the benchmark's order. Boxes are 0-based, with rows of zeros where the target is absent; of a
            hidden truth only row 0 is known and the others are zeros. One row a frame, and row 0 has area.
        hidden: the truth is withheld; results are sent to a server.
        cover: by sequence (N,) eighths of the target that show, 0 to 8; a frame with 0 does not count. A sequence
            that is not in it has none known, and all its frames count.
        attributes: by sequence what makes it hard, as the benchmark marks it; {} where that is not known.
    """

    name: str
    subset: str
    protocol: str
    sequences: tuple[Sequence, ...]
    hidden: bool
    cover: Mapping[str, NDArray[np.float64]]
    attributes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Entry:
    """What is known of a benchmark before anything is opened.

    Attributes:
        title: its name for people.
        subsets: what it is divided into; the first is meant where none is named.
        reader: items of a root and a subset, in the benchmark's order; each loads one sequence or more.
        protocol: as in `Benchmark`.
        layout: what lies below its root, for messages.
        hidden: those subsets whose truth is withheld.
        count: how many sequences a complete download has; None where a list says it, or nothing does.
        attributes: as in `Benchmark`.
    """

    title: str
    subsets: tuple[str, ...]
    reader: Callable[[Path, str], list[Item]]
    protocol: str
    layout: str
    hidden: tuple[str, ...] = ()
    count: int | None = None
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def has_all_labels(self) -> bool:
        """Whether the truth of every subset is known."""
        return not self.hidden


def got10k_folder(root: Path, subset: str) -> Path:
    """The folder of a subset of GOT-10k: `root/val`, or the root itself if it has a `list.txt`.

    Raises:
        DataError: there is neither, or the root is the folder of another subset.
    """
    if (root / subset).is_dir():
        return root / subset
    if not (root / "list.txt").is_file():
        raise DataError(f"{root} holds neither {subset}/ nor list.txt; give the folder that holds val/ and test/")
    if root.resolve().name in {"train", "val", "test"} - {subset}:
        raise DataError(f"{root} is not GOT-10k's {subset}, which is wanted; give the folder that holds {subset}/")
    return root


def got10k_items(folder: Path, subset: str) -> list[Item]:
    """GOT-10k as its toolkit scores it: `groundtruth.txt` as it is, neither absence nor cover takes a box away.

    Args:
        folder: of the sequences; without a `list.txt` every folder with labels or images counts.
        subset: of `test` only the first box is known.

    Raises:
        DataError: `list.txt` is empty, or names something outside the folder.
    """
    load = _load_hidden if subset == "test" else _load_labelled
    return [
        Item(i.name, partial(load, i.name, folder / i.name, folder / i.name / "groundtruth.txt")) for i in got10k.find(folder)
    ]


def read_cover(sequence: Sequence) -> NDArray[np.float64] | None:
    """(N,) eighths of the target that show in each frame, from `cover.label`; None if there is no such file.

    Raises:
        DataError: not one whole number from 0 to 8 a frame.
    """
    path = sequence.path / "cover.label"
    if not path.is_file():
        return None
    eighths = read_flags(path, len(sequence.boxes_xywh))
    if eighths.size and (eighths.min() < 0 or eighths.max() > 8):
        raise DataError(f"{path}: covers are 0 to 8, found {eighths.min()} to {eighths.max()}")
    return eighths.astype(np.float64)


def open_benchmark(name: str, root: str | Path, subset: str | None = None) -> Benchmark:
    """Read the labels of a benchmark, and see that every frame has one.

    Frames are not decoded. A list that the benchmark itself has (OTB, UAV123, LaSOT, `list.txt`) must be there in
    full; of the others the sequences on disk are taken, and `check_benchmark` says how many are missing.

    Args:
        name: a key of `BENCHMARKS`.
        root: its folder; for GOT-10k the one that holds `val` and `test`, or a subset's own with its `list.txt`.
        subset: one of the benchmark's; None for its first, or for the one that the root is the folder of.

    Raises:
        FileNotFoundError: no such root.
        DataError: an unknown name or subset, another layout, or a sequence that cannot be used; the message names the
            first of these.
    """
    entry, root, subset = resolve(name, root, subset)
    sequences, bad = [], []
    cover = {}
    items = entry.reader(root, subset)
    for item in items:
        try:
            for sequence in load_sequences(item):
                problem = find_problem(sequence)
                if problem:
                    raise DataError(problem)
                eighths = read_cover(sequence) if entry.protocol == "got10k" and subset not in entry.hidden else None
                sequences.append(sequence)
                if eighths is not None:
                    cover[sequence.name] = eighths
        except BAD_INPUT as error:
            bad.append(f"{item.name}: {reason(error)}")
    if bad or not sequences:
        named = "; ".join(bad[:SHOWN]) + ("; and so on" if len(bad) > SHOWN else "")
        found = f"{len(bad)} of {len(items)} sequences cannot be used: {named}" if bad else "no sequence found"
        raise DataError(f"{entry.title} {subset} in {root}: {found}. Expected there: {entry.layout}")
    attributes = {sequence.name: entry.attributes[sequence.name] for sequence in sequences if sequence.name in entry.attributes}
    title = f"{entry.title} {root.resolve().name}" if name == "folder" else entry.title
    return Benchmark(title, subset, entry.protocol, tuple(sequences), subset in entry.hidden, cover, attributes)


def resolve(name: str, root: str | Path, subset: str | None) -> tuple[Entry, Path, str]:
    """The table's entry of a name, the root as a path, and which subset is meant.

    Raises:
        FileNotFoundError, DataError: as `open_benchmark` does for a root, name or subset.
    """
    if name not in BENCHMARKS:
        raise DataError(f"unknown benchmark {name!r}; {nearest(name, BENCHMARKS)}")
    entry, root = BENCHMARKS[name], Path(root)
    if subset is not None and subset not in entry.subsets:
        raise DataError(f"{entry.title} has no subset {subset!r}; known: {', '.join(entry.subsets)}")
    if not root.exists():
        raise FileNotFoundError(f"{entry.title}: {root} not found; expected there: {entry.layout}")
    if not root.is_dir():
        raise DataError(f"{entry.title}: {root} is a file; a folder is wanted with {entry.layout}")
    own = root.resolve().name
    if subset is None:
        subset = own if own in entry.subsets and (root / "list.txt").is_file() else entry.subsets[0]
    return entry, root, subset


def load_sequences(item: Item) -> list[Sequence]:
    """The sequences of an item.

    Raises:
        DataError and others of `BAD_INPUT`: the labels cannot be read.
    """
    return [part for part in item.load() if isinstance(part, Sequence)]


def find_problem(sequence: Sequence) -> str:
    """Why a tracker could not be scored on a sequence, as far as labels and names of files tell; empty if it could.

    A video's frames are not counted: that takes decoding it.
    """
    boxes, frames = len(sequence.boxes_xywh), len(sequence.images)
    if not sequence.images and not sequence.path.is_file():
        return f"{sequence.path} holds no frames; images are wanted there"
    if sequence.images and frames != boxes:
        return f"{sequence.path}: {frames} frames, {boxes} labels; every frame needs one label"
    if not (sequence.boxes_xywh[:1, 2:] > 0).all():
        return f"{sequence.path}: the first box is absent or has no area; a tracker starts with it"
    return ""


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


def _find_got10k(root: Path, subset: str) -> list[Item]:
    folder = got10k_folder(root, subset)
    if not (folder / "list.txt").is_file():
        raise DataError(f"{folder}/list.txt not found; it says which sequences count, one a line: get it with the data")
    return got10k_items(folder, subset)


def _find_lasot(root: Path, _: str) -> list[Item]:
    return [_lasot_item(root, str(name)) for name in uav123.read_toolkit_table("lasot.json")["test"]]


def _lasot_item(root: Path, name: str) -> Item:
    # The whole set is divided by class, the archive of the test set alone is not.
    places = (root / name.rpartition("-")[0] / name, root / name)
    folder = next((path for path in places if path.is_dir()), None)
    if folder is None:
        return Item.broken(name, f"{places[0]} not found; it belongs to the test set of LaSOT")
    return Item(name, partial(lasot.load, folder))


def _find_trackingnet(root: Path, _: str) -> list[Item]:
    chunk = root / "TEST" if (root / "TEST").is_dir() else root
    if not (chunk / "anno").is_dir() or not (chunk / "frames").is_dir():
        raise DataError(f"{root} holds no TEST/ with anno/ and frames/; give the folder that holds TEST/")
    names = {path.stem for path in (chunk / "anno").glob("*.txt")} | {path.name for path in folders(chunk / "frames")}
    return [Item(n, partial(_load_hidden, n, chunk / "frames" / n, chunk / "anno" / f"{n}.txt")) for n in sorted(names)]


def _find_any(root: Path, _: str) -> list[Item]:
    if layout.find_kind(root) == got10k.KIND:
        return got10k_items(root, "all")
    dataset = layout.open_dataset(root)
    if dataset.stills:
        raise DataError(f"{root} holds stills ({dataset.kind}); sequences are wanted")
    return list(dataset.items)


def _otb(title: str, names: Iterable[str]) -> Entry:
    return Entry(title, ("all",), lambda root, _: otb.find(root, names), "otb", otb.LAYOUT, attributes=otb.ATTRIBUTES)


def _uav(title: str) -> Entry:
    return Entry(title, ("all",), lambda root, _: uav123.find(root, title), "otb", uav123.LAYOUT)


def _nfs(fps: int) -> Entry:
    return Entry(f"NfS {fps} fps", ("all",), lambda root, _: nfs.find(root, fps), "otb", nfs.LAYOUT, count=nfs.COUNT)


_GOT10K = "val/ and test/, each with list.txt and NAME/00000001.jpg with NAME/groundtruth.txt"
_TRACKINGNET = "TEST/frames/NAME/0.jpg with TEST/anno/NAME.txt"

BENCHMARKS: Mapping[str, Entry] = {
    "got10k": Entry("GOT-10k", ("val", "test"), _find_got10k, "got10k", _GOT10K, hidden=("test",)),
    "otb2013": _otb("OTB-2013", otb.OTB_2013),
    "otb2015": _otb("OTB-2015", otb.OTB_2015),
    "uav123": _uav("UAV123"),
    "uav20l": _uav("UAV20L"),
    "dtb70": Entry("DTB70", ("all",), lambda root, _: dtb70.find(root), "otb", dtb70.LAYOUT, count=dtb70.COUNT),
    "nfs30": _nfs(30),
    "nfs240": _nfs(240),
    "tcolor128": Entry(
        "TColor-128", ("all",), lambda root, _: tcolor128.find(root), "otb", tcolor128.LAYOUT, count=tcolor128.COUNT
    ),
    "lasot": Entry("LaSOT", ("test",), _find_lasot, "otb", lasot.LAYOUT),
    "trackingnet": Entry("TrackingNet", ("test",), _find_trackingnet, "otb", _TRACKINGNET, hidden=("test",), count=511),
    "folder": Entry("folder", ("all",), _find_any, "got10k", "sequences in any layout that siamtrack knows, such as GOT-10k's"),
}
"""All benchmarks by the names that people give them."""
