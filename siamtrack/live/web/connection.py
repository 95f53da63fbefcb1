"""One client's WebSocket from its beginning to its end: what the client says is checked and done."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from siamtrack.errors import SiamtrackError, reason
from siamtrack.live.web import protocol
from siamtrack.live.web.access import Allowance, address_of
from siamtrack.live.web.camera_session import CameraSession
from siamtrack.live.web.client import CLOSE_BROKEN, CLOSE_REFUSED, Client
from siamtrack.live.web.protocol import ProtocolError, parse_picture, parse_text, scene_data
from siamtrack.live.web.served_session import ServedSession
from siamtrack.live.web.sessions import GoneError, Sessions

HELLO_S = 10.0
CLOSE_S = 3.0


async def serve_client(websocket: WebSocket, sessions: Sessions, common: Allowance) -> int | None:
    """Serve a client until it goes, or has to.

    Args:
        websocket: of `door.Socket`, not accepted yet.
        sessions: of the server.
        common: messages that all clients share.

    Returns:
        The code with which it was closed from here; None if the client went.
    """
    await websocket.accept()
    client = Client(websocket, common)
    connection = Connection(websocket, client, sessions)
    sender, reader, *_ = tasks = [
        asyncio.create_task(work)
        for work in (client.send(), connection.read(), client.ended.wait(), websocket.state.gone.wait())
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if client.ended.is_set():
            reader.cancel()
            # The last texts should still be sent; but not waited for any longer than this.
            await asyncio.wait({sender}, timeout=CLOSE_S)
        else:  # what it said last is still done; of one that talked faster than it was read, not all
            await asyncio.wait({reader}, timeout=CLOSE_S)
    finally:
        connection.leave()
        for task in tasks:
            task.cancel()
        problems = await asyncio.gather(*tasks, return_exceptions=True)
    for problem in problems:
        if isinstance(problem, Exception) and not isinstance(problem, (WebSocketDisconnect, OSError)):
            raise problem
    return client.closed


class Connection:
    """The receiving side of one WebSocket; `client` is the sending side."""

    def __init__(self, websocket: WebSocket, client: Client, sessions: Sessions) -> None:
        self._websocket, self._client, self._sessions = websocket, client, sessions
        self._session: ServedSession | None = None

    async def read(self) -> None:
        """Read and do what the client says, until it goes."""
        session = self._session = await self._greet()
        while session is not None and (event := await self._receive()) is not None:
            try:
                if isinstance(event, bytes):
                    _camera(session).take(self._client, *parse_picture(event))
                elif not self._is_answer(message := parse_text(event)):
                    self._client.charge(len(event))
                    await self._act(session, message)
            except ProtocolError as error:
                self._client.blame(str(error), len(event))
            await self._client.rest()

    def leave(self) -> None:
        """Leave the session, if there is one."""
        if self._session is not None:
            self._session.leave(self._client)

    def _is_answer(self, message: protocol.Message) -> bool:
        """Whether it only says that a picture was drawn that had been sent: no more than those can come."""
        return isinstance(message, protocol.Ack) and self._client.drawn(message.seq, message.word_ms / 1000)

    async def _receive(self) -> str | bytes | None:
        """The next message; None when the client has gone."""
        event = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            return None
        text: str | None = event.get("text")
        return text if text is not None else event["bytes"]

    async def _greet(self) -> ServedSession | None:
        """Bring the client into its session; None if there is none for it, and it was told why."""
        event = None
        try:
            event = await asyncio.wait_for(self._receive(), HELLO_S)
            hello = parse_text(event) if isinstance(event, str) else None
            if event is None:
                return None
            if not isinstance(hello, protocol.Hello) or hello.version != protocol.VERSION:
                raise ProtocolError("the first message must be hello, of this server's version; load the page again")
            session, resumed = self._sessions.find(hello, address_of(self._websocket.scope))
        except (asyncio.TimeoutError, SiamtrackError, ValueError) as error:
            message = str(error) or f"no hello came within {HELLO_S:g} s"
            self._client.tell("refused", message=message, gone=isinstance(error, GoneError))
            self._client.end(CLOSE_BROKEN if isinstance(event, bytes) else CLOSE_REFUSED, "refused")
            return None
        scene = session.session.scene
        self._client.tell(
            "welcome",
            version=protocol.VERSION,
            server=self._sessions.instance,
            mode=session.mode,
            session=session.name,
            resumed=resumed,
            folder=str(session.session.out),
            scene=scene_data(scene) if scene is not None else None,
        )
        session.enter(self._client)
        self._websocket.state.admit()
        return session

    async def _act(self, session: ServedSession, message: protocol.Message) -> None:
        """Do what the client asks for, and say how it went."""
        about = type(message).__name__.lower()
        try:
            done = await self._do(session, message)
        except ProtocolError:
            raise
        except (SiamtrackError, ValueError) as error:
            self._client.tell("error", message=reason(error), about=about)
        except KeyError:
            self._client.tell("error", message="there is no such target any more", about=about)
        else:
            if done is not None:
                self._client.tell("done", about=about, **done)

    async def _do(self, session: ServedSession, message: protocol.Message) -> dict[str, Any] | None:
        client, targets = self._client, session.session
        match message:
            case protocol.Size(width, height):
                _camera(session).expect((width, height))
            case protocol.Ping(t):
                client.tell("pong", t=t)
            case protocol.Hold(seq):
                client.hold(seq)
            case protocol.Release():
                client.hold(None)
            case protocol.Add(box, seq):
                return {"name": await session.change(targets.add, box, client.frame(seq))}
            case protocol.Reselect(name, box, seq):
                await session.change(targets.reselect, name, box, client.frame(seq))
                return {"name": name}
            case protocol.Remove(name):
                await session.change(targets.remove, name)
                return {"name": name}
            case protocol.Pause() | protocol.Step() | protocol.Backward() | protocol.Seek():
                session.steer(message)
            case protocol.Rename(name, to, color):
                return {"name": await session.change(targets.rename, name, to, color)}
            case protocol.Record(on):
                path = await session.record(on)
                return {"on": on, "file": path.name if path is not None else ""}
            case protocol.Screenshot():
                return {"file": (await session.screenshot()).name}
            case protocol.Finish():
                await session.finish()
                return {}
            case protocol.Hello():
                raise ProtocolError("hello came twice")
        return None


def _camera(session: ServedSession) -> CameraSession:
    """Raises:
    ProtocolError: the client has no camera here.
    """
    if not isinstance(session, CameraSession):
        raise ProtocolError("pictures of a camera, though this client watches a video of the server's")
    return session
