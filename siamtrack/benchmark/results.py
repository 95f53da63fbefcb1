"""Results of an evaluation on disk, in the folders that the GOT-10k toolkit uses.

    OUT/results/TRACKER/tracker.json              which tracker, weights and settings made them
    OUT/results/TRACKER/SEQUENCE/SEQUENCE_001.txt   one `x,y,w,h` line a frame
    OUT/results/TRACKER/SEQUENCE/SEQUENCE_time.txt  seconds of each frame, 0 for the first
    OUT/results/TRACKER/SEQUENCE/SEQUENCE_score.txt the tracker's own scores, `nan` where it has none

The boxes are written last and by renaming: a sequence whose boxes are there is finished.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import DataError
from siamtrack.video.results import write_whole


class SequenceResult(NamedTuple):
    """What one tracker said of a sequence of N frames.

    Attributes:
        boxes_xywh: (N, 4), 0-based; the first was given.
        seconds: (N,) of each `update`; 0 for the first frame.
        scores: (N,), NaN where the tracker has none.
    """

    boxes_xywh: NDArray[np.float64]
    seconds: NDArray[np.float64]
    scores: NDArray[np.float64]


class ResultStore:
    """One tracker's results in the folder of an evaluation.

    Args:
        out: the evaluation's folder.
        tracker: the tracker's name; what cannot stand in a file name becomes `-`.
    """

    def __init__(self, out: Path, tracker: str) -> None:
        self.name = re.sub(r"[^\w.=+-]+", "-", tracker)
        self.root = out / "results"
        self.folder = self.root / self.name

    def claim(self, identity: Mapping[str, Any]) -> None:
        """Write down whose results these are, or check that they are of the same tracker.

        Raises:
            DataError: results of another tracker, other weights or other settings are in the way.
            OutputError: the folder cannot be written.
        """
        path = self.folder / "tracker.json"
        wanted = json.loads(json.dumps(identity))
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise DataError(f"{path} is not readable as JSON; remove {self.folder} or give another --out") from error
            differing = sorted(key for key in {*wanted, *found} if wanted.get(key) != found.get(key))
            if differing:
                key = differing[0]
                raise DataError(
                    f"{self.folder} holds results of another tracker: {', '.join(differing)} differ ({key}: {found.get(key)!r} "
                    f"there, {wanted.get(key)!r} now); give another --out, or remove that folder"
                )
            return
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise DataError(f"{self.folder} holds results that do not say whose they are; give another --out, or remove it")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(wanted, indent=2, sort_keys=True) + "\n")

    def boxes_path(self, sequence: str) -> Path:
        """The file that says that a sequence is finished."""
        return self.folder / sequence / f"{sequence}_001.txt"

    def has(self, sequence: str, frames: int) -> bool:
        """Whether a sequence is finished.

        Raises:
            DataError: its file has another number of boxes than the sequence has frames.
        """
        path = self.boxes_path(sequence)
        if not path.is_file():
            return False
        found = len(read_boxes(path))
        if found != frames:
            raise DataError(f"{path} holds {found} boxes for {frames} frames; it was cut or changed: remove it to run it again")
        return True

    def write(self, sequence: str, result: SequenceResult) -> None:
        """Keep a sequence's result.

        Raises:
            OutputError: it cannot be written; then the sequence counts as not finished.
        """
        folder = self.folder / sequence
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{sequence}_time.txt", "".join(f"{value:.8f}\n" for value in result.seconds))
        write_whole(folder / f"{sequence}_score.txt", "".join(f"{value:.4f}\n" for value in result.scores))
        lines = (",".join(f"{value:.4f}" for value in box) + "\n" for box in result.boxes_xywh)
        write_whole(self.boxes_path(sequence), "".join(lines))

    def read(self, sequence: str, frames: int) -> SequenceResult:
        """A finished sequence's result.

        Raises:
            DataError: it is missing, cut or damaged.
        """
        if not self.has(sequence, frames):
            raise DataError(f"{self.boxes_path(sequence)} not found; the same command without --report runs what is missing")
        folder = self.folder / sequence
        return SequenceResult(
            read_boxes(self.boxes_path(sequence)),
            _numbers(folder / f"{sequence}_time.txt", frames, 0.0),
            _numbers(folder / f"{sequence}_score.txt", frames, float("nan")),
        )


def read_boxes(path: Path) -> NDArray[np.float64]:
    """(N, 4) of a file with one `x,y,w,h` line a box.

    Raises:
        DataError: a line that is not four finite numbers; the message has its number.
    """
    return np.array(parse_boxes(path.read_bytes(), str(path)), dtype=np.float64).reshape(-1, 4)


def parse_boxes(data: bytes, where: str) -> list[list[float]]:
    """Boxes of a file's content, one `x,y,w,h` line each.

    Raises:
        DataError: as `read_boxes`; `where` names the file.
    """
    boxes = []
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        try:
            box = [float(word) for word in line.split(",")]
        except ValueError:
            box = []
        if len(box) != 4 or not np.isfinite(box).all():
            raise DataError(f"{where}, line {number}: {line[:60]!r} is not x,y,w,h; remove the file to run the sequence again")
        boxes.append(box)
    return boxes


def _numbers(path: Path, count: int, missing: float) -> NDArray[np.float64]:
    """(count,) numbers, one a line; `missing` throughout where the file is not there or not whole: boxes are what counts."""
    try:
        values = np.array([float(line.split(",")[0]) for line in path.read_text(encoding="utf-8").splitlines()])
    except (OSError, ValueError):
        values = np.zeros(0)
    return values if len(values) == count else np.full(count, missing)
