"""The archive that a benchmark's server takes, checked line by line before it is called ready."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from siamtrack.data.sequence import Sequence as Video
from siamtrack.errors import DataError, OutputError
from siamtrack.eval.results import ResultStore, parse_boxes

FIRST_BOX_TOLERANCE_PX = 0.01


def write_submission(store: ResultStore, videos: Sequence[Video], path: Path) -> Path:
    """Pack one tracker's results as GOT-10k's server wants them, and check what was packed.

    Args:
        store: the results. videos: all sequences of the test set, with their first boxes.
        path: the .zip.

    Returns:
        The path.

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
                    archive.writestr(entry, file.read_bytes())
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
            if np.abs(np.array(boxes[0]) - video.boxes_xywh[0]).max() > FIRST_BOX_TOLERANCE_PX:
                raise DataError(f"{path}: {name} begins with {boxes[0]}, the given box is {video.boxes_xywh[0].tolist()}")
            times = archive.read(f"{video.name}/{video.name}_time.txt").split()
            if len(times) != frames:
                raise DataError(f"{path}: {video.name}_time.txt has {len(times)} lines for {frames} frames")
