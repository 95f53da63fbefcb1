"""The session of a client that goes through a video file: forward and backward, tracking on the way."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from siamtrack.errors import SiamtrackError, reason
from siamtrack.live.film import Film
from siamtrack.live.scene import Scene
from siamtrack.live.web.client import Client
from siamtrack.live.web.protocol import Backward, Message, Pause, Seek, Step
from siamtrack.live.web.served_session import OwnSession
from siamtrack.machine import give_memory_back
from siamtrack.video.outputs import OVERLAY

_POLL_S = 0.25

_CLIPS = ThreadPoolExecutor(1, "clips")
"""Writes clips one after the other: in asyncio's own threads they would hold up everybody's pictures."""


class FilmSession(OwnSession):
    """Shows one frame of a film after another, as the client steers; arguments as for `OwnSession`.

    Frames in which something is tracked come as fast as they are done, others at the video's own pace.
    """

    mode = "film"
    session: Film

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._steered = asyncio.Event()
        self._step = 0  # 1 forward, -1 backward, 0 stands still
        self._once = False
        self._seek: int | None = 0
        self._told: tuple[Any, ...] = ()  # what clients know by now
        self._told_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._clip: asyncio.Task[None] | None = None
        self._clip_stopped = threading.Event()

    def start(self) -> None:
        """Begin; called in the event loop."""
        self._task = asyncio.create_task(self._run())

    def enter(self, client: Client) -> None:
        """A client comes in, and sees the present picture at once."""
        super().enter(client)
        self._told = ()
        self._steered.set()

    def steer(self, message: Message) -> None:
        """Stand still, go on or backward, or go to a frame, or as near as there are frames, and stand still there."""
        match message:
            case Pause(on):
                self._go(0 if on else 1)
            case Step():
                self._go(1, once=True)
            case Backward():
                self._go(-1)
            case Seek(index):
                self._seek = index
                self._go(0)

    async def record(self, on: bool) -> Path | None:
        """Begin to write a clip, which clients are told of when it is done, or give it up."""
        if on and self._clip is None:
            self._clip_stopped.clear()
            self._clip = asyncio.create_task(self._write_clip())
            return self.session.out / OVERLAY
        if not on:
            self._clip_stopped.set()
        return None

    async def prepare(self) -> None:
        """Write all results; raises OutputError."""
        if not self.closed:
            await self._in_turn(self.session.write)

    def show_again(self) -> None:
        """Tell what changed between two frames, and on the timeline."""
        super().show_again()
        self._show_tracks()

    def status(self) -> dict[str, Any]:
        """How the session and its video are doing, as plain data."""
        frames = self.session.frames
        return {
            **super().status(),
            "state": "running",
            "problem": frames.problem,
            "paused": not self._step,
            "backward": self._step < 0,
            "live": False,
            "count": len(frames),
            "filled": frames.filled,
        }

    @property
    def recording(self) -> bool:
        """Whether a clip is being written."""
        return self._clip is not None

    def end(self, ended: str) -> None:
        """Write all results and let go of the video, of which a full disk has more need than anybody; raises OutputError."""
        try:
            super().end(ended)
        finally:
            self.session.frames.close()
            give_memory_back()

    async def _write_clip(self) -> None:
        try:
            self.show_status()
            loop = asyncio.get_running_loop()
            path = await loop.run_in_executor(_CLIPS, self._while_open, self.session.clip, self._clip_stopped.is_set)
            self.tell_all("done", about="record", on=False, file=path.name if path is not None else "")
        except (SiamtrackError, ValueError, OSError) as error:
            self.tell_all("error", message=reason(error), about="record")
        finally:
            self._clip = None
            self.show_status()

    def _go(self, step: int, once: bool = False) -> None:
        self._step, self._once = step, once
        self._steered.set()
        self.show_status()

    async def _run(self) -> None:
        due_at = 0.0
        while not self.closed:
            try:
                scene = await self._next_scene()
            except (SiamtrackError, ValueError, OSError) as error:
                self.complain(str(error))
                self._go(0)
                continue
            # Any error: else the page would stand still without a reason.
            except Exception as error:
                self.complain(f"tracking broke off: {type(error).__name__}: {error}")
                self._go(0)
                raise
            self._tell_news()
            if scene is None:
                self._steered.clear()
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._steered.wait(), _POLL_S)
                continue
            self.show_picture(scene, time.perf_counter(), lambda: {"frames": len(self.session.frames), "dropped": 0})
            now = time.perf_counter()
            due_at = now if scene.tracking_s else max(now, due_at + 1 / max(self.session.frames.fps, 1.0))
            if due_at > now and self._step:
                await asyncio.sleep(due_at - now)

    async def _next_scene(self) -> Scene | None:
        """The scene of the next frame to show; None if the picture stands still, or that frame is not decoded yet."""
        film, count = self.session, len(self.session.frames)
        if self._seek is not None:
            if not count:
                return None
            index, self._seek = min(self._seek, count - 1), None
            return await self._in_turn(film.show, index)
        if not self._step or film.scene is None:
            return None
        index = film.scene.frame.index + self._step
        if not 0 <= index < count:
            if index < 0 or film.frames.filled:
                self._go(0)
            return None
        if self._once:
            self._go(0)
        return await self._in_turn(film.track, index)

    def _tell_news(self) -> None:
        """Tell how many frames there are, and what was tracked, when that has changed, not more often than is looked at."""
        frames = self.session.frames
        now = time.monotonic()
        news = (len(frames), frames.filled, self.session.changes, bool(self._step))
        if self._told == news or (self._told and self._step and now - self._told_at < _POLL_S):
            return
        self._told, self._told_at = news, now
        self.show_status()
        self._show_tracks()

    def _show_tracks(self) -> None:
        self.tell_all("tracks", tracks=self.session.tracks())
