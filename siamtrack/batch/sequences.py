"""What is on disk as jobs: a manifest, or a folder of videos and sequences.

    NAME.mp4 (.avi .mkv .mov .webm) or a folder NAME of images, with NAME.txt, whose first line is x,y,w,h in the
        first frame, or with NAME.csv, a manifest without the column `video`
    NAME/groundtruth.txt with images beside it (GOT-10k); its first line counts. list.txt may say which folders
    NAME/img1 with NAME/gt/gt.txt or NAME/det/det.txt (MOT)

The folder may also be one such sequence itself.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

from siamtrack.batch.jobs import JobList, Refusal, TargetJob, VideoJob, completed
from siamtrack.batch.manifest import SUFFIXES, read_manifest
from siamtrack.boxes import parse_box
from siamtrack.data.label_files import below, folders, read_text
from siamtrack.data.pictures import holds_pictures
from siamtrack.data.sequence_folders import VIDEO_SUFFIXES
from siamtrack.errors import DataError

ONLY = "target"
"""Name of the target where a box file knows one only."""

_IMAGES = "img1"


def open_jobs(path: str | Path) -> JobList:
    """Read jobs from disk.

    Args:
        path: a manifest (.csv, .jsonl: see `siamtrack.batch.manifest`), or a folder as above.

    Raises:
        FileNotFoundError: nothing is there.
        DataError: it has no known form, or nothing in it can be used.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} not found; give a folder of videos, or a .csv or .jsonl manifest")
    if path.is_dir():
        found = _read_folder(Path(os.path.abspath(path)))  # "." has no name
    elif path.suffix.lower() in SUFFIXES:
        found = read_manifest(path)
    else:
        raise DataError(f"{path} is neither a folder nor a manifest; manifests end in {' or '.join(SUFFIXES)}")
    if not found.videos and not found.refused:
        raise DataError(f"{path} names no target below its header")
    if not found.videos:
        first = found.refused[0]
        more = f" (and {len(found.refused) - 1} more)" if len(found.refused) > 1 else ""
        raise DataError(f"nothing in {path} can be tracked: {first.where}: {first.reason}{more}")
    return found


def _read_folder(root: Path) -> JobList:
    refused: list[Refusal] = []
    try:
        places = _places(root, refused)
        videos = [_video(root, name, paths, refused) for name, paths in places.items()]
    except OSError as error:
        raise DataError(f"{error.filename or root} cannot be read ({error.strerror})") from error
    if not places and not refused:
        raise DataError(
            f"{root} holds no jobs; wanted are NAME.mp4 with NAME.txt or NAME.csv beside it, NAME/groundtruth.txt with "
            f"images, or NAME/{_IMAGES} with NAME/gt/gt.txt"
        )
    return JobList(completed([video for video in videos if video is not None]), tuple(refused))


def _places(root: Path, refused: list[Refusal]) -> dict[str, list[Path]]:
    """What may be a video with its boxes, by name; a pipe, or a folder that cannot be looked into (lost+found), is refused."""
    if (root / _IMAGES).is_dir() or (root / "groundtruth.txt").is_file():
        return {root.name: [root]}
    listing = root / "list.txt"
    if listing.is_file():
        names = [line.strip() for line in read_text(listing).splitlines() if line.strip()]
        return {name: [below(root, name, listing)] for name in names}
    places: dict[str, list[Path]] = {}
    for path in sorted(root.iterdir()):
        if path.suffix.lower() not in VIDEO_SUFFIXES or path.name.startswith(".") or path.is_dir():
            continue
        if path.is_file():
            places.setdefault(path.stem, []).append(path)
        else:
            refused.append(Refusal(path.name, path.name, "", "it is no file, nor a link to one"))
    for path in folders(root):
        try:
            parts = (path / _IMAGES).is_dir() or (path / "groundtruth.txt").is_file()
            if parts or _box_files(path) or holds_pictures(path):
                places.setdefault(path.name, []).append(path)
        except OSError as error:
            refused.append(Refusal(path.name, path.name, "", f"the folder cannot be read ({error.strerror})"))
    return places


def _video(root: Path, name: str, paths: list[Path], refused: list[Refusal]) -> VideoJob | None:
    """A video with its targets; what of it cannot be used is refused."""
    where, label = name, paths[0].name
    try:
        if len(paths) > 1:
            where = " and ".join(path.name for path in paths)
            raise DataError(f"{where} share the boxes of {name}; keep one of them")
        video, boxes = _with_boxes(paths[0])
        label = (video.relative_to(root) if video != root else Path(root.name)).as_posix()
        where = boxes.relative_to(root).as_posix() if boxes.is_relative_to(root) else boxes.name
        targets = []
        for target in _targets(video, boxes, label, refused):
            wrong = target.problem()
            if wrong is None:
                targets.append(target)
            else:
                refused.append(Refusal(where, label, target.name, wrong))
    except (DataError, ValueError, OSError) as error:
        reason = f"{error.filename or label} cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
        refused.append(Refusal(where, label, "", reason))
        return None
    return VideoJob(str(video), tuple(targets), name, label) if targets else None


def _with_boxes(path: Path) -> tuple[Path, Path]:
    """Where a video's frames are, and the file that says what to follow.

    Raises:
        DataError: there is no such file, or more than one.
    """
    files = _box_files(path)
    mot = [file for file in (path / "gt" / "gt.txt", path / "det" / "det.txt") if file.is_file()]
    if mot and (path / _IMAGES).is_dir():
        return path / _IMAGES, mot[0]
    if (path / "groundtruth.txt").is_file() and not files:
        return path, path / "groundtruth.txt"
    if not path.exists():
        raise DataError(f"{path} not found; list.txt names it")
    if not files:
        stem = path.name if path.is_dir() else path.stem
        raise DataError(f"no {stem}.txt or {stem}.csv beside it says what to follow")
    if len(files) > 1:
        raise DataError(f"both {files[0].name} and {files[1].name} say what to follow; keep one of them")
    return path, files[0]


def _box_files(path: Path) -> list[Path]:
    stem = path.name if path.is_dir() else path.stem
    return [file for suffix in (".csv", ".txt") if (file := path.with_name(stem + suffix)).is_file()]


def _targets(video: Path, boxes: Path, label: str, refused: list[Refusal]) -> tuple[TargetJob, ...]:
    if boxes.name in ("gt.txt", "det.txt") and video.name == _IMAGES:
        return _read_mot(boxes)
    if boxes.suffix != ".csv":
        first = next((line for line in read_text(boxes).splitlines() if line.strip()), "")
        return (TargetJob(ONLY, parse_box(first)),)
    found = read_manifest(boxes, boxes.stem)
    refused += [Refusal(line.where, label, line.target, line.reason) for line in found.refused]
    if not found.videos and not found.refused:
        raise DataError(f"{boxes} names no target below its header")
    return found.videos[0].targets if found.videos else ()


def _read_mot(path: Path) -> tuple[TargetJob, ...]:
    """The targets of gt.txt or det.txt, by the frames in which they start.

    A line is `frame,id,left,top,width,height` and more, frames and pixels counted from 1. A track's first box is the
    target, from its first to its last frame. Lines of gt.txt whose seventh number is 0 are passed over, as the MOT
    benchmark does. Where det.txt names no tracks (id -1), the boxes of its first frame are the targets.
    """
    boxes: list[tuple[int, int, tuple[float, float, float, float]]] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = [float(part) for part in line.replace(",", " ").split()]
        except ValueError:
            values = []
        if len(values) < 6 or not all(map(math.isfinite, values[:6])) or values[0] < 1 or any(v % 1 for v in values[:2]):
            wanted = "frame,id,left,top,width,height from frame 1 on"
            raise DataError(f"{path}, line {number}: {line.strip()[:60]!r} is not {wanted}")
        frame, track, left, top, width, height = values[:6]
        if path.name != "gt.txt" or len(values) < 7 or values[6] != 0:
            boxes.append((int(frame) - 1, int(track), (left - 1, top - 1, width, height)))
    if not boxes:
        raise DataError(f"{path} holds no box that counts; lines frame,id,left,top,width,height are wanted")
    boxes.sort(key=lambda box: box[0])
    start = boxes[0][0]
    if all(track == -1 for _, track, _ in boxes):
        first = [box for frame, _, box in boxes if frame == start]
        return tuple(TargetJob(str(number), box, start) for number, box in enumerate(first, 1))
    tracks: dict[int, TargetJob] = {}
    for frame, track, box in boxes:
        known = tracks.get(track)
        tracks[track] = replace(known, end=frame) if known else TargetJob(str(track), box, frame, frame)
    return tuple(target for track, target in tracks.items() if track >= 0)
