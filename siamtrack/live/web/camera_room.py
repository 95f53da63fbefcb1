"""A tab's own camera: its pictures come over the WebSocket, and their results go back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from siamtrack.errors import SiamtrackError
from siamtrack.frames import Image
from siamtrack.live.capture import Captured
from siamtrack.live.session import Session
from siamtrack.live.web.jpeg import PictureError, decode_jpeg
from siamtrack.live.web.protocol import pack_text, scene_data
from siamtrack.live.web.room import Room

if TYPE_CHECKING:
    from siamtrack.live.web.connection import Connection

CLOSE_TAKEN_OVER = 4001
"""WebSocket's close code that tells a page not to come back by itself."""


@dataclass(frozen=True)
class _Arrived:
    """A picture that came: the tab's number of it, ours, and when that was."""

    seq: int
    jpeg: bytes
    index: int
    at: float


class CameraRoom(Room):
    """Tracks what one tab films.

    A tab may go and come back (a reload, a lost network) and finds its targets. A room that stays empty ends.

    Args:
        name, session, engine: as for `Room`.
        grace_s: seconds that it may stay empty.
        on_empty: called with the room when they are over.
    """

    mode = "camera"

    def __init__(
        self, name: str, session: Session, engine: Executor, grace_s: float, on_empty: Callable[[CameraRoom], None]
    ) -> None:
        super().__init__(name, session, engine)
        self._grace_s, self._on_empty = grace_s, on_empty
        self._waiting: _Arrived | None = None
        self._arrived = asyncio.Event()
        self._frames = 0
        self._began_at: float | None = None
        self._end: asyncio.TimerHandle | None = None

    def enter(self, tab: Connection) -> None:
        """The tab comes in, or comes back. Another one that is still there has to go: its session went on here."""
        for other in list(self.tabs):
            other.end(CLOSE_TAKEN_OVER, "this session goes on in another tab")
            self.tabs.discard(other)
        if self._end is not None:
            self._end.cancel()
        self._waiting = None
        super().enter(tab)

    def leave(self, tab: Connection) -> None:
        """The tab goes; from now on the room is empty, unless another one took it over."""
        was_here = tab in self.tabs
        super().leave(tab)
        if was_here and not self.tabs:
            self._end = asyncio.get_running_loop().call_later(self._grace_s, self._on_empty, self)

    def take(self, tab: Connection, seq: int, jpeg: bytes) -> None:
        """A picture came. If the one before is still waiting, it is dropped: nobody wants it any more."""
        if tab not in self.tabs:
            return
        if self._waiting is not None:
            tab.tell(pack_text("skipped", seq=self._waiting.seq))
        self._waiting = _Arrived(seq, jpeg, self._frames, time.perf_counter())
        self._frames += 1
        self._arrived.set()

    async def follow(self, tab: Connection) -> None:
        """Track the pictures of a tab, until cancelled."""
        while True:
            await self._arrived.wait()
            if tab not in self.tabs:  # another one took over, and this is for its follower
                return
            self._arrived.clear()
            if self._waiting is None:
                continue
            arrived, self._waiting = self._waiting, None
            seq, taken_at = arrived.seq, time.perf_counter()
            try:
                frame = self._captured(arrived, await asyncio.to_thread(decode_jpeg, arrived.jpeg))
                scene = await self._in_turn(self.session.step, frame)
            except PictureError as error:
                tab.tell(pack_text("skipped", seq=seq))
                tab.blame(str(error))
            except (SiamtrackError, ValueError) as error:  # a full disk, say: the next frame may do
                tab.tell(pack_text("skipped", seq=seq))
                self.complain(" ".join(str(error).split()))
            else:
                tab.keep(seq, frame)
                if scene.notice:
                    self.complain(scene.notice)
                # So that the tab can send its next picture when we are free, not before.
                times = {"waited_ms": taken_at - arrived.at, "worked_ms": time.perf_counter() - taken_at}
                rounded = {name: round(1000 * seconds, 1) for name, seconds in times.items()}
                tab.tell(pack_text("result", seq=seq, **rounded, scene=scene_data(scene)))

    def _captured(self, arrived: _Arrived, image: Image) -> Captured:
        self._began_at = arrived.at if self._began_at is None else self._began_at
        return Captured(arrived.index, arrived.at - self._began_at, image, arrived.at)
