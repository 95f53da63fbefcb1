"""Context crops of a data set, made once, so that an epoch never decodes a full frame.

Each track (a sequence, or one box of a still) becomes a list of square JPEG crops around its target,
`CROP_SIZE` pixels a side at the exemplar's scale. They live in shards of safetensors: memory mapped, free of
pickle, and safe to share between workers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.data.layout import find_kind
from siamtrack.errors import DataError
from siamtrack.frames import Image
from siamtrack.train.prepare import REPORT, Report, prepare, shard_path, store_path
from siamtrack.train.shards import Shard

MAX_MAPS = 64
"""Shards that one store keeps mapped: each holds a file descriptor, of which a process often has 1,024."""


@dataclass(frozen=True)
class Track:
    """The crops of one target.

    Attributes:
        name: for messages.
        family: tracks of one family are never each other's negatives (same image, twins of one kind).
        crops: indices into the store, in time order.
        frames: frame number of each crop.
        boxed: whether its boxes bound an object; an image without labels stands for itself, and has no extent to learn.
    """

    name: str
    family: int
    crops: NDArray[np.int64]
    frames: NDArray[np.int64]
    boxed: bool


class CropStore:
    """Read side: crops by index, out of memory-mapped shards.

    Args:
        path: the folder of a complete store.
        exclude: patterns such as `AUTO_*`; tracks whose names match one are left out.

    Attributes:
        report: what the store holds, and what was left out of it.
        tracks: the tracks that are not excluded. Their crops keep their numbers whatever is excluded.

    Raises:
        DataError: the store is incomplete or damaged, a pattern matches nothing, or no track is left.
    """

    def __init__(self, path: Path, exclude: tuple[str, ...] = ()) -> None:
        self.path, self.exclude = path, exclude
        self.report = Report.read(path)
        self._shards = [Shard(shard_path(path, number)) for number in range(self.report.shards)]
        self._first = np.cumsum([0, *map(len, self._shards)], dtype=np.int64)
        self._maps: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self.tracks = self._without_excluded(self._all_tracks())

    def __len__(self) -> int:
        return int(self._first[-1])

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process opens the files itself: pickled maps would be copies of the whole store.
        return CropStore, (self.path, self.exclude)

    def crop(self, index: int) -> Image:
        """Crop `index`, (CROP_SIZE, CROP_SIZE, 3) BGR uint8, the target's centre at the crop's centre."""
        number, local = self._locate(index)
        offsets = self._shards[number].offsets
        data = self._blob(number)[offsets[local] : offsets[local + 1]]
        return cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[return-value]

    def target_wh(self, index: int) -> NDArray[np.float32]:
        """Size of the target in crop `index`, in pixels of the crop."""
        number, local = self._locate(index)
        return self._shards[number].sizes_wh[local]

    def _locate(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"crop {index} of {len(self)} in {self.path}")
        number = int(np.searchsorted(self._first, index, side="right")) - 1
        return number, index - int(self._first[number])

    def _blob(self, number: int) -> NDArray[np.uint8]:
        if number in self._maps:
            self._maps.move_to_end(number)
        else:
            self._maps[number] = self._shards[number].map_blob()
            if len(self._maps) > MAX_MAPS:
                self._maps.popitem(last=False)
        return self._maps[number]

    def _all_tracks(self) -> list[Track]:
        families: dict[str, int] = {}
        tracks = []
        for shard, first in zip(self._shards, self._first, strict=False):
            ends = np.cumsum(shard.counts)
            for (name, family), begin, end, boxed in zip(shard.tracks, ends - shard.counts, ends, shard.boxed, strict=True):
                crops = np.arange(first + begin, first + end, dtype=np.int64)
                number = families.setdefault(family, len(families))
                tracks.append(Track(name, number, crops, shard.frames[begin:end], bool(boxed)))
        return tracks

    def _without_excluded(self, tracks: list[Track]) -> list[Track]:
        names = [track.name for track in tracks]
        # A pattern may also be meant for what was bad and is left out already.
        known = names + [bad.name for bad in self.report.bad]
        for pattern in self.exclude:
            if not any(fnmatchcase(name, pattern) for name in known):
                raise DataError(f"exclude: {pattern!r} matches none of the {len(names)} tracks of {self.report.source}")
        kept = [track for track in tracks if not any(fnmatchcase(track.name, pattern) for pattern in self.exclude)]
        if not kept:
            raise DataError(f"exclude: {', '.join(self.exclude)} leaves no track of {self.report.source}")
        return kept


def open_store(
    source: str | Path,
    cache: str | Path,
    progress: Callable[[str], None] = lambda _: None,
    kind: str = "auto",
    exclude: tuple[str, ...] = (),
) -> CropStore:
    """Crops of one source, made on first use and kept in `cache`.

    Args:
        source: see `datasets.layout.open_dataset`.
        cache: folder for the stores; made if missing.
        progress: is told each item's name while a store is being made.
        kind: layout of the source.
        exclude: patterns of track names that are left out; the store on disk has them all the same.

    Raises:
        FileNotFoundError, DataError, OutputError: as `prepare` and `CropStore` raise them.
    """
    path = store_path(source, cache, find_kind(source, kind))
    if not _is_complete(path):
        prepare(source, cache, kind, progress=lambda name, *_: progress(name))
    return CropStore(path, exclude)


def _is_complete(path: Path) -> bool:
    if not (path / REPORT).is_file():
        return False
    return all(shard_path(path, number).is_file() for number in range(Report.read(path).shards))
