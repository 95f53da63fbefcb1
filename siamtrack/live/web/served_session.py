"""A live session that clients see: what all of these have in common."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from siamtrack.errors import OutputError
from siamtrack.live.film import Film
from siamtrack.live.scene import Scene
from siamtrack.live.session import Session
from siamtrack.live.web.client import CLOSE_TAKEN_OVER, Client, Picture
from siamtrack.live.web.protocol import Message, scene_data
from siamtrack.live.web.turns import Turns
from siamtrack.system import write_whole

T = TypeVar("T")

SEAL = ".session"
"""File in a session's folder that tells by `sealed` who may have its results when the session has ended."""

REPEAT_S = 5.0
"""Seconds until the same problem (a full disk, say) is told again, though every frame has it."""


def sealed(name: str) -> str:
    """A session's name in a form that opens nothing."""
    return hashlib.sha256(name.encode()).hexdigest()


class ServedSession:
    """A session and its clients. Its methods are called from the event loop, unless they say otherwise.

    Args:
        name: part of the address of its downloads; whoever knows it may have them.
        session: what tracks.
        turns: run everything that uses the network in one thread. Two at once on the same processor would each be slower.

    Attributes:
        clients: who is there.
        closed: why the session has ended, in one line; "" until then.
    """

    mode: str
    session: Any

    def __init__(self, name: str, session: Session | Film, turns: Turns) -> None:
        self.name, self.session, self.turns = name, session, turns
        self.clients: set[Client] = set()
        self.closed = ""
        self._picture: Picture | None = None
        self._complaint = ("", 0.0)

    def enter(self, client: Client) -> None:
        """A client comes in, and sees the newest picture of a video at once."""
        self.clients.add(client)
        self.show_status()
        if self._picture is not None:
            client.offer(self._picture)

    def leave(self, client: Client) -> None:
        """A client goes; nothing happens if it has gone before."""
        if client in self.clients:
            self.clients.discard(client)
            self.show_status()

    async def change(self, work: Callable[..., T], *arguments: Any) -> T:
        """Call a method of `session` that changes its targets, and show that to all clients; raises as the method."""
        done = await self._in_turn(work, *arguments)
        self.show_again()
        return done

    async def record(self, on: bool) -> Path | None:
        """Begin or end a recording; the file that was begun or finished. Raises as `Session.record`."""
        if on:
            path = await self._in_turn(self.session.record, on)
        else:  # to finish a long file takes seconds, in which others are tracked
            path = await asyncio.to_thread(self._while_open, self.session.record, on)
        self.show_status()
        return path

    async def finish(self) -> None:
        """Finish all files; new targets can be drawn then. Raises as `Session.close`."""
        await self.change(self.session.close, "finished by the user")
        self.show_status()

    async def screenshot(self) -> Path:
        """Write the newest scene as a picture; raises as `Session.screenshot`."""
        return await asyncio.to_thread(self._while_open, self.session.screenshot)

    def steer(self, message: Message) -> None:
        """Pause, step, go backward, or seek.

        Raises:
            ValueError: that is not done from here.
        """
        raise ValueError("a client's own camera is paused in its page, and only a video file can be gone through")

    async def prepare(self) -> None:
        """Have all results in files that are to be downloaded; raises OutputError."""

    def show_picture(self, scene: Scene, since: float, counts: Callable[[], dict[str, int]]) -> None:
        """Offer a scene with its frame to all clients.

        Args:
            scene: what to show. since: time, of `perf_counter`, from which its age counts.
            counts: `frames` so far, and how many of them were `dropped`; asked when it is sent.
        """

        def header() -> dict[str, Any]:
            # A target may have come while the picture waited; of a session that has ended, the targets are gone.
            newest = self.session.scene
            same = newest is not None and newest.frame.index == scene.frame.index and not self.closed
            age_ms = round(1000 * (time.perf_counter() - since), 1)
            return {**counts(), "scene": scene_data(newest if same else scene), "age_ms": age_ms}

        self._picture = Picture(scene.frame, header)
        for client in list(self.clients):
            client.offer(self._picture)

    def show_again(self) -> None:
        """Tell all clients what changed between two frames."""
        if (scene := self.session.scene) is not None:
            self.tell_all("scene", scene=scene_data(scene))

    def show_status(self) -> None:
        """Tell all clients how the session is doing."""
        self.tell_all("status", **self.status())

    def status(self) -> dict[str, Any]:
        """How the session is doing, as plain data."""
        return {"recording": self.recording, "clients": len(self.clients)}

    @property
    def recording(self) -> bool:
        """Whether a file is being recorded."""
        return bool(self.session.recording)

    def complain(self, problem: str) -> None:
        """Tell all clients of a problem with frames, the same one not more often than every `REPEAT_S`."""
        now, line = time.monotonic(), " ".join(problem.split())
        told, at = self._complaint
        if line != told or now - at >= REPEAT_S:
            self._complaint = (line, now)
            self.tell_all("error", message=line, about="")

    def tell_all(self, kind: str, **values: Any) -> None:
        """Send a text of `protocol.pack_text` to all clients."""
        for client in list(self.clients):
            client.tell(kind, **values)

    def close(self, ended: str) -> None:
        """Finish all files. From any thread but that one.

        Raises:
            OutputError: a file cannot be written; the others were.
        """
        # In its turn, after what clients asked for before.
        self.turns.submit(self.name, self.end, ended).result()

    def end(self, ended: str) -> None:
        """As `close`, in the network's thread."""
        self.closed = self.closed or "this session has ended"
        self._picture = None  # it asks this session for its header: neither would be freed
        self.session.close(ended)

    async def _in_turn(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self.turns.run(self.name, self._while_open, work, *arguments)

    def _while_open(self, work: Callable[..., T], *arguments: Any) -> T:
        # Checked in the network's thread: a target that is added after the end would never be finished.
        if self.closed:
            raise ValueError(self.closed)
        return work(*arguments)


class OwnSession(ServedSession):
    """The session of one client.

    A client that goes and comes back (a reload, a lost network) finds it as it was. Without a client it ends after a while.

    Args:
        name, session, turns: as for `ServedSession`.
        grace_s: seconds that it may be without a client.
        on_empty: called with the session when they are over.

    Attributes:
        address: of the client that it was made for.
    """

    address = ""

    def __init__(
        self, name: str, session: Session | Film, turns: Turns, grace_s: float, on_empty: Callable[[OwnSession], None]
    ) -> None:
        super().__init__(name, session, turns)
        self.grace_s, self._on_empty = grace_s, on_empty
        self._timer: asyncio.TimerHandle | None = None
        self._is_sealed = False

    def enter(self, client: Client) -> None:
        """The client comes in, or comes back. Another one that is still there has to go: its session went on here."""
        for other in list(self.clients):
            other.end(CLOSE_TAKEN_OVER, "this session goes on in another tab")
            self.clients.discard(other)
        if self._timer is not None:
            self._timer.cancel()
        super().enter(client)

    def leave(self, client: Client) -> None:
        """The client goes. Unless another one took the session over, it ends when nobody comes back."""
        was_here = client in self.clients
        super().leave(client)
        if was_here and not self.clients:
            self.await_client()

    def await_client(self) -> None:
        """End the session if no client comes."""
        self._timer = asyncio.get_running_loop().call_later(self.grace_s, self._give_up)

    def _give_up(self) -> None:
        self._timer = None  # it holds this session
        self._on_empty(self)

    def _while_open(self, work: Callable[..., T], *arguments: Any) -> T:
        done = super()._while_open(work, *arguments)
        # A session without a result has no folder, and gets none for this.
        if not self._is_sealed and self.session.out.is_dir():
            self._is_sealed = True
            with suppress(OutputError):  # a full disk is told of by what wants to write results
                write_whole(self.session.out / SEAL, sealed(self.name))
        return done
