"""One tab's WebSocket: what it says is checked and done, and it is sent no more than it can take."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastapi import WebSocket, WebSocketDisconnect

from siamtrack.errors import SiamtrackError
from siamtrack.live.capture import Captured
from siamtrack.live.web import protocol
from siamtrack.live.web.camera_room import CameraRoom
from siamtrack.live.web.jpeg import PictureError
from siamtrack.live.web.protocol import ProtocolError, pack_picture, pack_text, parse_picture, parse_text, scene_data
from siamtrack.live.web.source_room import Picture, SourceRoom

if TYPE_CHECKING:
    from siamtrack.live.web.hub import Hub

WINDOW = 2
"""Pictures on their way to a tab at most. One would leave the line idle while the tab draws; more would be delay."""

KEPT = WINDOW + 2
"""Pictures that a tab may name in `hold`: those on their way, the one it shows, and the one before."""

HELLO_S = 10.0
CLOSE_S = 3.0

MESSAGES_PER_S, BURST = 120.0, 240.0
"""What is read of one tab. One that says more is read more slowly; it waits, and nobody else does."""

STRIKES = 10
"""Broken messages, less one a second, until a connection is closed."""

MAX_WAITING = 256
"""Texts that may wait for a tab that does not read them."""

CLOSE_BROKEN, CLOSE_REFUSED, CLOSE_SLOW, CLOSE_FAILED = 4000, 4002, 4003, 4011


class Connection:
    """One tab. `run` is its whole life; the other methods are for rooms.

    Args:
        websocket: not accepted yet.
        hub: where the rooms are.
    """

    def __init__(self, websocket: WebSocket, hub: Hub) -> None:
        self._websocket, self._hub = websocket, hub
        self._room: SourceRoom | CameraRoom | None = None
        self._reader: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._texts: deque[str] = deque()
        self._closing: tuple[int, str] | None = None
        # The newest picture that was not sent, the numbers of those under way, and the frames that can be drawn on.
        self._next: Picture | None = None
        self._under_way: set[int] = set()
        self._sent = self._skipped = 0
        self._kept: OrderedDict[int, Captured] = OrderedDict()
        self._held: tuple[int, Captured] | None = None
        self._allowance, self._read_at = BURST, time.monotonic()
        self._strikes, self._blamed_at = 0.0, time.monotonic()

    async def run(self) -> None:
        """Serve the tab until it goes, or has to."""
        await self._websocket.accept()
        sender = asyncio.create_task(self._send())
        self._reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait({sender, self._reader}, return_when=asyncio.FIRST_COMPLETED)
            if self._closing is not None:
                # What was said last should still be read; but not waited for any longer than this.
                await asyncio.wait({sender}, timeout=CLOSE_S)
        finally:
            if self._room is not None:
                self._room.leave(self)
            for task in (sender, self._reader):
                task.cancel()
            problems = await asyncio.gather(sender, self._reader, return_exceptions=True)
        for problem in problems:
            if isinstance(problem, Exception) and not isinstance(problem, (WebSocketDisconnect, OSError)):
                raise problem

    def tell(self, text: str) -> None:
        """Send a text, when its turn comes."""
        if len(self._texts) >= MAX_WAITING:
            self.end(CLOSE_SLOW, "too many messages were not read")
        elif self._closing is None:
            self._texts.append(text)
            self._wake.set()

    def offer(self, picture: Picture) -> None:
        """Send a picture, if the tab can take it before a newer one comes."""
        self._skipped += self._next is not None
        self._next = picture
        self._wake.set()

    def keep(self, seq: int, frame: Captured) -> None:
        """Remember a frame that the tab shows or soon will, so that boxes can be drawn on it."""
        self._kept[seq] = frame
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def blame(self, problem: str) -> None:
        """Tell the tab that its message was broken; one that goes on like this is closed."""
        now = time.monotonic()
        self._strikes = max(0.0, self._strikes - (now - self._blamed_at)) + 1
        self._blamed_at = now
        self.tell(pack_text("error", message=problem, about="message"))
        if self._strikes > STRIKES:
            self.end(CLOSE_BROKEN, "too many broken messages")

    def end(self, code: int, reason: str) -> None:
        """Close the connection, after what was told before."""
        if self._closing is None:
            self._closing = (code, reason)
            self._wake.set()
            if self._reader is not None:
                self._reader.cancel()

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._texts:
                await self._websocket.send_text(self._texts.popleft())
            if self._closing is not None:
                await self._websocket.close(*self._closing)
                return
            if self._next is not None and len(self._under_way) < WINDOW:
                picture, self._next = self._next, None
                await self._send_picture(picture)
                self._wake.set()  # there may be more by now

    async def _send_picture(self, picture: Picture) -> None:
        assert isinstance(self._room, SourceRoom)
        jpeg = await picture.jpeg()
        self._sent += 1
        self._under_way.add(self._sent)
        self.keep(self._sent, picture.scene.frame)
        header: dict[str, Any] = {"seq": self._sent, "skipped": self._skipped, **self._room.counts}
        header["scene"] = scene_data(self._room.newest(picture).scene)
        header["age_ms"] = round(1000 * (time.perf_counter() - picture.due_at), 1)  # as late as can be
        await self._websocket.send_bytes(pack_picture(jpeg, **header))

    async def _read(self) -> None:
        if not await self._greet():
            return
        follower = asyncio.create_task(self._room.follow(self)) if isinstance(self._room, CameraRoom) else None
        if follower is not None:
            # It ends by itself only if something went wrong; then nobody would answer this tab any more.
            follower.add_done_callback(lambda _: self.end(CLOSE_FAILED, "tracking broke off"))
        try:
            while (event := await self._receive()) is not None:
                await self._slow_down()
                try:
                    if isinstance(event, str):
                        await self._act(parse_text(event))
                    elif isinstance(self._room, CameraRoom):
                        self._room.take(self, *parse_picture(event))
                    else:
                        raise ProtocolError("a picture, though this tab watches the server's video")
                except (ProtocolError, PictureError) as error:
                    self.blame(str(error))
        finally:
            if follower is not None:
                follower.cancel()
                with suppress(asyncio.CancelledError):
                    await follower

    async def _receive(self) -> str | bytes | None:
        """The next message; None when the tab has gone."""
        event = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            return None
        text: str | None = event.get("text")
        return text if text is not None else event["bytes"]

    async def _slow_down(self) -> None:
        """Wait as long as the tab has said more than its share."""
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._read_at) * MESSAGES_PER_S) - 1
        self._read_at = now
        if self._allowance < 0:
            await asyncio.sleep(-self._allowance / MESSAGES_PER_S)

    async def _greet(self) -> bool:
        """Bring the tab into its room; False if there is none for it, and it was told why."""
        try:
            event = await asyncio.wait_for(self._receive(), HELLO_S)
            hello = parse_text(event) if isinstance(event, str) else None
            if event is None:
                return False
            if not isinstance(hello, protocol.Hello) or hello.version != protocol.VERSION:
                raise ProtocolError("the first message must be hello, of this server's version; load the page again")
            room, resumed = self._hub.room_for(hello)
        except (asyncio.TimeoutError, SiamtrackError, ValueError) as error:
            problem = str(error) or f"no hello came within {HELLO_S:g} s"
            self._texts.append(pack_text("refused", message=problem))
            self.end(CLOSE_REFUSED, "refused")
            return False
        self._room = room
        scene = room.session.scene
        self.tell(
            pack_text(
                "welcome",
                version=protocol.VERSION,
                server=self._hub.instance,
                mode=room.mode,
                session=room.name,
                resumed=resumed,
                folder=str(room.session.out),
                scene=scene_data(scene) if scene is not None else None,
            )
        )
        room.enter(self)
        return True

    async def _act(self, message: protocol.Message) -> None:
        """Do what the tab asks for, and say how it went."""
        about = type(message).__name__.lower()
        try:
            done = await self._do(message)
        except (SiamtrackError, ValueError) as error:
            if isinstance(error, ProtocolError):
                raise
            self.tell(pack_text("error", message=" ".join(str(error).split()), about=about))
        except KeyError:
            self.tell(pack_text("error", message="there is no such target any more", about=about))
        else:
            if done is not None:
                self.tell(pack_text("done", about=about, **done))

    async def _do(self, message: protocol.Message) -> dict[str, Any] | None:
        room = self._room
        assert room is not None
        match message:
            case protocol.Ack(seq):
                self._under_way.discard(seq)
                self._wake.set()
            case protocol.Ping(t):
                self.tell(pack_text("pong", t=t))
            case protocol.Hold(seq):
                frame = self._kept.get(seq)
                self._held = (seq, frame) if frame is not None else None
            case protocol.Release():
                self._held = None
            case protocol.Add(box, seq):
                return {"name": await room.add(box, self._frame(seq))}
            case protocol.Reselect(name, box, seq):
                await room.reselect(name, box, self._frame(seq))
                return {"name": name}
            case protocol.Remove(name):
                await room.remove(name)
                return {"name": name}
            case protocol.Pause(on):
                room.pause(on)
            case protocol.Step():
                room.step()
            case protocol.Record(on):
                path = await room.record(on)
                return {"on": on, "file": path.name if path is not None else ""}
            case protocol.Screenshot():
                return {"file": (await room.screenshot()).name}
            case protocol.Hello():
                raise ProtocolError("hello came twice")
        return None

    def _frame(self, seq: int | None) -> Captured | None:
        """The frame that a box was drawn on.

        Raises:
            ValueError: it is not kept any more.
        """
        if seq is None:
            return None
        if self._held is not None and self._held[0] == seq:
            return self._held[1]
        if seq not in self._kept:
            raise ValueError("the picture that the box was drawn on is not there any more; draw it again")
        return self._kept[seq]
