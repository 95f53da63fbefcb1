"""One file of crops: a slice of a data set's items, written once, whole or not at all, and mapped when read.

It is safetensors: tensors, and one JSON text with the names. Nothing in it is ever executed, and the same crops give
the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from siamtrack.data.dataset import Bad
from siamtrack.errors import DataError
from siamtrack.system import replace_file

CROP_SIZE = 384
"""Side of a stored crop in pixels: room for a 255 px search region, shifted by 32 px and scaled by a quarter."""

FORMAT = "3"

_META = "shard"
# One key only: safetensors writes several in an order that differs from run to run.


@dataclass(frozen=True)
class CutTrack:
    """The crops of one target, ready to be stored.

    Attributes:
        name: unique within the data set.
        family: tracks of one family are never each other's negatives (same image, twins of one kind).
        boxed: whether its boxes bound an object.
        frames: frame number of each crop.
        sizes_wh: the target's size in each crop, pixels of the crop.
        jpegs: the encoded crops.
    """

    name: str
    family: str
    boxed: bool
    frames: list[int]
    sizes_wh: list[tuple[float, float]]
    jpegs: list[NDArray[np.uint8]]


class Shard:
    """Read side of one file.

    Attributes:
        slice_id: what was to be cut into it; see `prepare.prepare`.
        tracks: name and family of each track.
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
                about = json.loads((store.metadata() or {}).get(_META, "{}"))
                if about.get("format") != FORMAT:
                    raise DataError(f"{path} has another format than {FORMAT}; delete it and it is made again")
                self.slice_id: str = about["slice"]
                self.tracks: list[tuple[str, str]] = [(name, family) for name, family in about["tracks"]]
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
        """All encoded crops, one behind the other, mapped and not read.

        Raises:
            DataError: the file was replaced since it was opened.
        """
        blob = _map_tensor(self.path, "blob") if len(self) else np.empty(0, np.uint8)
        if len(blob) != self.offsets[-1]:
            raise DataError(f"{self.path} has changed since it was opened; start again")
        return blob


def write_shard(path: Path, tracks: list[CutTrack], bad: list[Bad], slice_id: str) -> None:
    """Write one shard, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    jpegs = [jpeg for track in tracks for jpeg in track.jpegs]
    tensors: dict[str, NDArray[Any]] = {
        "blob": np.concatenate(jpegs) if jpegs else np.empty(0, np.uint8),
        "offsets": np.cumsum([0, *map(len, jpegs)], dtype=np.int64),
        "counts": np.array([len(track.jpegs) for track in tracks], dtype=np.int64),
        "frames": np.array([frame for track in tracks for frame in track.frames], dtype=np.int64),
        "sizes_wh": np.array([size for track in tracks for size in track.sizes_wh], dtype=np.float32).reshape(-1, 2),
        "boxed": np.array([track.boxed for track in tracks], dtype=np.uint8),
    }
    about = {
        "format": FORMAT,
        "slice": slice_id,
        "tracks": [(track.name, track.family) for track in tracks],
        "bad": bad,
    }
    replace_file(path, save(tensors, metadata={_META: json.dumps(about)}))


def _map_tensor(path: Path, name: str) -> NDArray[np.uint8]:
    """A uint8 tensor of a safetensors file, mapped, not read: `safe_open` would copy all of it into memory."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        begin, end = json.loads(stream.read(length))[name]["data_offsets"]
    return np.memmap(path, np.uint8, "r", offset=8 + length + begin, shape=(end - begin,))
