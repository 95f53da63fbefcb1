"""A folder as jobs: videos and image folders with a box file each, GOT-10k sequences, MOT sequences, also side by side.

    NAME.mp4 (.avi .mkv .mov .webm) or a folder NAME of images, with NAME.txt, whose first line is x,y,w,h in the
        first frame, or with NAME.csv, a manifest without the column `video`
    NAME/groundtruth.txt with images beside it (GOT-10k); its first line counts. list.txt may say which folders
    NAME/img1 with NAME/gt/gt.txt or NAME/det/det.txt (MOT)

The folder may also be one such sequence itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from siamtrack.batch.jobs import JobList, Refusal, TargetJob, VideoJob, named
from siamtrack.batch.manifest import read_targets
from siamtrack.batch.mot import IMAGES, mot_file, read_mot
from siamtrack.boxes import parse_box
from siamtrack.data.labels import below, folders, read_text
from siamtrack.data.pictures import holds_pictures
from siamtrack.data.videos import VIDEO_SUFFIXES
from siamtrack.errors import DataError

ONLY = "target"
"""Name of the target where a box file knows one only."""


@dataclass(frozen=True)
class _Entry:
    """One video of a folder. `name` is its own, `boxes` the file that says what to follow."""

    name: str
    path: Path
    boxes: Path


def read_folder(root: Path) -> JobList:
    """Find the videos of a folder, and what is to be followed in them.

    Raises:
        DataError: it cannot be read, or nothing in it is a video.
    """
    root = Path(os.path.abspath(root))  # "." has no name
    videos: list[VideoJob] = []
    refused: list[Refusal] = []
    try:
        entries = _entries(root, refused)
        for entry in entries:
            label = (entry.path.relative_to(root) if entry.path != root else Path(root.name)).as_posix()
            where = entry.boxes.relative_to(root).as_posix()
            try:
                targets = _targets(entry, where, label, refused)
            except (DataError, ValueError) as error:
                refused.append(Refusal(where, label, "", str(error)))
                continue
            if targets:
                videos.append(VideoJob(str(entry.path), tuple(targets), entry.name, label))
    except OSError as error:
        raise DataError(f"{error.filename or root} cannot be read ({error.strerror})") from error
    if not videos and not refused:
        raise DataError(
            f"{root} holds no jobs; wanted are NAME.mp4 with NAME.txt or NAME.csv beside it, NAME/groundtruth.txt with "
            f"images, or NAME/{IMAGES} with NAME/gt/gt.txt"
        )
    return JobList(named(videos), tuple(refused))


def _entries(root: Path, refused: list[Refusal]) -> list[_Entry]:
    if (root / IMAGES).is_dir() or (root / "groundtruth.txt").is_file():
        found = _folder(root, root.name, refused)
        return [found] if found else []
    places: dict[str, list[Path]] = {}
    listing = root / "list.txt"
    if listing.is_file():
        for line in read_text(listing).splitlines():
            if line.strip():
                places[line.strip()] = [below(root, line.strip(), listing)]
    else:
        for path in sorted(root.iterdir()):
            if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".") and path.is_file():
                places.setdefault(path.stem, []).append(path)
        for path in folders(root):
            if _is_sequence(path):
                places.setdefault(path.name, []).append(path)
    entries = []
    for name, paths in places.items():
        if len(paths) > 1:
            both = " and ".join(path.name for path in paths)
            refused.append(Refusal(both, paths[0].name, "", f"{both} share the boxes of {name}; keep one of them"))
            continue
        entry = _folder(paths[0], name, refused) if not paths[0].is_file() else _beside(paths[0], name, refused)
        if entry:
            entries.append(entry)
    return entries


def _is_sequence(path: Path) -> bool:
    return bool(_box_files(path)) or (path / IMAGES).is_dir() or (path / "groundtruth.txt").is_file() or holds_pictures(path)


def _folder(path: Path, name: str, refused: list[Refusal]) -> _Entry | None:
    """A folder as an entry: its boxes lie beside it or within."""
    boxes = mot_file(path)
    if boxes and (path / IMAGES).is_dir():
        return _Entry(name, path / IMAGES, boxes)
    if (path / "groundtruth.txt").is_file() and not _box_files(path):
        return _Entry(name, path, path / "groundtruth.txt")
    return _beside(path, name, refused)


def _beside(path: Path, name: str, refused: list[Refusal]) -> _Entry | None:
    files = _box_files(path)
    stem = path.stem if path.is_file() else path.name
    if not path.exists():
        reason = f"{path} not found; list.txt names it"
    elif not files:
        reason = f"no {stem}.txt or {stem}.csv beside it says what to follow"
    elif len(files) > 1:
        reason = f"both {files[0].name} and {files[1].name} say what to follow; keep one of them"
    else:
        return _Entry(name, path, files[0])
    refused.append(Refusal(name, path.name, "", reason))
    return None


def _box_files(path: Path) -> list[Path]:
    stem = path.name if path.is_dir() else path.stem
    return [file for suffix in (".csv", ".txt") if (file := path.with_name(stem + suffix)).is_file()]


def _targets(entry: _Entry, where: str, label: str, refused: list[Refusal]) -> list[TargetJob]:
    if entry.boxes.name in ("gt.txt", "det.txt") and entry.path.name == IMAGES:
        targets = read_mot(entry.boxes)
    elif entry.boxes.suffix == ".csv":
        targets, bad = read_targets(entry.boxes)
        refused += [Refusal(line.where, label, line.target, line.reason) for line in bad]
        if not targets and not bad:
            raise DataError(f"{entry.boxes} names no target below its header")
    else:
        first = next((line for line in read_text(entry.boxes).splitlines() if line.strip()), "")
        targets = [TargetJob(ONLY, parse_box(first))]
    good = []
    for target in targets:
        wrong = target.problem()
        if wrong is None:
            good.append(target)
        else:
            refused.append(Refusal(where, label, target.name, wrong))
    return good
