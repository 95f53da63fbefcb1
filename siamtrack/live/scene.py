"""What live sessions and films show: a frame with its targets, and what these are called and drawn with."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Generic, TypeVar

from siamtrack.boxes import Box
from siamtrack.frames import encoded
from siamtrack.live.capture import Captured
from siamtrack.system import make_folder, write_whole
from siamtrack.tracking.result import TrackResult
from siamtrack.video.overlay import SeenTarget, draw_targets
from siamtrack.video.recorder import RunSummary

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


T = TypeVar("T", bound=Marked)


class ShownTargets(ABC, Generic[T]):
    """What a live session and a film have in common: targets by their names, and a scene that shows them.

    Args:
        out: folder of the results.

    Attributes:
        scene: what the newest frame shows; None before the first.
        finished: targets whose files are written.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.scene: Scene | None = None
        self.finished: list[RunSummary] = []
        self._targets: dict[str, T] = {}
        self._steps: deque[float] = deque(maxlen=30)  # when the last frames were there
        self._lock = threading.RLock()

    def rename(self, name: str, to: str, color: int = 0) -> str:
        """Give a target another name, of its folder and so of its category in labels, and another colour.

        Args:
            name: that it has. to: letters, digits, - and _ are kept; "" for the one that it has.
            color: number whose colour it gets; 0 for the one that it has.

        Returns:
            The new name: with a number, if another target has it.

        Raises:
            KeyError: no such target. ValueError: nothing of the new name can be kept.
            OutputError: its folder cannot be renamed.
        """
        with self._lock:
            target = self._targets[name]
            new = free_name(to, lambda other: other != name and self._is_taken(other)) if to else name
            if new != name:
                self._move(target, new)
                target.name = new
                self._targets = {one.name: one for one in self._targets.values()}
            target.color = color or target.color
            self._show_again()
            return new

    def screenshot(self) -> Path:
        """Write the scene as a PNG under a name that is free.

        Raises:
            ValueError: no frame yet. OutputError: it cannot be written.
        """
        with self._lock:
            frame, targets = self._present(), self.scene.targets if self.scene else ()
            make_folder(self.out)
            number = free_number(0, lambda number: (self.out / f"screenshot-{number}.png").exists())
            path = self.out / f"screenshot-{number}.png"
            write_whole(path, encoded(draw_targets(frame.image, targets), ".png"))
            return path

    @property
    def names(self) -> list[str]:
        """The targets that there are now."""
        with self._lock:
            return list(self._targets)

    @abstractmethod
    def _is_taken(self, name: str) -> bool:
        """Whether no target may be called so."""

    @abstractmethod
    def _move(self, target: T, new: str) -> None:
        """A target is about to be called otherwise."""

    @abstractmethod
    def _show_again(self) -> None:
        """Make the scene anew, if there is one: targets came, went or changed between two frames."""

    def _present(self) -> Captured:
        """The frame of the scene; ValueError if there is none yet."""
        if self.scene is None:
            raise ValueError("there is no frame yet; wait for the first one")
        return self.scene.frame

    def _check_limit(self) -> None:
        """ValueError if there are as many targets as there may be."""
        if len(self._targets) >= MAX_TARGETS:
            raise ValueError(f"{MAX_TARGETS} targets are followed already; remove one first")


def rate(times: Sequence[float]) -> float:
    """How often a second something happened, by the times of the last ones; 0 while that is unknown."""
    span = times[-1] - times[0] if len(times) > 1 else 0.0
    return (len(times) - 1) / span if span else 0.0


def upright(box: Sequence[float]) -> Box:
    """A box drawn in any direction."""
    x, y, w, h = (float(value) for value in box)
    return Box(min(x, x + w), min(y, y + h), abs(w), abs(h))


def free_name(wanted: str, is_taken: Callable[[str], bool]) -> str:
    """A name for a target and its folder: letters, digits, - and _, with a number after it if that is taken.

    Raises:
        ValueError: nothing of the name can be kept.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-")[:40]
    if not plain:
        raise ValueError("a name needs letters or digits, such as car")
    names = (plain if i == 1 else f"{plain}-{i}" for i in count(1))
    return next(name for name in names if not is_taken(name))


def free_number(last: int, is_taken: Callable[[int], bool]) -> int:
    """The next number for a file or folder: an earlier session, which may have been killed, can have used some."""
    return next(number for number in count(last + 1) if not is_taken(number))
