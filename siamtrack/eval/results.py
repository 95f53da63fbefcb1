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
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import DataError, OutputError
from siamtrack.system import replace_file

if TYPE_CHECKING:
    from siamtrack.eval.evaluate import SequenceRun


class SequenceResult(NamedTuple):
    """What one tracker said of a sequence of N frames.

    Attributes:
        boxes_xywh: (N, 4), 0-based; the first was given.
        seconds: (N,) of each `update`; 0 for the first frame, and throughout where nobody measured.
        scores: (N,), NaN where the tracker has none.
    """

    boxes_xywh: NDArray[np.float64]
    seconds: NDArray[np.float64]
    scores: NDArray[np.float64]

    @property
    def measured_s(self) -> NDArray[np.float64]:
        """Seconds of the updates; empty where nobody measured."""
        return self.seconds[1:][self.seconds[1:] > 0]

    @classmethod
    def of(cls, run: SequenceRun) -> SequenceResult:
        """A run as it is kept: one line a frame in every file, though the first frame had no `update`."""
        return cls(run.boxes_xywh, np.concatenate([[0.0], run.seconds]), run.scores)


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
        path = self.identity_path
        wanted = json.loads(json.dumps(identity))
        if path.is_file():
            found = read_identity(path)
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
        write_folder(self.folder, {path.name: json.dumps(wanted, indent=2, sort_keys=True) + "\n"})

    @property
    def identity_path(self) -> Path:
        """The file that says whose results these are."""
        return self.folder / "tracker.json"

    def boxes_path(self, sequence: str) -> Path:
        """The file that says that a sequence is finished."""
        return self.path(sequence, "001")

    def path(self, sequence: str, end: str) -> Path:
        """One of a sequence's files, by what its name ends with: `001` for the boxes, `time`, `score`."""
        return self.folder / sequence / f"{sequence}_{end}.txt"

    def has(self, sequence: str, frames: int) -> bool:
        """Whether a sequence is finished.

        Raises:
            DataError: its file was cut or damaged, or has another number of boxes than the sequence has frames.
        """
        return self._boxes(sequence, frames) is not None

    def write(self, sequence: str, result: SequenceResult) -> None:
        """Keep a sequence's result.

        Raises:
            OutputError: it cannot be written; then the sequence counts as not finished.
        """
        files = {
            self.path(sequence, "time").name: "".join(f"{value:.8f}\n" for value in result.seconds),
            self.path(sequence, "score").name: "".join(f"{value:.4f}\n" for value in result.scores),
            # The last, because it is what says that the sequence is finished.
            self.boxes_path(sequence).name: "".join(
                ",".join(f"{value:.4f}" for value in box) + "\n" for box in result.boxes_xywh
            ),
        }
        write_folder(
            self.boxes_path(sequence).parent, files, "finished sequences are kept, and the same command goes on once it can"
        )

    def read(self, sequence: str, frames: int) -> SequenceResult:
        """A finished sequence's result.

        Raises:
            DataError: it is missing, cut or damaged.
        """
        boxes = self._boxes(sequence, frames)
        if boxes is None:
            raise DataError(f"{self.boxes_path(sequence)} not found; siamtrack eval with the same --out runs what is missing")
        return SequenceResult(
            boxes,
            _numbers(self.path(sequence, "time"), frames, 0.0),
            _numbers(self.path(sequence, "score"), frames, float("nan")),
        )

    def _boxes(self, sequence: str, frames: int) -> NDArray[np.float64] | None:
        path = self.boxes_path(sequence)
        if not path.is_file():
            return None
        boxes = read_boxes(path)
        if len(boxes) != frames:
            raise DataError(
                f"{path} holds {len(boxes)} boxes for {frames} frames; it was cut or changed: remove it to run it again"
            )
        return boxes


def write_folder(folder: Path, files: Mapping[str, str | bytes], advice: str = "give --out a folder that can") -> None:
    """Write files into a folder, each whole or not at all, in the order in which they are given.

    Args:
        folder: is made if missing.
        files: their contents by name; text as UTF-8.
        advice: what an error ends with.

    Raises:
        OutputError: the folder cannot be made, or a file not written. Those before it are there, and of it and those after
            it whatever was there before.
    """
    path = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            path = folder / name
            replace_file(path, data.encode() if isinstance(data, str) else data)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}); {advice}") from error


def read_boxes(path: Path) -> NDArray[np.float64]:
    """(N, 4) of a file with one `x,y,w,h` line a box.

    Raises:
        DataError: a line that is not four finite numbers, or the last one has no end; the message has its number.
    """
    return np.array(parse_boxes(path.read_bytes(), str(path)), dtype=np.float64).reshape(-1, 4)


def parse_boxes(data: bytes, where: str) -> list[list[float]]:
    """Boxes of a file's content, one `x,y,w,h` line each.

    Raises:
        DataError: as `read_boxes`; `where` names the file.
    """
    boxes = []
    *lines, rest = data.decode(errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        try:
            box = [float(word) for word in line.split(",")]
        except ValueError:
            box = []
        if len(box) != 4 or not np.isfinite(box).all():
            raise DataError(f"{where}, line {number}: {line[:60]!r} is not x,y,w,h; remove the file to run the sequence again")
        boxes.append(box)
    # Cut within its last number, a line is still four numbers.
    if rest:
        raise DataError(f"{where}, line {len(lines) + 1}: {rest[:60]!r} is cut; remove the file to run the sequence again")
    return boxes


def read_identity(path: Path) -> dict[str, Any]:
    """What a `tracker.json` says of the results beside it.

    Raises:
        DataError: it cannot be read, or does not name a tracker.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not readable as JSON; give another --out, or remove {path.parent}") from error
    if not isinstance(found, dict) or "tracker" not in found:
        raise DataError(f"{path} does not say which tracker it is of; give another --out, or remove {path.parent}")
    return found


def _numbers(path: Path, count: int, missing: float) -> NDArray[np.float64]:
    """(count,) numbers, one a line; `missing` throughout where the file is not there or not whole: boxes are what counts."""
    try:
        text = path.read_text(encoding="utf-8")
        values = np.array([float(line.split(",")[0]) for line in text.splitlines()])
    except (OSError, ValueError):
        return np.full(count, missing)
    return values if len(values) == count and text.endswith("\n") else np.full(count, missing)
