"""Which boxes of a video are exported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siamtrack.labels.options import LabelOptions
from siamtrack.labels.tracks import Track, VideoTracks
from siamtrack.tracking.result import State


@dataclass(frozen=True, eq=False)
class Chosen:
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


def choose(video: VideoTracks, options: LabelOptions) -> tuple[Chosen, ...]:
    """All tracks of a video, with the rows that the options keep."""
    first = video.first_frame  # one beginning for all tracks: their kept frames must be the same ones
    chosen = []
    for number, track in enumerate(video.tracks, 1):
        kept = track.take((track.frames - first) % options.every == 0)
        seen = (kept.scores >= options.min_score) & (kept.boxes_xywh[:, 2:] > 0).all(axis=1)
        if not options.keep_lost:
            seen &= kept.states != State.LOST.value
        chosen.append(Chosen(number, options.label_of(track.target), kept, seen, int(track.frames[-1]) + 1))
    return tuple(chosen)


def by_frame(chosen: tuple[Chosen, ...]) -> dict[int, list[tuple[Chosen, int]]]:
    """The exported boxes of every kept frame, as a track and its row; frames ascend, and some have no box."""
    found: dict[int, list[tuple[Chosen, int]]] = {}
    for one in chosen:
        for row, frame in enumerate(one.track.frames.tolist()):
            boxes = found.setdefault(frame, [])
            if one.seen[row]:
                boxes.append((one, row))
    return dict(sorted(found.items()))
