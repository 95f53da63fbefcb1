"""Benchmarks by name: data sets as their evaluation reads them, which is not as training does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.config import nearest
from siamtrack.data import benchmark_readers as readers
from siamtrack.data import layout, otb
from siamtrack.data.label_files import read_flags
from siamtrack.data.sequence import BAD_INPUT, Item, Sequence
from siamtrack.data.sequence_folders import GOT10K, LASOT
from siamtrack.errors import DataError, reason, shown

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
class BenchmarkEntry:
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


def read_cover(sequence: Sequence) -> NDArray[np.float64] | None:
    """(N,) eighths of the target that show in each frame, 0 to 8, from `cover.label`; None if there is no such file."""
    path = sequence.path / "cover.label"
    if not path.is_file():
        return None
    return read_flags(path, len(sequence.boxes_xywh), most=8).astype(np.float64)


def open_benchmark(name: str, root: str | Path, subset: str | None = None, only: Iterable[str] = ()) -> Benchmark:
    """Read the labels of a benchmark, and see that every frame has one.

    Frames are not decoded. A list that the benchmark itself has (OTB, UAV123, LaSOT, `list.txt`) must be there in
    full; of the others the sequences on disk are taken, and `check_benchmark` says how many are missing.

    Args:
        name: a key of `BENCHMARKS`.
        root: its folder; for GOT-10k the one that holds `val` and `test`, or a subset's own with its `list.txt`.
        subset: one of the benchmark's; None for its first, or for the one that the root is the folder of.
        only: names of the sequences that are wanted, the others need not be there; none for all.

    Raises:
        FileNotFoundError: no such root.
        DataError: an unknown name or subset, another layout, or a wanted sequence that cannot be used; the message names the
            first of these.
    """
    entry, root, subset = resolve(name, root, subset)
    sequences, bad = [], {}
    cover = {}
    items, wanted = entry.reader(root, subset), set(only)
    for item in items:
        try:
            for sequence in load_sequences(item):
                if wanted and sequence.name not in wanted:
                    continue
                problem = find_problem(sequence)
                if problem:
                    raise DataError(problem)
                eighths = read_cover(sequence) if entry.protocol == "got10k" and subset not in entry.hidden else None
                sequences.append(sequence)
                if eighths is not None:
                    cover[sequence.name] = eighths
        except BAD_INPUT as error:
            bad[item.name] = f"{item.name}: {reason(error)}"
    found = {sequence.name for sequence in sequences}
    if wanted:
        bad = {name: fault for name, fault in bad.items() if name in wanted}
        for name in sorted(wanted - found - bad.keys()):
            raise DataError(f"no sequence {shown(name)}; {nearest(name, {*found, *(item.name for item in items)})}")
    if bad or not sequences:
        faults = list(bad.values())
        named = "; ".join(faults[:SHOWN]) + ("; and so on" if len(bad) > SHOWN else "")
        what = f"{len(bad)} of {len(items)} sequences cannot be used: {named}" if bad else "no sequence found"
        raise DataError(f"{entry.title} {subset} in {root}: {what}. Expected there: {entry.layout}")
    attributes = {sequence.name: entry.attributes[sequence.name] for sequence in sequences if sequence.name in entry.attributes}
    title = f"{entry.title} {root.resolve().name}" if name == "folder" else entry.title
    return Benchmark(title, subset, entry.protocol, tuple(sequences), subset in entry.hidden, cover, attributes)


def resolve(name: str, root: str | Path, subset: str | None) -> tuple[BenchmarkEntry, Path, str]:
    """The table's entry of a name, the root as a path, and which subset is meant; errors as of `open_benchmark`."""
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
    """The sequences of an item; one of `BAD_INPUT` where the labels cannot be read."""
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


def _find_any(root: Path, _: str) -> list[Item]:
    if layout.find_kind(root) == GOT10K.kind:
        return readers.got10k_items(root, "all")
    dataset = layout.open_dataset(root)
    if dataset.stills:
        raise DataError(f"{root} holds stills ({dataset.kind}); sequences are wanted")
    return list(dataset.items)


def _entry(
    title: str, find: Callable[[Path], list[Item]], layout: str, subsets: tuple[str, ...] = ("all",), **more: Any
) -> BenchmarkEntry:
    """A benchmark that is scored as OTB is, with one subset at most."""
    return BenchmarkEntry(title, subsets, lambda root, _: find(root), "otb", layout, **more)


def _nfs(fps: int) -> BenchmarkEntry:
    below = "NAME/30/NAME/00001.jpg with NAME/30/NAME.txt, or NAME/240/... (100 of them)"
    return _entry(f"NfS {fps} fps", partial(readers.find_nfs, fps=fps), below, count=100)


def _uav(title: str) -> BenchmarkEntry:
    below = "data_seq/UAV123/bike1/000001.jpg with anno/UAV123/bike1.txt (anno/UAV20L/bike1.txt for UAV20L)"
    return _entry(title, partial(readers.find_uav123, version=title), below)


def _otb(title: str, names: tuple[str, ...]) -> BenchmarkEntry:
    return _entry(title, partial(otb.find, names=names), otb.LAYOUT, attributes=otb.ATTRIBUTES)


_GOT10K = "val/ and test/, each with list.txt and NAME/00000001.jpg with NAME/groundtruth.txt"
_DTB70 = "NAME/img/00001.jpg with NAME/groundtruth_rect.txt (70 of them)"
_TCOLOR = "NAME/img/0001.jpg with NAME/NAME_gt.txt and NAME/NAME_frames.txt (128 of them)"
_ANY = "sequences in any layout that siamtrack knows, such as GOT-10k's"
_TRACKINGNET = "TEST/frames/NAME/0.jpg with TEST/anno/NAME.txt"

BENCHMARKS: Mapping[str, BenchmarkEntry] = {
    "got10k": BenchmarkEntry("GOT-10k", ("val", "test"), readers.find_got10k_benchmark, "got10k", _GOT10K, hidden=("test",)),
    "otb2013": _otb("OTB-2013", otb.OTB_2013),
    "otb2015": _otb("OTB-2015", otb.OTB_2015),
    "uav123": _uav("UAV123"),
    "uav20l": _uav("UAV20L"),
    "dtb70": _entry("DTB70", readers.find_dtb70, _DTB70, count=70),
    "nfs30": _nfs(30),
    "nfs240": _nfs(240),
    "tcolor128": _entry("TColor-128", readers.find_tcolor128, _TCOLOR, count=128),
    "lasot": _entry("LaSOT", readers.find_lasot_test, LASOT.expected, ("test",)),
    "trackingnet": _entry("TrackingNet", readers.find_trackingnet_test, _TRACKINGNET, ("test",), hidden=("test",), count=511),
    "folder": BenchmarkEntry("folder", ("all",), _find_any, "got10k", _ANY),
}
"""All benchmarks by the names that people give them."""
