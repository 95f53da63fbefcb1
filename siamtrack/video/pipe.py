"""A video that another program writes into a pipe."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress
from pathlib import Path

from siamtrack.errors import SourceError
from siamtrack.video.frame_source import Moment
from siamtrack.video.names import printable
from siamtrack.video.stream import MediaSource

WAIT_S = 0.1
"""Seconds between two looks at whether anybody still waits."""

_UNREADABLE = "gives no video that can be read as it comes; of an MP4 the index must be in front (faststart)"


class Pipe:
    """The bytes of a named pipe or of standard input, as a file that cannot seek.

    Opening it does not wait for the program that writes; reading does, until `end` is called.

    Args:
        path: of the pipe; None for standard input.

    Attributes:
        problem: what ended the reading; None for the writer's end, and before.

    Raises:
        SourceError: it cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        try:
            # A plain open would wait in the system, where no signal's handler runs, until another program opens the pipe.
            self._descriptor = os.dup(0) if path is None else os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            name = "standard input" if path is None else printable(str(path))
            raise SourceError(f"{name} cannot be opened ({error.strerror})") from error
        self._poll = select.poll() if hasattr(select, "poll") else None  # Windows has none: there a read cannot be ended
        if self._poll is not None:
            self._poll.register(self._descriptor, select.POLLIN)
        self._ended = False
        self.problem: BaseException | None = None

    def read(self, size: int) -> bytes:
        """At most so many bytes, as soon as there are any; none at the end."""
        try:
            while not self._ended:
                if self._poll is None or self._poll.poll(1000 * WAIT_S):
                    with suppress(BlockingIOError):
                        return os.read(self._descriptor, size)
        except BaseException as error:  # PyAV, which calls this, would lose it
            self.problem, self._ended = error, True
        return b""

    def seekable(self) -> bool:
        """Never."""
        return False

    def end(self) -> None:
        """Let a read that waits come to its end; may be called by a signal's handler, and from other threads."""
        self._ended = True

    def close(self) -> None:
        """Let go of the pipe, when nobody reads any more. May be called again."""
        self.end()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class PipeSource(MediaSource):
    """A video that comes through a pipe: read once, as it comes, without a count of its frames.

    Args:
        pipe: closed here. name: of it.

    Raises:
        SourceError: what comes is no video, or one that is not written in the order in which it is played.
    """

    def __init__(self, pipe: Pipe, name: str) -> None:
        self._pipe = pipe
        try:
            super().__init__(name, pipe, _UNREADABLE)
        except SourceError:
            pipe.close()
            raise
        self.frame_count = None

    def _leave(self, reader: threading.Thread) -> None:
        super()._leave(reader)
        self._pipe.end()

    def close(self) -> None:
        """Let go of the pipe."""
        super().close()
        self._pipe.close()

    def _check_end(self, start: Moment) -> None:
        if self._pipe.problem is not None:
            raise self._pipe.problem
        if self._broken and not self._reading.frames:  # an index at the end comes after the frames that it is needed for
            raise SourceError(f"{self.name} {_UNREADABLE}")
        super()._check_end(start)
