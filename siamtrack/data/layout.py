"""Which layout a data set on disk has."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Protocol

from siamtrack.config import nearest
from siamtrack.data import coco, got10k, imagenet_vid, lasot, tarred, trackingnet, videos, voc
from siamtrack.data.dataset import Dataset, Item, loaded
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError, SiamtrackError


class Reader(Protocol):
    """What a reader module has. `find` may raise DataError, and gives an empty list where nothing is found."""

    KIND: str
    LAYOUT: str
    STILLS: bool

    def fits(self, root: Path) -> bool:
        """Whether a root has this layout; cheap."""

    def find(self, root: Path) -> list[Item]:
        """The items of a root."""


READERS: tuple[Reader, ...] = (tarred, coco, voc, imagenet_vid, trackingnet, lasot, videos, got10k)
"""Asked in this order: what can be told by the name of a folder comes before what any folder may hold."""


def open_dataset(root: str | Path, kind: str = "auto") -> Dataset:
    """Recognise a data set by what lies on disk, and list its items.

    Labels are not read yet: what is wrong with one item is found when that item is loaded.

    Args:
        root: a folder; a .tar of stills; or the JSON table of a COCO set.
        kind: one of `READERS` by its `KIND`, or auto.

    Raises:
        FileNotFoundError: nothing is there.
        DataError: no known layout, an unknown kind, or a listing that is empty or leads out of the root.
    """
    root = Path(root)
    try:
        reader = _reader(root, kind)
        items = sorted(reader.find(root), key=lambda item: item.name)
    except (SiamtrackError, FileNotFoundError):
        raise
    except OSError as error:
        raise DataError(f"{root} cannot be read ({error.strerror})") from error
    if not items:
        raise DataError(f"{root} holds no data of kind {reader.KIND}; expected {reader.LAYOUT}")
    for one, other in pairwise(items):
        if one.name == other.name:
            raise DataError(f"{root} names {one.name} twice; names must differ")
    return Dataset(root, reader.KIND, reader.STILLS, tuple(items))


def find_kind(root: str | Path, kind: str = "auto") -> str:
    """The kind that `open_dataset` would read a root as, without listing it.

    Raises:
        FileNotFoundError, DataError: as `open_dataset` does.
    """
    return _reader(Path(root), kind).KIND


def find_sequences(root: str | Path, kind: str = "auto") -> list[Sequence]:
    """All sequences of a data set with their labels: for scoring, which must not leave out any.

    Raises:
        FileNotFoundError, DataError: as `open_dataset` does; also for stills, and for the first bad item.
    """
    dataset = open_dataset(root, kind)
    if dataset.stills:
        raise DataError(f"{root} holds stills ({dataset.kind}); sequences are wanted")
    return [part for item in dataset.items for part in loaded(item) if isinstance(part, Sequence)]


def _reader(root: Path, kind: str) -> Reader:
    if not root.exists():
        raise FileNotFoundError(f"data {root} not found; give a folder, a .tar of stills or a COCO .json")
    kinds = {reader.KIND: reader for reader in READERS}
    if kind in kinds:
        return kinds[kind]
    if kind != "auto":
        raise DataError(f"unknown kind of data {kind!r}; {nearest(kind, ['auto', *kinds])}")
    for reader in READERS:
        if (root.is_dir() or reader.STILLS) and reader.fits(root):
            return reader
    looked = "; ".join(f"{reader.KIND}: {reader.LAYOUT}" for reader in READERS)
    raise DataError(f"{root} has no layout that is known. Looked for {looked}")
