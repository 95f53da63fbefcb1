"""What a source of frames is, whether a video file, images, a camera or a stream; `open_source` opens one.

Every source is a context manager and gives an iterator of `Frame`s, each with its index and its own time.
"""

from __future__ import annotations

import importlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from types import TracebackType
from typing import Any

from siamtrack.errors import SourceError
from siamtrack.frames import Image
from siamtrack.video.moment import Moment
from siamtrack.video.threads import DEPTH, read_ahead

FOLDER_FPS = 30.0
"""Frame rate that a folder of images is taken to have: images carry no times."""


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
        """Frames from `start` on: a frame's number, or the first at a time or behind it. Files can be read again.

        Raises:
            SourceError: `start` lies behind the end, or the source breaks off; all frames before were yielded.
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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._reader is None or not self._reader.is_alive():
            self.close()
        else:  # inside a driver, or on a silent server: to close it under a running read would crash
            threading.Thread(target=self._close_later, args=(self._reader,), daemon=True).start()

    def _close_later(self, reader: threading.Thread) -> None:
        reader.join()
        self.close()


def __getattr__(name: str) -> Any:
    # `open_source` was here first, and is imported from here by others' programs. Its module is built upon this one.
    if name == "open_source":
        return importlib.import_module("siamtrack.video.open_source").open_source
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
