"""One target's way through a live session: its newest result, its trail, its files."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siamtrack.live.capture import Captured
from siamtrack.tracking.result import State, TrackResult
from siamtrack.video.results import ResultWriter
from siamtrack.video.timing import FrameClock

TRAIL = 48
"""Centres that a trail remembers."""


@dataclass(frozen=True)
class Finished:
    """A target whose files are whole.

    Attributes:
        folder: of its files. frames: with a result. lost: how many of them were LOST.
    """

    folder: Path
    frames: int
    lost: int


@dataclass
class Track:
    """What a session keeps of one target beside the tracker's own state.

    Attributes:
        number: counts from 1 in the order of drawing.
        writer: of its files.
        result, trail: the newest result, and the centres of the last ones.
    """

    number: int
    writer: ResultWriter
    result: TrackResult
    trail: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=TRAIL))
    clocks: tuple[FrameClock, FrameClock] = field(default_factory=lambda: (FrameClock(), FrameClock()))
    last_index: int = -1
    first: dict[str, Any] = field(default_factory=dict)
    lost: int = 0

    def take(self, frame: Captured, result: TrackResult, tracker_s: float | None = None, network_s: float = 0.0) -> None:
        """Remember a frame's result and write it."""
        self.result = result
        self.trail.append(result.box.center_xy)
        if not self.first:
            size = list(frame.image.shape[1::-1])
            self.first = {"start": frame.index, "box": list(result.box), "frame_wh": size}
        if tracker_s is not None:
            self.clocks[0].add(network_s)
            self.clocks[1].add(tracker_s)
        # Drawn on a frame that was held while later ones went by, a target may meet its first index again.
        if frame.index > self.last_index:
            self.writer.add(frame.index, frame.time_s, result)
            self.lost += result.state is State.LOST
            self.last_index = frame.index

    def finish(self, run: dict[str, Any]) -> Finished:
        """Write the three files.

        Raises:
            OutputError: they cannot be written.
        """
        network, tracker = (clock.summary() for clock in self.clocks)
        fps = {"network": network, "tracker": tracker}
        self.writer.finish({**run, **self.first, "frames": self.writer.frames, "lost_frames": self.lost, "fps": fps})
        return Finished(self.writer.out, self.writer.frames, self.lost)
