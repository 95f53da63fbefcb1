"""What a clip is, what it is made from, and how a sequence's frames are played."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError
from siamtrack.frames import Image

MIN_LABELLED = 30
"""Labelled frames in a row that a sequence needs: fewer, played forth and back, would repeat too often."""

VISIBLE = 0.5
"""Share of the box from which on the target counts as visible."""

Boxes = NDArray[np.float64]
Frames = Callable[[], Iterator[Image]]


class CannotMakeError(DataError):
    """A sequence cannot give a clip of some kind."""


class Remade:
    """Frames, (H, W, 3) BGR uint8, that are made anew each time they are iterated over."""

    def __init__(self, make: Frames) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Image]:
        return self._make()


@dataclass(frozen=True)
class AbsenceClip:
    """A clip in which the target is absent for a while.

    Attributes:
        name: `KIND_SOURCE`, a file name without its ending.
        kind: one of `KINDS`.
        source: the sequence's name.
        absent: the frames in which less than `VISIBLE` of the target is to be seen; they are in a row.
        boxes: (N, 4) `x, y, w, h`, 0-based pixels of the clip's frames; zeros where absent.
        frames: N frames, (H, W, 3) BGR uint8, of one size. Iterating decodes the sequence once, and may be repeated.
            A sequence played forth and back is held in memory as far as it is played, any other frame by frame.
            Raises SourceError or DataError where a sequence cannot be read.
    """

    name: str
    kind: str
    source: str
    absent: range
    boxes: Boxes
    frames: Remade


@dataclass(frozen=True)
class Lengths:
    """Lengths in frames.

    Attributes:
        before: with the target visible and nothing done to it, at the clip's beginning.
        after: behind the absence, at its end; of `removed`, which has none such, those of the absence.
        most: a clip has no more; absences are drawn shorter to fit. None: no limit.
    """

    before: int = 40
    after: int = 60
    most: int | None = None


class Made(NamedTuple):
    """What a kind makes of a sequence: the fields of `AbsenceClip` that differ, boxes not yet zeroed where absent."""

    absent: range
    boxes: Boxes
    frames: Frames


@dataclass(frozen=True)
class Scene:
    """What a clip is made from.

    Attributes:
        sequence: the source.
        others: sequences that frames may be borrowed from: none shows the same video.
        frame_wh: width and height of the source's frames, pixels.
        run: the source's frames that are played: labelled, in a row.
        lengths: how long the clip is to be.
    """

    sequence: Sequence
    others: tuple[Sequence, ...]
    frame_wh: tuple[int, int]
    run: range
    lengths: Lengths

    def draw(self, rng: np.random.Generator, limits: tuple[int, int], fixed: int) -> int:
        """The length of an absence, log-uniform.

        Args:
            rng: to draw by.
            limits: fewest and most frames.
            fixed: the clip's other frames.

        Raises:
            CannotMakeError: not even the shortest fits into `lengths.most`.
        """
        low, high = limits
        if self.lengths.most is not None:
            high = min(high, self.lengths.most - fixed)
        if high < low:
            raise CannotMakeError(f"needs {fixed + low} frames, {self.lengths.most} are allowed")
        return min(max(round(math.exp(rng.uniform(math.log(low), math.log(high)))), low), high)

    def played(self, count: int) -> tuple[list[int], Boxes]:
        """The numbers of the source's first `count` frames to play, and their (count, 4) boxes."""
        order = forth_and_back(self.run, count)
        return order, self.sequence.boxes_xywh[order]

    def other(self, rng: np.random.Generator) -> Sequence:
        """A sequence to borrow from.

        Raises:
            CannotMakeError: there is none.
        """
        if not self.others:
            raise CannotMakeError("needs frames of another sequence, and there is none of another video")
        return self.others[rng.integers(len(self.others))]


def look_at(sequence: Sequence, others: Iterable[Sequence], lengths: Lengths) -> Scene:
    """What all clips of a sequence have in common.

    Raises:
        CannotMakeError: too few frames are labelled in a row.
        SourceError, DataError: the first frame cannot be read.
    """
    runs = labelled_runs(sequence.visible)
    run = next((run for run in runs if len(run) >= MIN_LABELLED), None)
    if run is None:
        most = max(map(len, runs), default=0)
        raise CannotMakeError(f"{most} frames in a row are labelled, {MIN_LABELLED} are wanted")
    _, image = next(sequence.frames_at({0}))
    foreign = tuple(other for other in others if other.path != sequence.path and video_name(other) != video_name(sequence))
    return Scene(sequence, foreign, (image.shape[1], image.shape[0]), run, lengths)


def labelled_runs(visible: NDArray[np.bool_]) -> list[range]:
    """Where an (N,) array is True, as ranges in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], visible, [False])).astype(np.int8)))
    return [range(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def video_name(sequence: Sequence) -> str:
    """A name less its number: Jogging-1 and Jogging-2 are two targets of one video, each visible beside the other."""
    return re.sub(r"(?<!\d)[-_]?\d{1,2}$", "", sequence.name)  # longer numbers are all that some sets have as names


def forth_and_back(run: range, count: int) -> list[int]:
    """`count` numbers of a range in order, then backward, then forward, and so on; an end is not played twice."""
    period = max(1, 2 * (len(run) - 1))
    return [run[min(k % period, period - k % period)] if len(run) > 1 else run[0] for k in range(count)]


def play(sequence: Sequence, order: list[int]) -> Iterator[Image]:
    """A sequence's frames in any order, decoded once; those that are needed again are kept until then.

    Each frame given is the caller's own.

    Raises:
        SourceError, DataError: it cannot be read, or ends before.
    """
    uses = Counter(order)
    kept: dict[int, Image] = {}
    at = 0
    for index, image in sequence.frames_at(uses.keys()):
        kept[index] = image
        while order[at] in kept:
            wanted = order[at]
            uses[wanted] -= 1
            yield kept[wanted].copy() if uses[wanted] else kept.pop(wanted)
            at += 1
            if at == len(order):
                return
