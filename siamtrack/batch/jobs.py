"""What a batch has to do: videos, each with its targets, as plain data."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from siamtrack.batch.names import folded, name_problem, video_names
from siamtrack.errors import DataError


@dataclass(frozen=True)
class TargetJob:
    """One target of a video.

    Attributes:
        name: also its folder of results.
        box_xywh: the target in frame `start`, 0-based pixels.
        start: 0-based index of the first frame.
        end: 0-based index of the last frame that is tracked; None for the video's last.
    """

    name: str
    box_xywh: tuple[float, float, float, float]
    start: int = 0
    end: int | None = None

    def problem(self) -> str | None:
        """What can be told to be wrong without the video; None if nothing."""
        wrong = name_problem(self.name)
        if wrong is not None:
            return f"target {self.name[:60]!r} cannot name a folder: it {wrong}"
        if len(self.box_xywh) != 4 or not all(map(math.isfinite, self.box_xywh)):
            return f"box {self.box_xywh} is not four finite numbers x,y,w,h"
        if self.box_xywh[2] <= 0 or self.box_xywh[3] <= 0:
            return f"box {self.box_xywh} has a width or height of zero or less; w and h must be positive pixels"
        if self.start < 0:
            return f"start is {self.start}; frames are counted from 0"
        if self.end is not None and self.end < self.start:
            return f"end {self.end} comes before start {self.start}; end is the last frame that is tracked"
        return None


@dataclass(frozen=True)
class VideoJob:
    """One video with its targets. Plain data: it can be sent to another process or machine.

    Attributes:
        path: a video file or folder of images.
        targets: at least one; their names differ.
        name: folder of its results. Empty: the path's stem.
        label: the path as results and messages name it; relative where the jobs are. Empty: the path.
        size: bytes of the file, to tell a replaced video from the one that was tracked; None if unknown.
    """

    path: str
    targets: tuple[TargetJob, ...]
    name: str = ""
    label: str = ""
    size: int | None = None


@dataclass(frozen=True)
class Refusal:
    """A line or file of the jobs that cannot be used.

    Attributes:
        where: such as `jobs.csv, line 3`.
        video, target: as far as it names them.
        reason: one line.
    """

    where: str
    video: str
    target: str
    reason: str


@dataclass(frozen=True)
class JobList:
    """Everything that a batch has to do, and what of it cannot be done."""

    videos: tuple[VideoJob, ...]
    refused: tuple[Refusal, ...] = ()


def open_jobs(path: str | Path) -> JobList:
    """Read jobs from disk.

    Args:
        path: a manifest (.csv, .jsonl: see `manifest`), or a folder (videos with box files beside them, GOT-10k, MOT: see
            `sequences`).

    Raises:
        FileNotFoundError: nothing is there.
        DataError: it has no known form, or nothing in it can be used.
    """
    from siamtrack.batch import manifest, sequences  # they make what is defined above

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} not found; give a folder of videos, or a .csv or .jsonl manifest")
    if path.is_dir():
        found = sequences.read_folder(path)
    elif path.suffix.lower() in manifest.SUFFIXES:
        found = manifest.read_manifest(path)
    else:
        raise DataError(f"{path} is neither a folder nor a manifest; manifests end in {' or '.join(manifest.SUFFIXES)}")
    if not found.videos and not found.refused:
        raise DataError(f"{path} names no target below its header")
    if not found.videos:
        first = found.refused[0]
        more = f" (and {len(found.refused) - 1} more)" if len(found.refused) > 1 else ""
        raise DataError(f"nothing in {path} can be tracked: {first.where}: {first.reason}{more}")
    return found


def checked(videos: Iterable[VideoJob]) -> JobList:
    """Jobs made in Python, completed and checked.

    Raises:
        DataError: no jobs, or one that cannot be used.
    """
    given = list(videos)
    if not given:
        raise DataError("no jobs; give at least one VideoJob with one TargetJob")
    for video in given:
        if not video.targets:
            raise DataError(f"{video.path} has no targets; every VideoJob needs one")
        for target in video.targets:
            wrong = target.problem()
            if wrong is not None:
                raise DataError(f"{video.path}: {wrong}")
        names = [folded(target.name) for target in video.targets]
        if len(set(names)) < len(names):
            raise DataError(f"{video.path} has two targets of one name; names must differ, upper and lower case aside")
    labels = [video.label or video.path for video in given]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise DataError(f"{twice} is given twice; put all its targets into one VideoJob")
    return JobList(named(given))


def named(videos: Sequence[VideoJob]) -> tuple[VideoJob, ...]:
    """Videos with name, label, size and an absolute path, all names different."""
    labels = [video.label or video.path for video in videos]
    names = video_names(labels, [video.name or PurePath(video.path).stem for video in videos])
    return tuple(
        replace(video, path=os.path.abspath(video.path), name=name, label=label, size=_size(video.path))
        for video, name, label in zip(videos, names, labels, strict=True)
    )


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size if os.path.isfile(path) else None
    except (OSError, ValueError):
        return None
