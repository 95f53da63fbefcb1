"""Results of an evaluation on disk, in the folders that the GOT-10k toolkit uses.

    OUT/results/TRACKER/tracker.json              which tracker, weights and settings made them
    OUT/results/TRACKER/SEQUENCE/SEQUENCE_001.txt   one `x,y,w,h` line a frame
    OUT/results/TRACKER/SEQUENCE/SEQUENCE_time.txt  seconds of each frame, 0 for the first
    OUT/results/TRACKER/SEQUENCE/SEQUENCE_score.txt the tracker's own scores, `nan` where it has none

The boxes are written last and by renaming: a sequence whose boxes are there is finished. GOT-10k's server takes an archive of
boxes and times, which is checked line by line before it is called ready.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.data.sequence import Sequence as Video
from siamtrack.errors import DataError, OutputError, shown
from siamtrack.eval.sequence_run import SequenceRun
from siamtrack.outside import read_json
from siamtrack.system import MAX_TEXT, read_file, read_text, write_folder

FIRST_BOX_TOLERANCE_PX = 0.01


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
            DataError: results of another tracker, weights or settings are in the way. OutputError: it cannot be written.
        """
        path = self.identity_path
        wanted = json.loads(json.dumps(identity))
        if path.is_file():
            found = read_identity(path)
            differing = sorted(key for key in {*wanted, *found} if wanted.get(key) != found.get(key))
            if differing:
                there, here = (shown(each.get(differing[0])) for each in (found, wanted))
                raise DataError(
                    f"{self.folder} holds results of another tracker: {', '.join(differing)} differ ({differing[0]}: {there} "
                    f"there, {here} now); give another --out, or remove that folder"
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
        """Whether a sequence is finished; a DataError if its file is damaged, or has another number of boxes than `frames`."""
        return self._boxes(sequence, frames) is not None

    def write(self, run: SequenceRun) -> None:
        """Keep what a tracker did on a sequence: one line a frame in every file, though the first frame had no `update`.

        Raises:
            OutputError: it cannot be written; then the sequence counts as not finished.
        """
        boxes = self.boxes_path(run.name)
        files = {
            self.path(run.name, "time").name: "".join(f"{value:.8f}\n" for value in (0.0, *run.seconds)),
            self.path(run.name, "score").name: "".join(f"{value:.4f}\n" for value in run.scores),
            # The last, because it is what says that the sequence is finished.
            boxes.name: "".join(",".join(f"{value:.4f}" for value in box) + "\n" for box in run.boxes_xywh),
        }
        write_folder(boxes.parent, files, "finished sequences are kept, and the same command goes on once it can")

    def read(self, video: Video, frame_wh: tuple[int, int], cover: NDArray[np.float64] | None = None) -> SequenceRun:
        """What the tracker did on a finished sequence, beside its truth; a DataError if it is missing, cut or damaged."""
        frames = len(video.boxes_xywh)
        boxes = self._boxes(video.name, frames)
        if boxes is None:
            raise DataError(f"{self.boxes_path(video.name)} not found; siamtrack eval with the same --out runs what is missing")
        seconds = _numbers(self.path(video.name, "time"), frames, 0.0)[1:]
        scores = _numbers(self.path(video.name, "score"), frames, float("nan"))
        return SequenceRun(video.name, boxes, video.boxes_xywh, frame_wh, seconds[seconds > 0], scores, cover)

    def _boxes(self, sequence: str, frames: int) -> NDArray[np.float64] | None:
        path = self.boxes_path(sequence)
        if not path.is_file():
            return None
        boxes = parse_boxes(read_file(path, MAX_TEXT), str(path))
        if len(boxes) != frames:
            raise DataError(
                f"{path} holds {len(boxes)} boxes for {frames} frames; it was cut or changed: remove it to run it again"
            )
        return boxes


def parse_boxes(data: bytes, where: str) -> NDArray[np.float64]:
    """(N, 4) of a file's content with one `x,y,w,h` line a box; a DataError with line and `where` if one is not, or is cut."""
    boxes = []
    *lines, rest = data.decode(errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        try:
            box = [float(word) for word in line.split(",")]
        except ValueError:
            box = []
        if len(box) != 4 or not np.isfinite(box).all():
            raise DataError(
                f"{where}, line {number}: {shown(line[:60])} is not x,y,w,h; remove the file to run the sequence again"
            )
        boxes.append(box)
    # Cut within its last number, a line is still four numbers.
    if rest:
        raise DataError(f"{where}, line {len(lines) + 1}: {shown(rest[:60])} is cut; remove the file to run the sequence again")
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def read_identity(path: Path) -> dict[str, Any]:
    """What a `tracker.json` says of the results beside it; a DataError if it cannot be read, or names no tracker."""
    try:
        found = read_json(path)
    except (FileNotFoundError, DataError) as error:
        raise DataError(f"{path} is not readable as JSON; give another --out, or remove {path.parent}") from error
    if not isinstance(found, dict) or "tracker" not in found:
        raise DataError(f"{path} does not say which tracker it is of; give another --out, or remove {path.parent}")
    return found


def _numbers(path: Path, count: int, missing: float) -> NDArray[np.float64]:
    """(count,) numbers, one a line; `missing` throughout where the file is not there or not whole: boxes are what counts."""
    try:
        text = read_text(path)
        values = np.array([float(line.split(",")[0]) for line in text.splitlines()])
    except (OSError, ValueError):
        return np.full(count, missing)
    return values if len(values) == count and text.endswith("\n") else np.full(count, missing)


def write_submission(store: ResultStore, videos: Sequence[Video], path: Path) -> Path:
    """Pack one tracker's results as GOT-10k's server wants them, and check what was packed.

    Args:
        store: the results. videos: all sequences of the test set, with their first boxes. path: the .zip, which is returned.

    Raises:
        DataError: a sequence is missing, or its file is not what the server takes; no archive is left behind.
        OutputError: the archive cannot be written; one that was there is still there.
    """
    partial = path.with_suffix(".part")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for video in videos:
                boxes, times = store.boxes_path(video.name), store.path(video.name, "time")
                if not boxes.is_file():
                    raise DataError(f"{boxes} not found; all {len(videos)} sequences must be run before they are packed")
                if not times.is_file():
                    raise DataError(f"{times} not found, the server wants it; remove {boxes} to run the sequence again")
                for file in (boxes, times):
                    # A fixed date: the same results give the same archive.
                    entry = zipfile.ZipInfo(f"{video.name}/{file.name}", (1980, 1, 1, 0, 0, 0))
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, read_file(file, MAX_TEXT))
        check_submission(partial, videos)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); the results that it is made of are kept") from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def check_submission(path: Path, videos: Sequence[Video]) -> None:
    """Nothing, if an archive is what GOT-10k's server takes.

    Raises:
        DataError: a name is missing or unknown, a file has another number of lines than the sequence has frames, a line
            is not four finite numbers with commas between them, or the first box is not the given one.
    """
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        wanted = {f"{video.name}/{video.name}_{end}.txt" for video in videos for end in ("001", "time")}
        for kind, found in (("lacks", wanted - names), ("holds beside what is wanted", names - wanted)):
            if found:
                raise DataError(f"{path} {kind} {len(found)} files: {', '.join(sorted(found)[:3])}")
        for video in videos:
            name = f"{video.name}/{video.name}_001.txt"
            boxes = parse_boxes(archive.read(name), f"{path}: {name}")
            frames = len(video.boxes_xywh)
            if len(boxes) != frames:
                raise DataError(f"{path}: {name} has {len(boxes)} lines for {frames} frames")
            if np.abs(boxes[0] - video.boxes_xywh[0]).max() > FIRST_BOX_TOLERANCE_PX:
                raise DataError(
                    f"{path}: {name} begins with {boxes[0].tolist()}, the given box is {video.boxes_xywh[0].tolist()}"
                )
            times = archive.read(f"{video.name}/{video.name}_time.txt").split()
            if len(times) != frames:
                raise DataError(f"{path}: {video.name}_time.txt has {len(times)} lines for {frames} frames")
