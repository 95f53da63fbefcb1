"""Frames of a source while it runs, read by a thread of their own.

    with Capture(lambda: open_source(0)) as capture:
        for captured in capture:
            ...

A camera or stream that nobody reads fills its buffers, and what comes out of them is old. So a thread reads all the
time, and a consumer that is slower gets the newest frame. A file waits for its consumer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from siamtrack.errors import SourceError, reason
from siamtrack.live.mailbox import Mailbox
from siamtrack.video.source import Frame, Source

CaptureState = Literal["running", "reconnecting", "ended", "failed"]

SILENT_S = 2.0
"""A camera or stream that gives no frame for so long is told of, though nothing may have said that it went."""

CLOSE_S = 0.9
"""Seconds that `Capture.close` waits for its thread: what blocks for longer is inside a driver."""

_LATE_S = 0.1


@dataclass(frozen=True)
class Captured(Frame):
    """One frame, and when it was there.

    Live, frames that were dropped and frames before a reconnect count in `index`, and `time_s` is the time of arrival,
    whatever happened between. The size of `image` may change over a reconnect.

    Attributes:
        captured_at: seconds of the capture's clock when the frame had arrived, or when a file's frame was due.
    """

    captured_at: float


@dataclass(frozen=True)
class CaptureStatus:
    """How a capture is doing.

    Attributes:
        state: of the reading. After `ended` and `failed` one frame may still be there to take.
        problem: the last problem in one line, kept after it was overcome; None if there was none.
        frames: frames read so far; one that came while it was being closed is among them, though it was not given.
        dropped: how many of them a newer one replaced.
        reconnects: how often the source was lost and gave frames again.
    """

    state: CaptureState
    problem: str | None
    frames: int
    dropped: int
    reconnects: int


class Capture:
    """A thread that reads a source, and the newest frame that it read.

    - A camera or stream (`Source.live`): the newest frame wins. When it goes away it is opened again and again, with growing
      pauses. One that never gave a frame is not tried again: nobody knows that it would.
    - A file or image folder: every frame is given, at the speed of its own time stamps, or slower if frames are taken
      more slowly.

    Close it, or use it in a `with` block; the thread runs until then.

    Args:
        open_source: opens the source; called here once, and from the thread for every attempt to reconnect.
        first_delay_s, longest_delay_s: seconds before the first attempt; each later one waits for twice as long as the
            one before it, up to the longest.
        clock: monotonic seconds.

    Attributes:
        name, fps, live: of the source as it was first opened.

    Raises:
        ValueError: delays that make no sense.
        FileNotFoundError, SourceError: the source cannot be opened.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        *,
        first_delay_s: float = 0.5,
        longest_delay_s: float = 8.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not 0 < first_delay_s <= longest_delay_s:
            raise ValueError(f"delays are {first_delay_s} s to {longest_delay_s} s; give 0 < first_delay_s <= longest_delay_s")
        self._open, self._clock = open_source, clock
        self._pace = _Pace()
        self._delays_s = first_delay_s, longest_delay_s
        self._mailbox: Mailbox[Captured] = Mailbox()
        # Guards what follows, and wakes the thread from every sleep of its own.
        self._wake = threading.Condition()
        self._closing = self._paused = False
        self._state: CaptureState = "running"
        self._problem: str | None = None
        self._frames = self._reconnects = 0
        source = open_source()
        self.name, self.fps, self.live = source.name, source.fps, source.live
        # A daemon, because a read inside a driver cannot be interrupted, and must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, args=(source,), name=f"capture {self.name}", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float | None = None) -> Captured | None:
        """The newest frame of a camera or stream, the next one of a file; waited for if there is none yet.

        Args:
            timeout_s: seconds to wait at most; None waits for ever.

        Returns:
            The frame; None at the end and after `close`, when the frame that was left is taken.

        Raises:
            TimeoutError: no frame came in time.
            SourceError: the source broke off; all frames before were given.
            BaseException: whatever else went wrong in the thread.
        """
        return self._mailbox.take(timeout_s)

    def __iter__(self) -> Iterator[Captured]:
        """Frames until the end; raises as `take` does."""
        while (captured := self.take()) is not None:
            yield captured

    @property
    def status(self) -> CaptureStatus:
        """How it is doing, now."""
        with self._wake:
            return CaptureStatus(self._state, self._problem, self._frames, self._mailbox.dropped, self._reconnects)

    @property
    def paused(self) -> bool:
        """Whether `pause` was called, and not `resume` after it."""
        return self._paused

    def pause(self) -> None:
        """Let a file wait where it is; at most two frames that were read already still come.

        A camera cannot wait: its frames go on replacing each other, so the first one taken after a pause is new.
        """
        with self._wake:
            self._paused = True
            self._wake.notify_all()

    def resume(self) -> None:
        """Go on after `pause`, at the frame after the last one given."""
        with self._wake:
            self._paused = False
            self._wake.notify_all()

    def close(self) -> None:
        """End the thread and let go of the source, within a second. May be called again.

        A read or an opening that blocks inside a driver cannot be interrupted, and releasing a device under a running
        read crashes. Then the thread is left: it lets go of the source when the driver returns, and does not keep the
        program from ending.
        """
        with self._wake:
            self._closing = True
            if self._state in ("running", "reconnecting"):
                self._state = "ended"
            self._wake.notify_all()
        self._mailbox.close()
        self._thread.join(CLOSE_S)

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What follows runs in the thread.

    def _run(self, source: Source) -> None:
        try:
            if self.live:
                self._read_live(source)
            else:
                self._read_file(source)
        # Really everything: what ends this thread must reach the consumer, who would wait for ever.
        except BaseException as error:
            self._note("failed", error)
            self._mailbox.close(error)
        else:
            self._note("ended")
            self._mailbox.close()

    def _read_file(self, source: Source) -> None:
        with source:
            for frame in source.read():
                if not self._wait_for_turn(frame.time_s):
                    return
                self._count()
                if not self._mailbox.put_wait(Captured(frame.index, frame.time_s, frame.image, self._clock())):
                    return

    def _read_live(self, opened: Source) -> None:
        source: Source | None = opened
        began_at: float | None = None
        delay_s = self._delays_s[0]
        while True:
            before = self._frames
            gone: SourceError | OSError
            try:
                with source or self._open() as source:
                    # Closed while it was opened: its first read could block.
                    if self._closing:
                        return
                    for frame in source.read():
                        now = self._clock()
                        began_at = now if began_at is None else began_at
                        if not self._mailbox.put(Captured(self._count(), now - began_at, frame.image, now)):
                            return
                gone = SourceError(f"{self.name} gives no more frames; is it still plugged in, or its server up?")
            except (SourceError, OSError) as error:
                gone = error
            source = None
            if self._frames == 0:
                raise gone
            if self._frames > before:  # an opening that gives no frame is no success: the pauses go on growing
                delay_s = self._delays_s[0]
            self._note("reconnecting", gone)
            if not self._sleep(delay_s):
                return
            delay_s = min(2 * delay_s, self._delays_s[1])

    def _count(self) -> int:
        """Note that a frame arrived, and give its index."""
        with self._wake:
            self._frames += 1
            if self._state == "reconnecting":
                self._state = "running"
                self._reconnects += 1
            return self._frames - 1

    def _note(self, state: CaptureState, problem: BaseException | None = None) -> None:
        with self._wake:
            if not self._closing:  # after `close` it has ended, whatever the last read said
                self._state = state
                self._problem = reason(problem) if problem is not None else self._problem

    def _sleep(self, seconds: float) -> bool:
        """Wait; False as soon as it is closed."""
        with self._wake:
            return not self._wake.wait_for(lambda: self._closing, seconds)

    def _wait_for_turn(self, time_s: float) -> bool:
        """Wait until a file's frame is due and nothing is paused; False as soon as it is closed."""
        with self._wake:
            while not self._closing:
                if self._paused:
                    self._wake.wait()
                    continue
                wait_s = self._pace.wait_s(time_s, self._clock())
                if wait_s <= 0:
                    return True
                self._wake.wait(wait_s)
            return False


class _Pace:
    """When the frames of a file are due."""

    def __init__(self) -> None:
        self._began_at: float | None = None

    def wait_s(self, time_s: float, now: float) -> float:
        """Seconds until the frame at `time_s` is due; none or less: now."""
        # A little lateness is caught up, so that the rate holds. Much of it, after a pause or with a slow consumer, is
        # forgiven: else a burst would follow.
        if self._began_at is None or now - self._began_at - time_s > _LATE_S:
            self._began_at = now - time_s
        return self._began_at + time_s - now
