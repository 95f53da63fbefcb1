"""A store of context crops, made once by `prepare.py`, so that an epoch never decodes a full frame.

Each track (a sequence, or one box of a still) is a list of square JPEG crops around its target, `CROP_SIZE` pixels a side
at the exemplar's scale. They lie in shards: safetensors with one JSON text for the names, mapped when read, and safe to
share between processes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from siamtrack.data.sequence import Bad
from siamtrack.errors import DataError
from siamtrack.frames import Image
from siamtrack.outside import parse_json, read_json

CROP_SIZE = 384
"""Side of a stored crop in pixels: room for a 255 px search region, shifted by 32 px and scaled by a quarter."""

FORMAT = "3"

METADATA_KEY = "shard"
"""One key only: safetensors writes several in an order that differs from run to run."""

REPORT = "report.json"

MAX_MAPS = 64
"""Shards that one store keeps mapped: each holds a file descriptor, of which a process often has 1,024."""


@dataclass(frozen=True)
class Report:
    """What a complete store holds.

    Attributes:
        source: the data set, absolute. kind: its layout.
        sequences: items that are in the store: videos, or images of stills.
        tracks, crops, shards: how many there are.
        bad: items that were left out, each with its reason.
    """

    source: str
    kind: str
    sequences: int
    tracks: int
    crops: int
    shards: int
    bad: tuple[Bad, ...]

    @classmethod
    def read(cls, folder: Path) -> Report:
        """The report of a store; a DataError if that is not complete, or of another format."""
        try:
            values = read_json(folder / REPORT)
            if values.pop("format") != FORMAT:
                raise DataError(f"{folder} has another format than {FORMAT}; delete it and it is made again")
            values["bad"] = tuple(Bad(entry["name"], entry["reason"]) for entry in values["bad"])
            return cls(**values)
        except DataError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{folder} is no complete crop store ({error}); run `siamtrack data prepare`") from error


def store_path(source: str | Path, cache: str | Path, kind: str) -> Path:
    """The folder of a store. Sources of one name at two places have two."""
    path = Path(source).resolve()
    key = hashlib.sha256(f"{path}\0{FORMAT}\0{kind}".encode()).hexdigest()[:12]
    return Path(cache) / f"{path.stem}-{key}"


def shard_path(folder: Path, number: int) -> Path:
    """The file of shard `number`, from 0."""
    return folder / f"shard-{number:05d}.safetensors"


class Shard:
    """Read side of one file.

    Attributes:
        slice_id: what was to be cut into it; see `prepare.prepare`.
        tracks: name and instance id of each track.
        bad: items that were left out.
        counts: (tracks,) crops of each track; those of one track follow each other.
        offsets: (crops + 1,) where each crop begins in the blob.
        frames: (crops,) frame numbers. sizes_wh: (crops, 2) target sizes, pixels of the crop. boxed: (tracks,).

    Raises:
        DataError: the file is missing, damaged, or of another format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(str(path), framework="numpy") as store:
                about = parse_json((store.metadata() or {}).get(METADATA_KEY, "{}"), path)
                if about.get("format") != FORMAT:
                    raise DataError(f"{path} has another format than {FORMAT}; delete it and it is made again")
                self.slice_id: str = about["slice"]
                self.tracks: list[tuple[str, str]] = [(name, instance) for name, instance in about["tracks"]]
                self.bad = [Bad(name, reason) for name, reason in about["bad"]]
                self.counts: NDArray[np.int64] = store.get_tensor("counts")
                self.offsets: NDArray[np.int64] = store.get_tensor("offsets")
                self.frames: NDArray[np.int64] = store.get_tensor("frames")
                self.sizes_wh: NDArray[np.float32] = store.get_tensor("sizes_wh")
                self.boxed: NDArray[np.uint8] = store.get_tensor("boxed")
        except (SafetensorError, OSError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is missing or damaged ({error}); `siamtrack data prepare` makes it again") from error

    def __len__(self) -> int:
        return len(self.frames)

    def map_blob(self) -> NDArray[np.uint8]:
        """All encoded crops, one after the other, mapped, not read: `safe_open` would copy them.

        Raises:
            DataError: the file was replaced since it was opened.
        """
        blob = np.empty(0, np.uint8)
        if len(self):
            with self.path.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                begin, end = json.loads(stream.read(length))["blob"]["data_offsets"]
            blob = np.memmap(self.path, np.uint8, "r", offset=8 + length + begin, shape=(end - begin,))
        if len(blob) != self.offsets[-1]:
            raise DataError(f"{self.path} has changed since it was opened; start again")
        return blob


@dataclass(frozen=True)
class CropTrack:
    """The crops of one target.

    Attributes:
        name: for messages.
        instance: instance id; tracks of one id are never each other's negatives (same image, one kind of thing).
        crops: indices into the store, in time order.
        frames: frame number of each crop.
        boxed: whether its boxes bound an object; an image without labels stands for itself, and has no extent to learn.
    """

    name: str
    instance: int
    crops: NDArray[np.int64]
    frames: NDArray[np.int64]
    boxed: bool

    def draw(self, rng: np.random.Generator, min_gap: int, max_gap: int) -> tuple[int, int]:
        """Two crops no further apart than `max_gap` and, where the track allows it, no nearer than `min_gap` frames."""
        first = int(rng.integers(len(self.crops)))
        gap = np.abs(self.frames - self.frames[first])
        near = np.flatnonzero((gap <= max_gap) & (gap >= min_gap))
        if not len(near):
            near = np.flatnonzero(gap <= max_gap)
        return int(self.crops[first]), int(self.crops[int(rng.choice(near))])


class Pair(NamedTuple):
    """Two crops of one target, to be made views of.

    Attributes:
        views: twice a crop, (CROP_SIZE, CROP_SIZE, 3) BGR with the target's centre in its middle, and the target's size in it.
        instance, boxed: as of a `CropTrack`.
    """

    views: tuple[tuple[Image, NDArray[np.float32]], tuple[Image, NDArray[np.float32]]]
    instance: int
    boxed: bool


class PairStore(Protocol):
    """A source of pairs.

    Attributes:
        instances: instance ids are below this.
    """

    @property
    def instances(self) -> int:
        """See the class."""

    def draw_pair(self, rng: np.random.Generator, min_gap: int, max_gap: int) -> Pair:
        """Two crops of one target, of a video `min_gap` to `max_gap` frames apart; `rng` is the only source of chance."""


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
        self._blob = lru_cache(MAX_MAPS)(lambda number: self._shards[number].map_blob())
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

    @property
    def instances(self) -> int:
        """Instance ids are below this."""
        return 1 + max(track.instance for track in self.tracks)

    def draw_pair(self, rng: np.random.Generator, min_gap: int, max_gap: int) -> Pair:
        """Two crops of a track, see `CropTrack.draw`."""
        track = self.tracks[rng.integers(len(self.tracks))]
        one, other = track.draw(rng, min_gap, max_gap)
        views = (self.crop(one), self.target_wh(one)), (self.crop(other), self.target_wh(other))
        return Pair(views, track.instance, track.boxed)

    def _locate(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"crop {index} of {len(self)} in {self.path}")
        number = int(np.searchsorted(self._first, index, side="right")) - 1
        return number, index - int(self._first[number])

    def _all_tracks(self) -> list[CropTrack]:
        instances: dict[str, int] = {}
        tracks = []
        for shard, first in zip(self._shards, self._first, strict=False):
            ends = np.cumsum(shard.counts)
            for (name, instance), begin, end, boxed in zip(shard.tracks, ends - shard.counts, ends, shard.boxed, strict=True):
                crops = np.arange(first + begin, first + end, dtype=np.int64)
                number = instances.setdefault(instance, len(instances))
                tracks.append(CropTrack(name, number, crops, shard.frames[begin:end], bool(boxed)))
        return tracks

    def _without_excluded(self, tracks: list[CropTrack]) -> list[CropTrack]:
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
