"""The server's own video: one capture and one session, which all clients watch and steer together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from siamtrack.errors import SiamtrackError, reason
from siamtrack.live.capture import SILENT_S, Capture, Captured
from siamtrack.live.session import Session
from siamtrack.live.web.protocol import Message, Pause, Step
from siamtrack.live.web.served_session import ServedSession
from siamtrack.live.web.turns import Turns
from siamtrack.machine import give_memory_back

_POLL_S = 0.25
_MAX_STEPS = 100
_ENDED = "the video has ended"


class SourceSession(ServedSession):
    """Tracks the server's video in a task of its own.

    A camera or stream runs at once. A file waits at its first frame: its first target should be drawn there. At its end
    its results are finished, and it can be played again.

    Args:
        session, turns: as for `ServedSession`.
        capture: of the video; closed here.
        open_capture: gives another one, to play a file again.
    """

    mode = "source"
    session: Session

    def __init__(self, session: Session, turns: Turns, capture: Capture, open_capture: Callable[[], Capture]) -> None:
        super().__init__("server", session, turns)
        self._capture, self._open_capture = capture, open_capture
        self._task: asyncio.Task[None] | None = None
        self._steered = asyncio.Event()
        self._paused = not capture.live
        self._steps = int(self._paused)
        self._again = False
        self._end = ""
        self._told: tuple[str, str] = ("running", "")
        self._tracked_at = time.monotonic()

    def start(self) -> None:
        """Begin to track; called in the event loop."""
        self._task = asyncio.create_task(self._run())

    def steer(self, message: Message) -> None:
        """Pause or go on; at the end of a file, go to its beginning; or give one frame, then wait."""
        match message:
            case Pause(on):
                self._again = bool(self._end) and not on
                self._tracked_at = time.monotonic()
                self._paused, self._steps = on, 0
            case Step():
                self._steps = min(self._steps + 1, _MAX_STEPS) if self._paused else 1
                self._paused = True
            case _:
                raise ValueError("only a video file that was opened in the page can be gone through")
        self._steered.set()
        self.show_status()

    def status(self) -> dict[str, Any]:
        """How the session and its video are doing, as plain data."""
        state, problem = self._state()
        return {
            **super().status(),
            "state": state,
            "problem": problem,
            "paused": self._paused,
            "live": self._capture.live,
        }

    def _state(self) -> tuple[str, str]:
        """How the video is doing, and what is wrong with it in one line, or ""."""
        capture, silent_s = self._capture.status, time.monotonic() - self._tracked_at
        if self._end:  # what was read is not yet tracked: it ends when the last frame was
            return "ended", self._end
        if capture.state == "reconnecting":
            return "reconnecting", capture.problem or ""
        if self._capture.live and not self._paused and silent_s > SILENT_S:
            return "silent", f"no picture has come for {silent_s:.0f} s"
        return "running", ""

    def close(self, ended: str) -> None:
        """Close the capture and finish all files; raises as `ServedSession.close`."""
        self._capture.close()
        super().close(ended)

    async def _run(self) -> None:
        while True:
            try:
                await self._play()
                self._end = _ENDED
            except SiamtrackError as error:
                self._end = reason(error)
            # Any error: else the page would stand still without a reason.
            except Exception as error:
                self._end = f"tracking broke off: {type(error).__name__}: {reason(error)}"
            await asyncio.to_thread(self._capture.close)
            await self._finish()
            await asyncio.to_thread(give_memory_back)
            await self._open_again()

    async def _play(self) -> None:
        """Track frames until the video ends."""
        while True:
            if (state := self._state()) != self._told:
                self._told = state
                self.show_status()
            if self._paused and not self._steps:
                self._steered.clear()
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._steered.wait(), _POLL_S)
                continue
            try:
                captured = await asyncio.to_thread(self._capture.take, _POLL_S)
            except TimeoutError:
                continue
            if captured is None:
                return
            await self._track(captured)
            self._steps = max(0, self._steps - 1)

    async def _track(self, captured: Captured) -> None:
        # A file's frame waits for its turn without growing old: it is of no time of its own.
        due_at = captured.captured_at if self._capture.live else time.perf_counter()
        try:
            scene = await self._in_turn(self.session.step, captured)
        except (SiamtrackError, ValueError) as error:  # a full disk, a frame that cannot be used: the next one may do
            self.complain(str(error))
            return

        self._tracked_at = time.monotonic()
        if scene.notice:  # apart from its picture, which a slow client may skip
            self.complain(scene.notice)
        self.show_picture(scene, due_at, self._counts)

    def _counts(self) -> dict[str, int]:
        status = self._capture.status
        return {"frames": status.frames, "dropped": status.dropped}

    async def _finish(self) -> None:
        self.closed = self._end if self._capture.live else f"{self._end}; play it again to draw targets"
        try:
            await self.turns.run(self.name, self.session.close, "done")
            if self._end == _ENDED:
                self._end += "; its results are finished"
        except SiamtrackError as error:
            self._end += f"; {error}"
        self.show_status()

    async def _open_again(self) -> None:
        """Wait until a client plays the file again."""
        while True:
            while self._capture.live or not self._again:
                self._steered.clear()
                await self._steered.wait()
            self._again, self._paused, self._steps = False, True, 1
            try:
                self._capture = await asyncio.to_thread(self._open_capture)
            except (SiamtrackError, OSError) as error:
                self._end = reason(error)
                self.show_status()
                continue
            self._end = self.closed = ""
            self.show_status()
            return
