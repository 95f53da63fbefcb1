"""Context crops of a data set, made once, so that an epoch never decodes a full frame.

Each track (a sequence, or one box of a still) becomes a list of square JPEG crops around its target,
`CROP_SIZE` pixels a side at the exemplar's scale. They live in one safetensors file a source: memory
mapped, free of pickle, and safe to share between workers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from siamtrack.errors import DataError
from siamtrack.model.backbone import EXEMPLAR_SIZE
from siamtrack.tracking.crop import CropWindow, Image, context_side, mean_color
from siamtrack.train.sequences import Sequence, find_sequences, read_stills

CROP_SIZE = 384
"""Side of a stored crop in pixels: room for a 255 px search region, shifted by 32 px and scaled by a quarter."""

FORMAT = "2"


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
    """Read side: crops by index, out of one memory-mapped file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with safe_open(str(path), framework="numpy") as store:
            if (store.metadata() or {}).get("format") != FORMAT:
                raise DataError(f"{path}: an old or foreign crop store; delete it and it is made again")
            self.offsets: NDArray[np.int64] = store.get_tensor("offsets")
            self.sizes_wh: NDArray[np.float32] = store.get_tensor("sizes_wh")
            owner, frames, family, boxed = (store.get_tensor(key) for key in ("owner", "frames", "family", "boxed"))
        self._blob = _map_tensor(path, "blob")
        names = path.with_suffix(".names.txt").read_text().splitlines()
        members = [np.flatnonzero(owner == i) for i in range(len(names))]
        self.tracks = [
            Track(name, int(family[i]), member, frames[member], bool(boxed[i]))
            for i, (name, member) in enumerate(zip(names, members, strict=True))
        ]

    def crop(self, index: int) -> Image:
        """Crop `index`, (CROP_SIZE, CROP_SIZE, 3) BGR uint8, the target's centre at the crop's centre."""
        data = self._blob[self.offsets[index] : self.offsets[index + 1]]
        return cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[return-value]

    def target_wh(self, index: int) -> NDArray[np.float32]:
        """Size of the target in crop `index`, in pixels of the crop."""
        return self.sizes_wh[index]


def _map_tensor(path: Path, name: str) -> NDArray[np.uint8]:
    """A uint8 tensor of a safetensors file, mapped, not read: `safe_open` would copy all of it into memory."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        begin, end = json.loads(stream.read(length))[name]["data_offsets"]
    return np.memmap(path, np.uint8, "r", offset=8 + length + begin, shape=(end - begin,))


def open_store(source: str | Path, cache: str | Path, progress: Callable[[str], None] = lambda _: None) -> CropStore:
    """Crops of one source (a folder of sequences, or a stills .tar), made on first use and kept in `cache`.

    Args:
        source: see `sequences.find_sequences` and `sequences.read_stills`.
        cache: folder for the stores; made if missing.
        progress: is told each track's name while a store is being made.

    Raises:
        FileNotFoundError, DataError: as the readers raise them.
    """
    source, cache = Path(source), Path(cache)
    key = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:12]
    path = cache / f"{source.stem}-{key}.safetensors"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        rows = _still_rows(source) if source.suffix == ".tar" else _sequence_rows(find_sequences(source))
        _write(path, rows, progress)
    return CropStore(path)


@dataclass(frozen=True)
class _Row:
    track: str
    family: str
    frame: int
    size_wh: tuple[float, float]
    jpeg: NDArray[np.uint8]
    boxed: bool = True


def _sequence_rows(sequences: Iterable[Sequence], max_crops: int = 200) -> Iterator[_Row]:
    for sequence in sequences:
        visible = np.flatnonzero(sequence.visible)
        keep = set(visible[:: max(1, -(-len(visible) // max_crops))].tolist())
        for index, frame in enumerate(sequence.frames()):
            if index in keep:
                yield _row(sequence.name, sequence.name, index, frame, sequence.boxes_xywh[index])


def _still_rows(tar_path: Path) -> Iterator[_Row]:
    for still in read_stills(tar_path):
        folder = still.name.split("/")[0]
        for i, (box, label) in enumerate(zip(still.boxes_xywh, still.classes, strict=True)):
            if min(box[2:]) >= 12:
                # One kind within one topic is a family: two bishops of a chess set are no fair negatives.
                yield _row(f"{still.name}#{i}", f"{folder}/{label}", 0, still.image, box)
        if not len(still.boxes_xywh):
            # An image without a box still shows things: its central half stands for one.
            height, width = still.image.shape[:2]
            box = np.array([width / 4, height / 4, width / 2, height / 2])
            yield _row(still.name, still.name, 0, still.image, box, boxed=False)


def _row(track: str, family: str, index: int, frame: Image, box: NDArray[np.float64], boxed: bool = True) -> _Row:
    x, y, w, h = (float(value) for value in box)
    side = context_side((w, h)) * CROP_SIZE / EXEMPLAR_SIZE
    crop = CropWindow((x + w / 2, y + h / 2), side, CROP_SIZE).extract(frame, mean_color(frame))
    ok, jpeg = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 92])
    if not ok:
        raise DataError(f"{track}: frame {index} cannot be encoded")
    return _Row(track, family, index, (w / side * CROP_SIZE, h / side * CROP_SIZE), jpeg.reshape(-1), boxed)


def _write(path: Path, rows: Iterator[_Row], progress: Callable[[str], None]) -> None:
    """Write the store, the blob by way of a plain file, so that memory holds one crop at a time."""
    owner: list[int] = []
    frames: list[int] = []
    sizes: list[tuple[float, float]] = []
    lengths: list[int] = [0]
    names: list[str] = []
    families: list[str] = []
    boxed: list[bool] = []
    blob = path.with_name(f"{path.name}.{os.getpid()}.blob")
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with blob.open("wb") as stream:
            for row in rows:
                if not names or names[-1] != row.track:
                    names.append(row.track)
                    families.append(row.family)
                    boxed.append(row.boxed)
                    progress(row.track)
                owner.append(len(names) - 1)
                frames.append(row.frame)
                sizes.append(row.size_wh)
                lengths.append(len(row.jpeg))
                stream.write(row.jpeg.tobytes())
        if not names:
            raise DataError(f"{path.stem}: no target large enough to train on")
        numbers = {family: i for i, family in enumerate(dict.fromkeys(families))}
        tensors: dict[str, NDArray[Any]] = {
            "blob": np.memmap(blob, np.uint8, "r"),
            "offsets": np.cumsum(lengths, dtype=np.int64),
            "owner": np.array(owner, dtype=np.int64),
            "frames": np.array(frames, dtype=np.int64),
            "sizes_wh": np.array(sizes, dtype=np.float32),
            "family": np.array([numbers[family] for family in families], dtype=np.int64),
            "boxed": np.array(boxed, dtype=np.uint8),
        }
        path.with_suffix(".names.txt").write_text("".join(name.replace("\n", " ") + "\n" for name in names), encoding="utf-8")
        save_file(tensors, str(partial), metadata={"format": FORMAT})
        os.replace(partial, path)
    finally:
        blob.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
