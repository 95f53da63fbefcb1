"""Labelled data for verification: a folder a class, or a CSV of pairs."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siamtrack.data.label_files import folders
from siamtrack.errors import DataError
from siamtrack.system import open_text
from siamtrack.video.image_file import IMAGE_SUFFIXES

Kind = Literal["picture", "sequence"]

PICTURES = IMAGE_SUFFIXES
SEQUENCES = (".csv", ".txt", ".npy")

COLUMNS = ("a", "b", "label")

DISSIMILAR = 0.5
"""A label from here on calls a pair dissimilar, one below it similar."""


@dataclass(frozen=True)
class Classes:
    """Items in classes: two of one class are similar, two of different classes are not.

    Attributes:
        root: the folder of the classes' folders.
        kind: what all items are.
        items: n files, class by class, by name within a class. They are not opened here.
        classes: (n,) index into `names`; every one occurs at least once.
        names: the classes' folders, sorted. A class of one item serves as a negative only.
        left_out: what lies there and is not used, one line each: `NAME: reason`.
    """

    root: Path
    kind: Kind
    items: tuple[Path, ...]
    classes: NDArray[np.int64]
    names: tuple[str, ...]
    left_out: tuple[str, ...]

    def subset(self, chosen: NDArray[np.bool_]) -> Classes:
        """The chosen (n,) items, with their classes numbered anew."""
        kept = np.flatnonzero(chosen)
        used, classes = np.unique(self.classes[kept], return_inverse=True)
        items, names = tuple(self.items[k] for k in kept), tuple(self.names[k] for k in used)
        return replace(self, items=items, classes=classes.astype(np.int64), names=names)


@dataclass(frozen=True)
class Pairs:
    """Pairs of items, each with a label of its own.

    Attributes:
        root: the CSV's folder.
        kind: what all items are.
        items: files below the root, each once, in the order in which the CSV names them first. They are there, but
            are not opened here.
        first: (P,) index into `items`.
        second: (P,) index into `items`.
        label: (P,) in 0..1: 0 similar, 1 dissimilar; some lie below `DISSIMILAR`, some not.
        left_out: nothing: every fault in a CSV is an error. It is there because `Classes` has it.
    """

    root: Path
    kind: Kind
    items: tuple[Path, ...]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    label: NDArray[np.float32]
    left_out: tuple[str, ...] = ()

    def subset(self, rows: NDArray[np.int64]) -> Pairs:
        """The chosen pairs; the items stay as they are."""
        return replace(self, first=self.first[rows], second=self.second[rows], label=self.label[rows])


def kind_of(path: Path) -> Kind | None:
    """What a file is by the ending of its name, in capitals or not; None where the ending is of neither kind."""
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return "picture"
    return "sequence" if suffix in SEQUENCES else None


def open_labelled(path: Path) -> Classes | Pairs:
    """Labelled data of either form: a folder as `open_classes`, a `.csv` as `open_pairs` reads it; errors as of these."""
    if path.is_dir():
        return open_classes(path)
    if path.exists() and path.suffix.lower() != ".csv":
        raise DataError(f"{path} is neither a folder of classes nor a .csv of pairs; give one of them")
    return open_pairs(path)


def open_classes(root: Path, to_learn: bool = True) -> Classes:
    """List the items of a folder that has a folder for each class.

    Only what lies directly in a class's folder counts. Hidden files and folders are passed over; links are followed.
    The items themselves are not opened, because a large set would take minutes.

    Args:
        root: the folder. to_learn: ask for as much as a verifier can learn from. A gallery may hold one item of one class.

    Raises:
        FileNotFoundError: nothing is there. DataError: not such a folder; pictures and sequences mixed; no class with items;
            with `to_learn`, fewer than two classes, or no class with two items.
    """
    examples: dict[Kind, Path] = {}
    items: list[Path] = []
    classes: list[int] = []
    names: list[str] = []
    left_out: list[str] = []
    try:
        if not root.exists():
            raise FileNotFoundError(f"{root} not found; give a folder with a folder for each class")
        if not root.is_dir():
            raise DataError(f"{root} is not a folder; give a folder with a folder for each class")
        listed = {folder.name: _files(folder) for folder in folders(root)}
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{error.filename or root} cannot be read ({error.strerror})") from error
    for name, files in listed.items():
        usable = {path: kind for path in files if (kind := kind_of(path)) is not None}
        for path, kind in usable.items():
            examples.setdefault(kind, path)
        others = len(files) - len(usable)
        if others:
            left_out.append(f"{name}: {others} file{'s' * (others > 1)} of other kinds{'' if usable else ', and no item'}")
        elif not usable:
            left_out.append(f"{name}: no item directly in it")
        if usable:
            items += usable
            classes += [len(names)] * len(usable)
            names.append(name)
    if len(examples) > 1:
        both = " and ".join(str(path.relative_to(root)) for path in examples.values())
        raise DataError(f"{root} mixes pictures and sequences ({both}); keep items of one kind")
    if not items:
        raise DataError(
            f"{root} holds no class with items; wanted are folders, one a class, "
            f"of {' '.join(PICTURES)} or of {' '.join(SEQUENCES)} (for pairs give the .csv that lists them)"
        )
    if to_learn and len(names) < 2:
        raise DataError(f"{root} has one class only: {names[0]}; a verifier learns from at least two, add a folder")
    if to_learn and len(items) == len(names):
        raise DataError(f"{root}: every class has one item; a verifier learns from two of a class, add items to some")
    return Classes(root, next(iter(examples)), tuple(items), np.array(classes, dtype=np.int64), tuple(names), tuple(left_out))


def open_pairs(path: Path) -> Pairs:
    """Read a CSV of pairs.

    Its header names the columns `a`, `b` (two items' paths, relative to the CSV's folder) and `label` (0 similar to 1
    dissimilar, anything between allowed), in any order; other columns are passed over. Different spellings of a path,
    and links, are one item.

    Raises:
        FileNotFoundError: nothing is there.
        DataError: not such a table; a path that leads out of the folder (also by a link), or names no item; a label that is no
            number in 0..1; the message names the line. Also where all pairs are similar, or all dissimilar.
    """
    root = path.parent.resolve()
    items: dict[Path, int] = {}  # resolved paths, in the order in which they came
    named: dict[str, Path] = {}  # an item is in many pairs, and to resolve a path is slow
    kinds: set[Kind] = set()
    pairs: list[tuple[int, int]] = []
    labels: list[float] = []
    for number, (*names, label) in _rows(path):
        for name in names:
            if name not in named:
                named[name] = _resolved(root, name, path.parent, f"{path}, line {number}")
                kind = kind_of(named[name])
                if kind is None:
                    known = " ".join((*PICTURES, *SEQUENCES))
                    raise DataError(f"{path}, line {number}: {name!r} is of no known kind; known endings: {known}")
                if kinds - {kind}:
                    raise DataError(
                        f"{path}, line {number}: {name!r} is a {kind}, items above are {kinds.pop()}s; keep one kind"
                    )
                kinds.add(kind)
        one, other = (items.setdefault(named[name], len(items)) for name in names)
        pairs.append((one, other))
        labels.append(_label(path, number, label))
    if not pairs:
        raise DataError(f"{path} has no rows below its header; one pair a line is wanted: a,b,label")
    first, second = np.array(pairs, dtype=np.int64).T.copy()
    values = np.array(labels, dtype=np.float32)
    dissimilar = int((values >= DISSIMILAR).sum())
    if dissimilar in (0, len(values)):
        seen, wanted = ("dissimilar", "similar (label below") if dissimilar else ("similar", "dissimilar (label from")
        raise DataError(f"{path}: all {len(values)} pairs are {seen}; a verifier learns from both, add {wanted} {DISSIMILAR})")
    files = tuple(path.parent / item.relative_to(root) for item in items)
    return Pairs(path.parent, kinds.pop(), files, first, second, values)


def _resolved(root: Path, name: str, folder: Path, at: str) -> Path:
    """The item that a cell of a CSV names, below the CSV's resolved folder `root`; `folder` and `at` are for messages."""
    if not name:
        raise DataError(f"{at}: an item's path is empty; a path relative to {folder} is wanted")
    try:
        path = (root / name.replace("\\", "/")).resolve()
        inside, there = path.is_relative_to(root), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, a NUL
        raise DataError(f"{at}: the path {name[:200]!r} cannot be used ({error})") from error
    if not inside:
        raise DataError(f"{at}: {name!r} leads out of {folder}; items must lie below the CSV's folder")
    if not there:
        raise DataError(f"{at}: {name!r} not found in {folder}, or not a file; mend the path or take the line out")
    return path


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """The cells a, b, label of each row, with the number of its (last) line."""
    number = 0
    try:
        with open_text(path) as stream:
            reader = csv.reader(stream, strict=True)
            header = [cell.strip() for cell in next(reader, [])]
            number = reader.line_num
            if any(header.count(column) != 1 for column in COLUMNS):
                raise DataError(
                    f"{path}, line 1: the header is {','.join(header)[:80]!r}; columns a, b and label, each once, are wanted"
                )
            columns = [header.index(column) for column in COLUMNS]
            for row in reader:
                number = reader.line_num
                if not row:
                    continue
                if len(row) != len(header):
                    raise DataError(
                        f"{path}, line {number}: {len(row)} columns, the header has {len(header)}; quote a path with a comma"
                    )
                a, b, label = (row[column].strip() for column in columns)
                yield number, (a, b, label)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (after line {number}); save it as UTF-8 CSV") from error
    except csv.Error as error:
        raise DataError(f"{path} is not CSV after line {number} ({error}); is a quote left open?") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def _label(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:  # NaN is not, either
        raise DataError(f"{path}, line {line}: the label {text[:40]!r} is no number in 0..1 (0 similar, 1 dissimilar)")
    return value


def _files(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(folder / entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
