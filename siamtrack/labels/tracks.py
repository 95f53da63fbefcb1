"""What was tracked in a video: one track a target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Track:
    """One target's results, a row a frame; all arrays are equally long and none is empty.

    Attributes:
        target: name of the target.
        folder: the run's folder.
        frames: 0-based numbers in the video, ascending; a live run leaves some out.
        times_s: seconds from the video's first frame.
        boxes_xywh: (n, 4), 0-based, pixels.
        scores: 0..1.
        states: TRACKING, UNCERTAIN or LOST.
    """

    target: str
    folder: Path
    frames: NDArray[np.int64]
    times_s: NDArray[np.float64]
    boxes_xywh: NDArray[np.float64]
    scores: NDArray[np.float64]
    states: NDArray[np.str_]

    def take(self, rows: NDArray[np.bool_]) -> Track:
        """The same track with only some of its rows."""
        return replace(
            self,
            frames=self.frames[rows],
            times_s=self.times_s[rows],
            boxes_xywh=self.boxes_xywh[rows],
            scores=self.scores[rows],
            states=self.states[rows],
        )


@dataclass(frozen=True, eq=False)
class VideoTracks:
    """All tracks of one video.

    Attributes:
        name: of the video; not yet fit for a file name.
        tracks: at least one, in natural order of their targets (`target-2` before `target-10`).
        source: the video as the runs name it; None where they do not.
        size_wh: frame size; None where the runs do not say it, then `siamtrack.labels.footage.frame_size` asks the video.
    """

    name: str
    tracks: tuple[Track, ...]
    source: str | None = None
    size_wh: tuple[int, int] | None = None

    @property
    def first_frame(self) -> int:
        """The first frame in which anything was tracked."""
        return min(int(track.frames[0]) for track in self.tracks)

    @property
    def end_frame(self) -> int:
        """The frame after the last one in which anything was tracked."""
        return max(int(track.frames[-1]) for track in self.tracks) + 1


@dataclass(frozen=True)
class Skipped:
    """A folder that gave no track.

    Attributes:
        folder: which one. reason: why, for a person.
    """

    folder: Path
    reason: str


@dataclass(frozen=True, eq=False)
class Results:
    """What a folder of results holds.

    Attributes:
        folder: the folder. videos: what can be exported. skipped: runs that failed or never finished.
    """

    folder: Path
    videos: tuple[VideoTracks, ...]
    skipped: tuple[Skipped, ...] = ()
