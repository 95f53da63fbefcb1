"""Which layout a data set on disk has, and what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from siamtrack.config import nearest
from siamtrack.data.sequence import BAD_INPUT, Bad, Item, Layout, Sequence, loaded
from siamtrack.data.sequence_folders import GOT10K, LASOT, TRACKINGNET, VIDEOS
from siamtrack.data.stills import COCO, TAR
from siamtrack.data.voc import IMAGENET_VID, VOC
from siamtrack.errors import DataError, SiamtrackError, reason

LAYOUTS = (TAR, COCO, VOC, IMAGENET_VID, TRACKINGNET, LASOT, VIDEOS, GOT10K)
"""Asked in this order: what can be told by the name of a folder comes before what any folder may hold."""


@dataclass(frozen=True)
class Dataset:
    """What `open_dataset` found.

    Attributes:
        root: the folder or file that was opened.
        kind: its layout, see `LAYOUTS`.
        stills: whether its items are stills; otherwise they are videos.
        items: sorted by name.
    """

    root: Path
    kind: str
    stills: bool
    items: tuple[Item, ...]

    def check(self, fast: bool = False) -> Iterator[tuple[str, Bad | None]]:
        """Read all items, one after the other, `fast` without decoding a frame: each item's name, and what is wrong with it."""
        for item in self.items:
            try:
                for part in loaded(item):
                    part.check(fast)
            except BAD_INPUT as error:
                yield item.name, Bad(item.name, reason(error))
            else:
                yield item.name, None


def open_dataset(root: str | Path, kind: str = "auto") -> Dataset:
    """Recognise a data set by what lies on disk, and list its items; their labels are read when one is loaded.

    Args:
        root: a folder; a .tar of stills; or the JSON table of a COCO set. kind: one of `LAYOUTS` by its kind, or auto.

    Raises:
        FileNotFoundError: nothing is there.
        DataError: no known layout, an unknown kind, or a listing that is empty or leads out of the root.
    """
    root = Path(root)
    try:
        layout = _layout(root, kind)
        items = sorted(layout.find(root), key=lambda item: item.name)
    except (SiamtrackError, FileNotFoundError):
        raise
    except OSError as error:
        raise DataError(f"{root} cannot be read ({error.strerror})") from error
    if not items:
        raise DataError(f"{root} holds no data of kind {layout.kind}; expected {layout.expected}")
    for one, other in pairwise(items):
        if one.name == other.name:
            raise DataError(f"{root} names {one.name} twice; names must differ")
    return Dataset(root, layout.kind, layout.stills, tuple(items))


def find_kind(root: str | Path, kind: str = "auto") -> str:
    """The kind that `open_dataset` would read a root as, without listing it; errors as of that."""
    return _layout(Path(root), kind).kind


def find_sequences(root: str | Path, kind: str = "auto") -> list[Sequence]:
    """All sequences of a data set with their labels: for scoring, which must not leave out any.

    Raises:
        FileNotFoundError, DataError: as `open_dataset` does; also for stills, and for the first bad item.
    """
    dataset = open_dataset(root, kind)
    if dataset.stills:
        raise DataError(f"{root} holds stills ({dataset.kind}); sequences are wanted")
    return [part for item in dataset.items for part in loaded(item) if isinstance(part, Sequence)]


def _layout(root: Path, kind: str) -> Layout:
    if not root.exists():
        raise FileNotFoundError(f"data {root} not found; give a folder, a .tar of stills or a COCO .json")
    kinds = {layout.kind: layout for layout in LAYOUTS}
    if kind in kinds:
        return kinds[kind]
    if kind != "auto":
        raise DataError(f"unknown kind of data {kind!r}; {nearest(kind, ['auto', *kinds])}")
    for layout in LAYOUTS:
        if (root.is_dir() or layout.stills) and layout.fits(root):
            return layout
    looked = "; ".join(f"{layout.kind}: {layout.expected}" for layout in LAYOUTS)
    raise DataError(f"{root} has no layout that is known. Looked for {looked}")
