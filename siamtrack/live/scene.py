"""What live sessions and films show: a frame with its targets, and what these are called and drawn with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import cv2

from siamtrack.boxes import Box
from siamtrack.errors import OutputError
from siamtrack.live.capture import Captured
from siamtrack.system import make_folder, write_whole
from siamtrack.tracking.result import TrackResult
from siamtrack.video.overlay import SeenTarget, draw_targets

MAX_TARGETS = 32
"""Targets of one session at a time: each costs a search region a frame."""

TRAIL = 48
"""Centres that a trail remembers."""


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


@dataclass
class Marked:
    """What a target is called and drawn with: `target-N` and the colour of that number, until a user says otherwise."""

    name: str
    number: int
    color: int = field(default=0, kw_only=True)

    def seen(self, result: TrackResult, trail: Sequence[tuple[float, float]]) -> SeenTarget:
        """The target with a result."""
        label = "" if self.name == f"target-{self.number}" else self.name
        return SeenTarget(self.name, self.number, result, tuple(trail), label, self.color)


def upright(box: Sequence[float]) -> Box:
    """A box drawn in any direction."""
    x, y, w, h = (float(value) for value in box)
    return Box(min(x, x + w), min(y, y + h), abs(w), abs(h))


def free_name(wanted: str, is_taken: Callable[[str], bool]) -> str:
    """A name for a target and its folder: letters, digits, - and _, with a number behind it if that is taken.

    Raises:
        ValueError: nothing of the name can be kept.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-")[:40]
    if not plain:
        raise ValueError("a name needs letters or digits, such as car")
    names = (plain if i == 1 else f"{plain}-{i}" for i in count(1))
    return next(name for name in names if not is_taken(name))


def write_screenshot(folder: Path, scene: Scene) -> Path:
    """Write a scene as a PNG under a name that is free.

    Raises:
        OutputError: it cannot be written.
    """
    make_folder(folder)
    path = _unused(folder, "screenshot-{}.png")
    ok, data = cv2.imencode(".png", draw_targets(scene.frame.image, scene.targets))
    if not ok:
        raise OutputError(f"{path} cannot be written: the picture could not be encoded")
    write_whole(path, data.tobytes())
    return path


def _unused(folder: Path, pattern: str) -> Path:
    """The first file name of a numbered kind that is free."""
    number = 1
    while (folder / pattern.format(number)).exists():
        number += 1
    return folder / pattern.format(number)
