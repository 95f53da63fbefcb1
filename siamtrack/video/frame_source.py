"""What a source of frames is, whether a video file, images, a camera or a stream, and the moments at which it is read.

Every source is a context manager and gives an iterator of `Frame`s, each with its index and its own time.
"""

from __future__ import annotations

import math
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from siamtrack.errors import SourceError, shown
from siamtrack.frames import Image
from siamtrack.outside import MAX_INT
from siamtrack.video.threads import DEPTH, read_ahead

FOLDER_FPS = 30.0
"""Frame rate that a folder of images is taken to have: images carry no times."""

TOLERANCE_S = 1e-3
"""Times are rounded where people read them: a frame counts as at a time if it is so little before or after it."""


MOST_NAMED = 5
"""Frames, or gaps of several, that a note gives the numbers of."""


class Seconds(float):
    """A time: seconds from the video's first frame."""


Moment = int | Seconds
"""A frame, counted from 0, or a time."""

_FRAME = re.compile(r"\d+")
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)(s?)")


@dataclass(frozen=True)
class Frame:
    """One frame of a source.

    Attributes:
        index: 0-based number in the source.
        time_s: seconds from the source's first frame: the container's own time stamp where there is one.
        image: (H, W, 3) BGR uint8, upright.
        duration_s: how long it is shown; None where nothing tells it, but the next frame's time.
    """

    index: int
    time_s: float
    image: Image
    duration_s: float | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Audio:
    """The sound that belongs to frames.

    Attributes:
        path: a file or address that holds it.
        origin_s: time stamp in that file, in seconds, of the source's first frame.
    """

    path: str
    origin_s: float


@dataclass
class FrameCounts:
    """What became of a source's frames, counted while it is read.

    Attributes:
        decoded: frames that were decoded.
        skipped: frames that could not be decoded, and were left out.
        duplicated: frames that the container holds twice.
        damaged: frames that were decoded with errors: parts of them are guessed.
    """

    decoded: int = 0
    skipped: int = 0
    duplicated: int = 0
    damaged: int = 0


class Source(ABC):
    """An open source of frames.

    Attributes:
        name: for messages and results: never with a password in it, and always text that can be printed.
        fps: nominal frame rate, frames per second.
        frame_count: frames that the source says it has; None for cameras and streams.
        live: whether frames come by themselves, and are gone if nobody reads them: cameras and streams.
        sample_aspect: shape of a pixel, width over height.
        audio: the sound that belongs to the frames, if there is any.
    """

    name: str
    fps: float
    frame_count: int | None
    live: bool = False
    sample_aspect: Fraction = Fraction(1)
    audio: Audio | None = None
    _interrupted = False
    _reader: threading.Thread | None = None

    @cached_property
    def counts(self) -> FrameCounts:
        """Filled while frames are read."""
        return FrameCounts()

    @cached_property
    def notes(self) -> list[str]:
        """What a user should know of how the frames were read, each in one line; filled while they are."""
        return []

    @abstractmethod
    def read(self, start: Moment = 0) -> Iterator[Frame]:
        """Frames from `start` on: a frame's number, or the first at or after a time. Files can be read again.

        Raises:
            SourceError: `start` lies after the end, or the source breaks off; all frames before were yielded.
        """

    def read_backward(self, start: Moment) -> Iterator[Frame]:
        """The same frames in the other direction: from the one at which `read` would begin, back to number 0.

        Raises:
            SourceError: as for `read`; or this is no file, so that what was before cannot be seen again.
        """
        raise SourceError(f"{self.name} cannot be read backward; record it into a file, and give that")

    def read_ahead(self, start: Moment = 0, backward: bool = False) -> Generator[Frame, None, None]:
        """As `read` or `read_backward`, with frames decoded in another thread while earlier ones are used.

        Close the iterator (or go to its end) before the source: `contextlib.closing` does it.

        Raises:
            KeyboardInterrupt: `interrupt` was called, and no frame comes.
        """
        depth = 1 if self.live else DEPTH  # what comes live must not get old while it waits
        frames = self.read_backward(start) if backward else self.read(start)
        yield from read_ahead(frames, depth, lambda: self._interrupted, self._leave)

    def interrupt(self) -> None:
        """Let `read_ahead` give up soon where it waits for a frame; a signal's handler may call it."""
        self._interrupted = True

    def _leave(self, reader: threading.Thread) -> None:
        """Nobody wants more frames of `read_ahead`; its thread is told. What can end a read that waits does so here."""
        self._reader = reader

    def close(self) -> None:  # noqa: B027 (a source that holds nothing has nothing to do)
        """Let go of the device or file."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader is None or not self._reader.is_alive():
            self.close()
        else:  # inside a driver, or on a silent server: to close it under a running read would crash
            threading.Thread(target=self._close_later, args=(self._reader,), daemon=True).start()

    def _close_later(self, reader: threading.Thread) -> None:
        reader.join()
        self.close()


def parse_moment(text: str) -> Moment:
    """Read a frame (`75`) or a time: `3s`, `2.5s`, `1:02.5`, `1:00:00`.

    Raises:
        ValueError: it is neither, or too large.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{shown(text)} is no frame and no time; give a frame from 0 on, such as 75, or a time: 3s, 1:02.5")
    hours, minutes, seconds, unit = match.groups()
    if minutes is None and not unit:
        if not _FRAME.fullmatch(seconds):
            raise ValueError(f"{shown(text)} is no whole frame; a time ends with an s: {text.strip()}s")
        if len(seconds) > 19 or int(seconds) > MAX_INT:
            raise ValueError(f"frame {shown(text)} is too large; whole numbers of 64 bits are the largest")
        return int(seconds)
    time_s = 3600 * float(hours or 0) + 60 * float(minutes or 0) + float(seconds)
    if not math.isfinite(time_s):
        raise ValueError(f"{shown(text)} is too long")
    return Seconds(time_s)


def is_reached(moment: Moment, index: int, time_s: float) -> bool:
    """Whether a frame of that number and time is at or after a moment."""
    return time_s >= moment - TOLERANCE_S if isinstance(moment, Seconds) else index >= moment


def is_passed(moment: Moment, index: int, time_s: float) -> bool:
    """Whether a frame of that number and time is after a moment."""
    return time_s > moment + TOLERANCE_S if isinstance(moment, Seconds) else index > moment


def asked_for(moment: Moment) -> str:
    """The end of a message about a moment that a video does not have."""
    if isinstance(moment, Seconds):
        return f"{clock(moment)} was asked for"
    return f"frame {moment} was asked for (counting from 0)"


def left_out(frames: Sequence[str]) -> str:
    """A note of frames that could not be decoded, each a number or several: `3 to 5`."""
    numbers = ", ".join(frames[:MOST_NAMED]) + (", ..." if len(frames) > MOST_NAMED else "")
    return f"frames that cannot be decoded are left out, the others keep their numbers: {numbers}"


def clock(seconds: float) -> str:
    """A time as a player shows it, to a tenth of a second: `0:03.2`, `1:00:00.0`."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    below = f"{rest // 10:02}.{rest % 10}"
    return f"{hours}:{minutes:02}:{below}" if hours else f"{minutes}:{below}"
