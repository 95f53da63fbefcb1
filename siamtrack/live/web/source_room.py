"""The server's own video: one capture and one session, which all tabs watch and steer together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from siamtrack.errors import SiamtrackError
from siamtrack.live.capture import Capture, Captured
from siamtrack.live.session import Scene, Session
from siamtrack.live.web.jpeg import encode_jpeg
from siamtrack.live.web.room import Room

if TYPE_CHECKING:
    from siamtrack.live.web.connection import Connection

LONGEST_SIDE = 1280
"""Longest side of the pictures that are sent; boxes and targets are of the whole frame all the same."""
QUALITY = 80

_POLL_S = 0.25


class Picture:
    """A frame on its way to the tabs: made into a JPEG when the first one wants it, and once for all.

    Args:
        scene: the frame and what is known of it.
        due_at: seconds of `time.perf_counter` from which its age is counted.
    """

    def __init__(self, scene: Scene, due_at: float) -> None:
        self.scene, self.due_at = scene, due_at
        self._jpeg: asyncio.Future[bytes] | None = None

    async def jpeg(self) -> bytes:
        """The frame without boxes: the page draws those itself."""
        if self._jpeg is None:
            self._jpeg = asyncio.ensure_future(asyncio.to_thread(encode_jpeg, self.scene.frame.image, LONGEST_SIDE, QUALITY))
        # Others wait for it too: a tab that goes away must not take it with it.
        return await asyncio.shield(self._jpeg)

    def with_scene(self, scene: Scene) -> Picture:
        """The same frame with other targets."""
        picture = Picture(scene, self.due_at)
        picture._jpeg = self._jpeg
        return picture


class SourceRoom(Room):
    """Tracks the server's video in a thread of its own.

    A camera or stream runs at once. A file waits at its first frame: its first target should be drawn there. At its end
    its results are finished, and it can be played again.

    Args:
        session, engine: as for `Room`.
        capture: of the video; closed here.
        open_capture: gives another one, to play a file again.

    Attributes:
        picture: the newest one; None before the first frame.
    """

    mode = "source"

    def __init__(self, session: Session, engine: Executor, capture: Capture, open_capture: Callable[[], Capture]) -> None:
        super().__init__("server", session, engine)
        self.picture: Picture | None = None
        self._capture, self._open_capture = capture, open_capture
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="server's video", daemon=True)
        # Guards what follows, and wakes the thread.
        self._turn = threading.Condition()
        self._closing = False
        self._again = False
        self._paused = not capture.live
        self._steps = int(self._paused)
        self._end = ""
        self._told: tuple[str, str | None] = ("running", None)

    def start(self) -> None:
        """Begin to track; the running event loop is where tabs are told."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def enter(self, tab: Connection) -> None:
        """A tab comes in, and sees the newest picture at once."""
        super().enter(tab)
        if self.picture is not None:
            tab.offer(self.picture)

    def pause(self, on: bool) -> None:
        """Let the video wait, or go on; at the end of a file, go to its beginning."""
        with self._turn:
            if self._end:
                self._again = not on
            self._paused, self._steps = on, 0
            self._turn.notify_all()
        self.show_status()

    def step(self) -> None:
        """Give one frame, then wait."""
        with self._turn:
            if not self._paused:
                self._steps = 0
            self._paused = True
            self._steps = min(self._steps + 1, 100)
            self._turn.notify_all()
        self.show_status()

    def show_again(self) -> None:
        """Tell every tab what changed between two frames, and those that come later too."""
        scene = self.session.scene
        if scene is not None and self.picture is not None and scene.frame is self.picture.scene.frame:
            self.picture = self.picture.with_scene(scene)
        super().show_again()

    def newest(self, picture: Picture) -> Picture:
        """A picture as it is now: a target may have come while it waited."""
        now = self.picture
        return now if now is not None and now.scene.frame is picture.scene.frame else picture

    def status(self) -> dict[str, Any]:
        """How the room and its video are doing, as plain data."""
        capture = self._capture.status
        # What was read is not yet tracked: it ends here when the last frame was.
        state = "ended" if self._end else "reconnecting" if capture.state == "reconnecting" else "running"
        return {
            **super().status(),
            "state": state,
            "problem": self._end or (capture.problem if state == "reconnecting" else "") or "",
            "paused": self._paused,
            "live": self._capture.live,
        }

    @property
    def counts(self) -> dict[str, int]:
        """Frames that were read, and those of them that came too fast to be tracked."""
        capture = self._capture.status
        return {"frames": capture.frames, "dropped": capture.dropped}

    def close(self, ended: str) -> None:
        """End the thread and finish all files; raises as `Room.close`."""
        with self._turn:
            self._closing = True
            self._turn.notify_all()
        self._capture.close()
        if self._thread.is_alive():
            self._thread.join(5)
        super().close(ended)

    # What follows runs in the thread.

    def _run(self) -> None:
        while True:
            try:
                with self._capture:
                    self._play()
                self._end = "the video has ended; its results are finished"
            except SiamtrackError as error:
                self._end = " ".join(str(error).split())
            # Anything: else the page would stand still and nobody knew why.
            except Exception as error:
                self._end = f"tracking broke off: {type(error).__name__}: {' '.join(str(error).split())}"
            if self._closing:
                return
            self._finish()
            if not self._play_again():
                return

    def _play(self) -> None:
        while True:
            with self._turn:
                ready = self._turn.wait_for(lambda: self._closing or not self._paused or self._steps > 0, _POLL_S)
                if self._closing:
                    return
            self._show_news()
            if not ready:
                continue
            try:
                captured = self._capture.take(_POLL_S)
            except TimeoutError:
                continue
            if captured is None:
                return
            self._track(captured)
            with self._turn:
                self._steps = max(0, self._steps - 1)

    def _track(self, captured: Captured) -> None:
        # A file's frame waits for its turn without growing old: it is of no time of its own.
        due_at = captured.captured_at if self._capture.live else time.perf_counter()
        try:
            scene = self.engine.submit(self.session.step, captured).result()
        except (SiamtrackError, ValueError) as error:  # a full disk, a frame that cannot be used: the next one may do
            self._call(self.complain, " ".join(str(error).split()))
            return
        self._call(self._publish, Picture(scene, due_at))

    def _finish(self) -> None:
        self.closed = f"{self._end}; play it again to draw targets" if not self._capture.live else self._end
        try:
            self.engine.submit(self.session.close, "done").result()
        except SiamtrackError as error:
            self._call(self.complain, str(error))
        self._call(self.show_status)

    def _play_again(self) -> bool:
        """Wait until somebody wants to see a file again; False when the room is closed."""
        with self._turn:
            self._turn.wait_for(lambda: self._closing or (self._again and not self._capture.live))
            if self._closing:
                return False
            self._again, self._paused, self._steps = False, True, 1
        try:
            self._capture = self._open_capture()
        except (SiamtrackError, OSError) as error:
            self._end = " ".join(str(error).split())
            return self._play_again()
        self._end = self.closed = ""
        self._call(self.show_status)
        return True

    def _show_news(self) -> None:
        status = self._capture.status
        if (status.state, status.problem) != self._told:
            self._told = (status.state, status.problem)
            self._call(self.show_status)

    def _call(self, work: Callable[..., None], *arguments: Any) -> None:
        """Run something in the event loop; nothing happens when that has ended."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(work, *arguments)
        except RuntimeError:
            return

    def _publish(self, picture: Picture) -> None:
        self.picture = picture
        if picture.scene.notice:  # told apart from its frame, which a slow tab may never see
            self.complain(picture.scene.notice)
        for tab in list(self.tabs):
            tab.offer(picture)
