"""A data set as a sorted list of items that are read, and can be bad, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

import cv2

from siamtrack.boxes import MIN_SIDE_PX
from siamtrack.data.sequence import Sequence, Still
from siamtrack.errors import DataError

BAD_INPUT = (OSError, ValueError, ArithmeticError, cv2.error)
"""What reading a damaged item may raise; DataError and SourceError are ValueErrors."""


class Bad(NamedTuple):
    """An item that cannot be used, and why, in one line."""

    name: str
    reason: str


@dataclass(frozen=True)
class Item:
    """One unit of a data set: a video with its targets, or one still. Finding it reads none of its labels.

    Attributes:
        name: unique within its data set.
        load: reads the labels; the frames stay on disk. It can be pickled, so that other processes can read.
    """

    name: str
    load: Callable[[], Iterable[Sequence | Still]]

    @classmethod
    def broken(cls, name: str, reason: str) -> Item:
        """An item known to be bad when it is found: it is named with all others, when it is read."""
        return cls(name, partial(_refuse, reason))


@dataclass(frozen=True)
class Dataset:
    """What `layout.open_dataset` found.

    Attributes:
        root: the folder or file that was opened.
        kind: its layout, see `layout.READERS`.
        stills: whether its items are stills; otherwise they are videos.
        items: sorted by name.
    """

    root: Path
    kind: str
    stills: bool
    items: tuple[Item, ...]

    def check(self, fast: bool = False) -> Iterator[tuple[str, Bad | None]]:
        """Read all items, one after the other.

        Args:
            fast: labels and files are looked at, but no frame is decoded.

        Yields:
            Each item's name, and what is wrong with it.
        """
        for item in self.items:
            try:
                for part in loaded(item):
                    part.check(fast)
            except BAD_INPUT as error:
                yield item.name, Bad(item.name, reason(error))
            else:
                yield item.name, None


def loaded(item: Item) -> list[Sequence | Still]:
    """The parts of an item.

    Raises:
        DataError and others of `BAD_INPUT`: the labels cannot be read, or no frame of a video has a usable box.
    """
    parts = list(item.load())
    sequences = [part for part in parts if isinstance(part, Sequence)]
    if len(sequences) == len(parts) and not any(sequence.visible.any() for sequence in sequences):
        raise DataError(f"no frame has a box with sides of {MIN_SIDE_PX:g} px or more")
    return parts


def reason(error: Exception) -> str:
    """An error as one line of a report."""
    return " ".join(str(error).split()) or type(error).__name__


def _refuse(text: str) -> NoReturn:
    raise DataError(text)
