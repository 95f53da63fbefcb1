"""Which boxes of a video are exported, and under which names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import shown
from siamtrack.labels.files import clean_label
from siamtrack.labels.tracks import Track, VideoTracks
from siamtrack.outside import MAX_INT
from siamtrack.tracking.result import State

TARGET = "{target}"
"""Stands for the target's own name in a label."""

SUFFIXES = ("jpg", "png")


@dataclass(frozen=True)
class LabelOptions:
    """Options of every form; a form without names, or without frame images, has no use for some.

    Attributes:
        label: the category. `{target}` in it stands for the target's name, so that "{target}" alone gives every target
            a category of its own.
        keep_lost: export the boxes of LOST frames too. They are guesses.
        min_score: boxes that score less are left out.
        every: keep only each N-th frame, counted from the first tracked frame of the video.
        suffix: jpg or png: ending of a video's frames as images.
        force: write over files that exist.
        frames: also write the images that the labels name, where a form names images.

    Raises:
        ValueError: a value that cannot be used.
    """

    label: str = "object"
    keep_lost: bool = False
    min_score: float = 0.0
    every: int = 1
    suffix: str = "jpg"
    force: bool = False
    frames: bool = False

    def __post_init__(self) -> None:
        if not clean_label(self.label):
            raise ValueError(f"label {shown(self.label)} has no character that can be shown; give a name such as car")
        if not 0 <= self.min_score <= 1:
            raise ValueError(f"min_score {self.min_score} is not a score; give a number from 0 to 1")
        if not 1 <= self.every <= MAX_INT:
            raise ValueError(f"every {shown(self.every)} keeps no frame; give 1 for all frames, 10 for each tenth")
        if self.suffix not in SUFFIXES:
            raise ValueError(f"no frame images end in {self.suffix!r}; known: {', '.join(SUFFIXES)}")

    def label_of(self, target: str) -> str:
        """The category of a target."""
        return clean_label(self.label.replace(TARGET, target)) or "object"


DEFAULTS = LabelOptions()


@dataclass(frozen=True, eq=False)
class ExportedTrack:
    """What is exported of a track.

    Attributes:
        number: 1 for the video's first track; the track's id in every form.
        label: its category.
        track: its rows in the kept frames; there may be none.
        seen: for each of these rows, whether its box is exported.
        end_frame: the frame after the track's last one, kept or not.
    """

    number: int
    label: str
    track: Track
    seen: NDArray[np.bool_]
    end_frame: int


class ExportedBox(NamedTuple):
    """One box of a frame: number, label and name of its target, where it is (0-based pixels), its score and state."""

    number: int
    label: str
    target: str
    box: Box
    score: float
    state: str


def choose(video: VideoTracks, options: LabelOptions) -> tuple[ExportedTrack, ...]:
    """All tracks of a video, with the rows that the options keep."""
    first = video.first_frame  # one beginning for all tracks: their kept frames must be the same ones
    chosen = []
    for number, track in enumerate(video.tracks, 1):
        kept = track.take((track.frames - first) % options.every == 0)
        seen = (kept.scores >= options.min_score) & (kept.boxes_xywh[:, 2:] > 0).all(axis=1)
        if not options.keep_lost:
            seen &= kept.states != State.LOST.value
        chosen.append(ExportedTrack(number, options.label_of(track.target), kept, seen, int(track.frames[-1]) + 1))
    return tuple(chosen)


def by_frame(chosen: tuple[ExportedTrack, ...]) -> dict[int, list[ExportedBox]]:
    """The exported boxes of every kept frame; frames ascend, and some have no box."""
    found: dict[int, list[ExportedBox]] = {}
    for one in chosen:
        track = one.track
        rows = zip(track.frames.tolist(), one.seen, track.boxes_xywh.tolist(), track.scores.tolist(), track.states, strict=True)
        for frame, seen, box, score, state in rows:
            boxes = found.setdefault(frame, [])
            if seen:
                boxes.append(ExportedBox(one.number, one.label, track.target, Box(*box), score, str(state)))
    return dict(sorted(found.items()))


def class_numbers(chosen: Iterable[ExportedTrack], first: int) -> dict[str, int]:
    """The labels of all tracks that have a box, in alphabetical order, numbered from `first` on."""
    return {label: number for number, label in enumerate(sorted({one.label for one in chosen if one.seen.any()}), first)}
