"""Connections as bytes: those that have not said yet what they want get little, and nobody's bytes hold up the others'."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from siamtrack.live.web.access import Allowance
from siamtrack.live.web.protocol import MAX_MESSAGE, MAX_TEXT

READ = 2**13
"""Bytes that are read of a connection before it is another one's turn."""

REQUEST_S = 10.0
"""Seconds that a connection gets for the head of a request."""

CLOSING_S, CLOSED_S = 0.5, 2.0
"""Seconds between two reads of a connection that is being closed, and until it is closed without an answer."""

SMALL, SMALL_PER_S, SMALL_FRAMES = 2**10, 1.0, 60.0
"""Bytes below which a part of a message is small, and how many of these, and of pings and pongs, a WebSocket may send a second,
and at once: a page sends hardly any, and each costs as much as a message."""


def make_door(most: int) -> type[H11Protocol]:
    """The HTTP protocol of one server.

    A browser sends its request at once. Somebody who opens connections and says nothing, or one byte a second, would
    otherwise use up the server's places for half a minute.

    Args:
        most: connections without a request at a time; they may stay so for `REQUEST_S`.
    """
    waiting: dict[Door, asyncio.TimerHandle] = {}  # oldest first

    class Door(H11Protocol):
        """One connection."""

        def connection_made(self, transport: Any) -> None:
            """It is open."""
            super().connection_made(transport)
            with suppress(AttributeError):  # of asyncio's own sockets: many small messages at once would hold up all others
                transport.max_size = READ
            self._wait()

        def data_received(self, data: bytes) -> None:
            """Something came: the head of a request is whole by now, or it is not."""
            super().data_received(data)
            if self.conn.their_state is h11.IDLE and self.transport.get_protocol() is self:
                self._wait()
            else:
                self._done()

        def connection_lost(self, exc: Exception | None) -> None:
            """It is closed."""
            self._done()
            super().connection_lost(exc)

        def _wait(self) -> None:
            if self in waiting:
                return
            waiting[self] = self.loop.call_later(REQUEST_S, self.transport.abort)
            if len(waiting) > most:
                oldest = next(iter(waiting))
                oldest._done()
                oldest.transport.abort()

        def _done(self) -> None:
            if (timer := waiting.pop(self, None)) is not None:
                timer.cancel()

    return Door


class Socket(WebSocketsSansIOProtocol):
    """One WebSocket. In its scope's `state` are `admit`, to be called when its client may send whole pictures, and `gone`, an
    event that is set when it has gone, which may be long before its last message is read."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.conn.max_message_size = MAX_TEXT  # what is longer is refused by its first bytes
        self.close_timeout = CLOSED_S
        self._gone = asyncio.Event()
        self._small_frames = Allowance(SMALL_PER_S, SMALL_FRAMES)

    async def run_asgi(self) -> None:
        """Let the application serve the client."""
        self.scope["state"] |= {"admit": self._admit, "gone": self._gone}
        await super().run_asgi()

    def data_received(self, data: bytes) -> None:
        """Something came. Of a client that is being closed, little is read: only its answer to that is of interest."""
        super().data_received(data)
        if self.close_sent and not self.transport.is_closing():
            self.transport.pause_reading()
            self.loop.call_later(CLOSING_S, self._read_on)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        super().connection_lost(exc)
        self._gone.set()

    def handle_ping(self) -> None:
        """A client asks whether the server is there."""
        if self._spend_frame():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """A client says that it is there."""
        if self._spend_frame():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """Another part of a message came."""
        if event.fin or len(event.data) >= SMALL or self._spend_frame():
            super().handle_cont(event)

    def handle_parser_exception(self) -> None:
        """It is closed for what came: nothing is sent any more."""
        super().handle_parser_exception()
        self.disconnected = True

    def _spend_frame(self) -> bool:
        """Whether a frame that says next to nothing is accepted; a client that floods the server with such ones is closed."""
        if not self.close_sent:
            self._small_frames.use(1)
            if self._small_frames.wait_s:
                self.conn.fail(CloseCode.POLICY_VIOLATION, "too many small frames")
                self.handle_parser_exception()
        return not self.close_sent

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _admit(self) -> None:
        self.conn.max_message_size = MAX_MESSAGE
