"""All that one live server holds: the room of its own video, the rooms of tabs' cameras, and one thread for the network."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from siamtrack.errors import OutputError, SiamtrackError
from siamtrack.live.capture import Capture
from siamtrack.live.session import Session
from siamtrack.live.web.camera_room import CameraRoom
from siamtrack.live.web.protocol import Hello
from siamtrack.live.web.room import Room
from siamtrack.live.web.source_room import SourceRoom

CAMERA_FPS = 30.0
"""Frame rate of recordings of a tab's camera; frames are repeated to fill it."""

MODES = ("source", "camera")

_log = logging.getLogger("siamtrack.live")


class MakeSession(Protocol):
    """Makes a session; all of one server must use the same engine."""

    def __call__(self, out: Path, source: str, fps: float) -> Session:
        """A session.

        Args:
            out: folder of its results. source: name of the video, for run.json. fps: frame rate of recordings.
        """


class Hub:
    """Where connections find their rooms.

    Args:
        out: folder of the results: `server` in it for the server's own video, `browser-N` for tabs' cameras.
        make_session: makes the sessions of all rooms.
        open_capture: opens the server's own video; None if it has none.
        grace_s, max_sessions, max_clients: see `ServerSettings`.

    Attributes:
        instance: tells this start of the server from every other one.

    Raises:
        FileNotFoundError, SourceError: the video cannot be opened.
    """

    def __init__(
        self,
        out: Path,
        make_session: MakeSession,
        open_capture: Callable[[], Capture] | None,
        grace_s: float,
        max_sessions: int,
        max_clients: int,
    ) -> None:
        self.instance = secrets.token_hex(8)
        self._out, self._make_session = out, make_session
        self._grace_s, self._max_sessions, self._max_clients = grace_s, max_sessions, max_clients
        self._engine = ThreadPoolExecutor(1, "engine")
        self._clients = 0
        self._drawn = 0
        self._cameras: dict[str, CameraRoom] = {}
        self.source: SourceRoom | None = None
        self.source_name = ""
        if open_capture is not None:
            capture = open_capture()
            self.source_name = capture.name
            session = make_session(out / "server", capture.name, capture.fps)
            self.source = SourceRoom(session, self._engine, capture, open_capture)

    def start(self) -> None:
        """Begin to track the server's video; called in the event loop."""
        if self.source is not None:
            self.source.start()

    def close(self) -> None:
        """Finish the files of all sessions; called once, when no connection is left.

        Raises:
            OutputError: a file cannot be written; the others were.
        """
        problem: OutputError | None = None
        rooms: list[Room] = [*self._cameras.values()]
        if self.source is not None:
            rooms.append(self.source)
        for room in rooms:
            try:
                room.close("the server was stopped")
            except OutputError as error:
                problem = error
        self._engine.shutdown()
        if problem is not None:
            raise problem

    def admit(self) -> bool:
        """Whether one more connection may come in; if so, call `dismiss` when it has gone."""
        if self._clients >= self._max_clients:
            return False
        self._clients += 1
        return True

    def dismiss(self) -> None:
        """A connection has gone."""
        self._clients -= 1

    def room_for(self, hello: Hello) -> tuple[SourceRoom | CameraRoom, bool]:
        """The room that a tab wants, and whether it is the one that it had before.

        Raises:
            ValueError: there is none, or too many cameras are tracked already.
        """
        if hello.mode not in MODES:
            raise ValueError(f"no mode {hello.mode!r}; known are {', '.join(MODES)}")
        if hello.mode == "source":
            if self.source is None:
                raise ValueError("this server has no video of its own; use this device's camera")
            return self.source, True
        if hello.session in self._cameras:
            return self._cameras[hello.session], True
        if len(self._cameras) >= self._max_sessions:
            raise ValueError(f"busy: {self._max_sessions} cameras are tracked already; try again when one of them has gone")
        room = CameraRoom(secrets.token_urlsafe(16), self._camera_session(), self._engine, self._grace_s, self._end)
        self._cameras[room.name] = room
        return room, False

    def room(self, name: str) -> Room | None:
        """A room by its name."""
        return self.source if self.source is not None and name == self.source.name else self._cameras.get(name)

    def _camera_session(self) -> Session:
        self._drawn += 1
        while (self._out / f"browser-{self._drawn}").exists():
            self._drawn += 1
        return self._make_session(self._out / f"browser-{self._drawn}", "a browser's camera", CAMERA_FPS)

    def _end(self, room: CameraRoom) -> None:
        """A camera's tab did not come back."""
        del self._cameras[room.name]
        self._engine.submit(_finish, room, f"the browser was gone for {self._grace_s:g} s")


def _finish(room: CameraRoom, ended: str) -> None:
    room.closed = "this session has ended"
    try:
        room.session.close(ended)
    except SiamtrackError as error:  # whom it concerns has gone: the terminal is all that is left
        _log.error("%s", error)
