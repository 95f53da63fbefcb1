"""What a live session shows after one frame; windows draw it, servers send it."""

from __future__ import annotations

from dataclasses import dataclass

from siamtrack.live.capture import Captured
from siamtrack.tracking.result import TrackResult


@dataclass(frozen=True)
class SeenTarget:
    """One target in a scene.

    Attributes:
        name: such as `target-1`; also its folder of results.
        number: counts from 1 in the order of drawing; tells its colour and its key.
        result: of this frame.
        trail: centres of its last boxes, oldest first, frame pixels; the last one is this frame's.
    """

    name: str
    number: int
    result: TrackResult
    trail: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Scene:
    """A frame and everything known of it.

    Attributes:
        frame: the frame.
        targets: in the order of drawing.
        fps: frames per second of the session lately, everything included.
        tracking_s: seconds that the tracker took for this frame; 0 without targets.
        recording: whether this frame went into a recording.
        notice: something that the user should read, once; "" for nothing.
    """

    frame: Captured
    targets: tuple[SeenTarget, ...]
    fps: float
    tracking_s: float
    recording: bool
    notice: str
