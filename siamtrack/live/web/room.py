"""A room: one live session, and the tabs that see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from siamtrack.live.capture import Captured
from siamtrack.live.session import Session
from siamtrack.live.web.protocol import pack_text, scene_data

if TYPE_CHECKING:
    from siamtrack.live.web.connection import Connection

T = TypeVar("T")

REPEAT_S = 5.0
"""The same complaint (a full disk, say) is told once in so many seconds, though every frame meets it."""


class Room:
    """What rooms have in common. Its methods are called from the event loop, unless they say otherwise.

    Args:
        name: part of the address of its downloads; whoever knows it may have them.
        session: what tracks.
        engine: one thread, which runs everything that uses the network, one call after another. Two at once on the same
            processor would each be slower, and so callers are served in the order in which they came.

    Attributes:
        tabs: who is there.
        closed: why no more can be done here, in one line; "" as long as it can.
    """

    mode: str

    def __init__(self, name: str, session: Session, engine: Executor) -> None:
        self.name, self.session, self.engine = name, session, engine
        self.tabs: set[Connection] = set()
        self.closed = ""
        self._complaint = ("", 0.0)

    def enter(self, tab: Connection) -> None:
        """A tab comes in."""
        self.tabs.add(tab)
        self.show_status()

    def leave(self, tab: Connection) -> None:
        """A tab goes; nothing happens if it has gone before."""
        if tab in self.tabs:
            self.tabs.discard(tab)
            self.show_status()

    async def add(self, box: Sequence[float], frame: Captured | None) -> str:
        """Follow a new target; raises as `Session.add`."""
        name: str = await self._in_turn(self.session.add, box, frame)
        self.show_again()
        return name

    async def reselect(self, name: str, box: Sequence[float], frame: Captured | None) -> None:
        """Learn a target anew; raises as `Session.reselect`."""
        await self._in_turn(self.session.reselect, name, box, frame)
        self.show_again()

    async def remove(self, name: str) -> None:
        """Stop following a target; raises as `Session.remove`."""
        await self._in_turn(self.session.remove, name)
        self.show_again()

    async def record(self, on: bool) -> Path | None:
        """Begin or end a recording; raises as `Session.record`."""
        path: Path | None = await self._in_turn(self.session.record, on)
        self.show_status()
        return path

    async def screenshot(self) -> Path:
        """Write the newest scene as a picture; raises as `Session.screenshot`."""
        return await asyncio.to_thread(self._while_open, self.session.screenshot)

    def pause(self, on: bool) -> None:
        """Let the video wait, or go on.

        Raises:
            ValueError: it cannot be paused from here.
        """
        raise ValueError("a tab's own camera is paused in that tab")

    def step(self) -> None:
        """Give one frame, then wait; raises as `pause`."""
        self.pause(True)

    def show_again(self) -> None:
        """Tell every tab what changed between two frames."""
        if (scene := self.session.scene) is not None:
            self.tell_all(pack_text("scene", scene=scene_data(scene)))

    def show_status(self) -> None:
        """Tell every tab how the room is doing."""
        self.tell_all(pack_text("status", **self.status()))

    def status(self) -> dict[str, Any]:
        """How the room is doing, as plain data."""
        return {"recording": self.session.recording, "tabs": len(self.tabs)}

    def complain(self, problem: str) -> None:
        """Tell every tab of a problem that frames meet, not more often than people can read."""
        now = time.monotonic()
        told, at = self._complaint
        if problem != told or now - at >= REPEAT_S:
            self._complaint = (problem, now)
            self.tell_all(pack_text("error", message=problem, about=""))

    def tell_all(self, text: str) -> None:
        """Send a text to every tab."""
        for tab in list(self.tabs):
            tab.tell(text)

    def close(self, ended: str) -> None:
        """Finish all files. From any thread but the engine's.

        Raises:
            OutputError: a file cannot be written; the others were.
        """
        self.closed = self.closed or "this session has ended"
        # In its turn, behind what tabs asked for before.
        self.engine.submit(self.session.close, ended).result()

    async def _in_turn(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.engine, self._while_open, work, *arguments)

    def _while_open(self, work: Callable[..., T], *arguments: Any) -> T:
        # Asked here, in the engine's thread: a target that came after the end would never be finished.
        if self.closed:
            raise ValueError(self.closed)
        return work(*arguments)
