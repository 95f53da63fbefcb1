"""Connections that have not said yet what they want: they get little time, and the oldest makes room for a new one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

READ = 2**13
"""Bytes that are read of a connection before it is another one's turn."""

REQUEST_S = 10.0
"""Seconds that a connection gets for the head of a request."""


def make_door(most: int, request_s: float = REQUEST_S) -> type[H11Protocol]:
    """The HTTP protocol of one server.

    A browser sends its request at once. Somebody who opens connections and says nothing, or one byte a second, would
    otherwise use up the server's places for half a minute.

    Args:
        most: connections without a request at a time. request_s: seconds that they may stay so.
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
            waiting[self] = self.loop.call_later(request_s, self.transport.abort)
            if len(waiting) > most:
                oldest = next(iter(waiting))
                oldest._done()
                oldest.transport.abort()

        def _done(self) -> None:
            if (timer := waiting.pop(self, None)) is not None:
                timer.cancel()

    return Door
