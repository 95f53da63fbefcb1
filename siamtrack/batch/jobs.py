"""What a batch has to do: videos, each with its targets, as plain data; and the folders that their results get."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from siamtrack.boxes import four_numbers
from siamtrack.config import nearest
from siamtrack.errors import DataError, one_line, shown
from siamtrack.video.names import LONGEST, is_address, name_problem, source_name, stem_of, usable_name
from siamtrack.video.tracking_loop import DIRECTIONS, Direction, Span


@dataclass(frozen=True)
class TargetJob:
    """One target of a video.

    Attributes:
        name: also its folder of results.
        box_xywh: the target in frame `start`, 0-based pixels.
        start: 0-based index of the frame of the box.
        end: 0-based index of the last frame that is tracked; None for the video's last, or frame 0. See `Span`.
        direction: of `video.tracking_loop.DIRECTIONS`, from `start` on.
    """

    name: str
    box_xywh: tuple[float, float, float, float]
    start: int = 0
    end: int | None = None
    direction: Direction = "forward"

    @property
    def span(self) -> Span:
        """Its frames."""
        return Span(self.start, self.end, self.direction)

    @property
    def frames(self) -> tuple[int, float]:
        """The first and the last frame that it may be in; infinity where the video's end is not known."""
        first = self.start if self.direction == "forward" else 0 if self.direction == "both" else self.end or 0
        last = self.start if self.direction == "backward" else math.inf if self.end is None else self.end
        return first, last

    def problem(self) -> str | None:
        """What can be told to be wrong without the video; None if nothing."""
        wrong = name_problem(self.name)
        if wrong is not None:
            return f"target {self.name[:60]!r} cannot name a folder: it {wrong}"
        try:
            four_numbers(self.box_xywh)
        except ValueError:
            return f"box {shown(self.box_xywh)} is not four finite numbers x,y,w,h"
        if self.box_xywh[2] <= 0 or self.box_xywh[3] <= 0:
            return f"box {shown(tuple(self.box_xywh))} has a width or height of zero or less; w and h must be positive pixels"
        if self.start < 0:
            return f"start is {self.start}; frames are counted from 0"
        if self.direction not in DIRECTIONS:
            return f"direction is {shown(self.direction)}; {nearest(one_line(self.direction), DIRECTIONS)}"
        return self.span.problem()


@dataclass(frozen=True)
class VideoJob:
    """One video with its targets. Plain data: it can be sent to another process or machine.

    Attributes:
        path: a video file, a folder of images, or an address.
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

    def parts(self) -> list[VideoJob]:
        """The same video with some of its targets in each part, cut where no target is under way.

        Targets whose frames overlap stay together, for they share a batch of the network. Each part decodes the frames
        before it without tracking in them.
        """
        groups: list[list[TargetJob]] = []
        reached: float = -1
        for target in sorted(self.targets, key=lambda one: one.frames[0]):
            if not groups or target.frames[0] > reached:
                groups.append([])
            groups[-1].append(target)
            reached = max(reached, target.frames[1])
        return [replace(self, targets=tuple(group)) for group in groups]


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
        if len({target.name.casefold() for target in video.targets}) < len(video.targets):
            raise DataError(f"{video.path} has two targets of one name; names must differ, upper and lower case aside")
    labels = Counter(video.label or video.path for video in given)
    label, count = labels.most_common(1)[0]
    if count > 1:
        raise DataError(f"{label} is given twice; put all its targets into one VideoJob")
    return JobList(completed(given))


def completed(videos: Sequence[VideoJob]) -> tuple[VideoJob, ...]:
    """Videos with name, label, size and an absolute path, all names different; labels show no password."""
    labels = _told_apart([source_name(video.label or video.path) for video in videos])
    names = video_names(labels, [video.name or stem_of(video.path) for video in videos])
    paths = [video.path if is_address(video.path) else os.path.abspath(video.path) for video in videos]
    return tuple(
        replace(video, path=path, name=name, label=label, size=_size(path))
        for video, path, name, label in zip(videos, paths, names, labels, strict=True)
    )


def _told_apart(labels: Sequence[str]) -> list[str]:
    """The same labels, with a number after those that differ in what is not shown."""
    seen: Counter[str] = Counter()
    told = []
    for label in labels:
        seen[label] += 1
        told.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return told


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size if os.path.isfile(path) else None
    except (OSError, ValueError):
        return None


def video_names(labels: Sequence[str], stems: Sequence[str]) -> list[str]:
    """A folder's name for each video: its stem, and where stems collide, as much more as tells them apart.

    A video's name depends on the others' stems only, not on their order.

    Args:
        labels: the videos' paths as the jobs name them; all differ.
        stems: the names wished for.

    Returns:
        Names that can be folders and that differ, upper and lower case aside.
    """
    chosen = [""] * len(labels)
    for wishes in zip(*map(_wishes, labels, stems), strict=True):
        taken = {name.casefold() for name in chosen if name}
        count = Counter(wish.casefold() for wish, name in zip(wishes, chosen, strict=True) if not name)
        for i, wish in enumerate(wishes):
            if not chosen[i] and count[wish.casefold()] == 1 and wish.casefold() not in taken:
                chosen[i] = wish
    return chosen


def _wishes(label: str, stem: str) -> list[str]:
    """What a video would be called, from the short to the certain."""
    path, digest = PurePosixPath(label), hashlib.sha256(label.encode(errors="replace")).hexdigest()
    return [
        usable_name(stem),
        usable_name(path.name),  # clip.mp4 and clip.avi
        usable_name("-".join([path.parent.name, path.stem])),  # a/clip.mp4 and b/clip.mp4
        f"{usable_name(stem, LONGEST - 9)}-{digest[:8]}",
        digest,
    ]
