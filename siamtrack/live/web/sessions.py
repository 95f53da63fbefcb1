"""All sessions of one live server: its own video's, and one for each client's camera."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from siamtrack.errors import OutputError, SiamtrackError
from siamtrack.live.capture import Capture
from siamtrack.live.session import Session
from siamtrack.live.web.protocol import Hello
from siamtrack.live.web.served_session import SEAL, CameraSession, ServedSession, sealed
from siamtrack.live.web.source_session import SourceSession
from siamtrack.live.web.turns import Turns
from siamtrack.outside import SMALL
from siamtrack.system import read_text

CAMERA_FPS = 30.0
"""Nominal frame rate of recordings of a client's camera; its frames have times of their own."""

_log = logging.getLogger("siamtrack.live")


class Sessions:
    """The sessions by their names. One thread runs the network for all of them.

    Args:
        out: folder of the results: `server` in it for the server's own video, `browser-N` for clients' cameras.
        make_session: makes a session of a folder, a video's name and a frame rate.
        open_capture: opens the server's own video; None if it has none.
        grace_s, max_sessions: see `LiveServer`.

    Attributes:
        instance: tells this start of the server from every other one.
        source_name: name of the server's own video; "" if it has none.

    Raises:
        FileNotFoundError, SourceError: the video cannot be opened.
    """

    def __init__(
        self,
        out: Path,
        make_session: Callable[[Path, str, float], Session],
        open_capture: Callable[[], Capture] | None,
        grace_s: float,
        max_sessions: int,
    ) -> None:
        self.instance = secrets.token_hex(8)
        self._out, self._make_session = out, make_session
        self._grace_s, self._max_sessions = grace_s, max_sessions
        self._turns = Turns()
        self._made = 0
        self._cameras: dict[str, CameraSession] = {}
        self._source: SourceSession | None = None
        self.source_name = ""
        if open_capture is not None:
            capture = open_capture()
            self.source_name = capture.name
            session = make_session(out / "server", capture.name, capture.fps)
            self._source = SourceSession(session, self._turns, capture, open_capture)

    def start(self) -> None:
        """Begin to track the server's video; called in the event loop."""
        if self._source is not None:
            self._source.start()

    def close(self) -> None:
        """Finish the files of all sessions; called once, when no connection is left.

        Raises:
            OutputError: a file cannot be written; the others were.
        """
        problem: OutputError | None = None
        for session in (*self._cameras.values(), self._source):
            try:
                if session is not None:
                    session.close("the server was stopped")
            except OutputError as error:
                problem = error
        self._turns.shutdown()
        if problem is not None:
            raise problem

    def find(self, hello: Hello) -> tuple[ServedSession, bool]:
        """The session that a client wants, and whether it is the one that it had before.

        Raises:
            ValueError: there is none, or too many cameras are tracked already.
        """
        if hello.mode == "source":
            if self._source is None:
                raise ValueError("this server has no video of its own; use this device's camera")
            return self._source, True
        if hello.session in self._cameras:
            return self._cameras[hello.session], True
        self._make_room()
        if len(self._cameras) >= self._max_sessions:
            raise ValueError(f"busy: {self._max_sessions} cameras are tracked already; try again when one of them has gone")
        session = CameraSession(secrets.token_urlsafe(16), self._camera_session(), self._turns, self._grace_s, self._end)
        self._cameras[session.name] = session
        return session, False

    def folder(self, name: str) -> Path | None:
        """Where the results of a session are, which may have ended, in an earlier start of the server too; None if it had
        none. Reads files."""
        if self._source is not None and name == self._source.name:
            return self._source.session.out
        if name in self._cameras:
            return self._cameras[name].session.out
        files = self._out.glob(f"*/{SEAL}") if self._out.is_dir() else ()
        return next((file.parent for file in files if read_text(file, SMALL) == sealed(name)), None)

    def running(self, name: str) -> dict[str, dict[str, Any]]:
        """What run.json would say of the targets that a session follows now; nothing of one that has ended."""
        session = self._cameras.get(name) or (self._source if name == "server" else None)
        return session.session.running() if session is not None else {}

    def _make_room(self) -> None:
        """End a session that nobody would miss, if there are as many as there may be: its client has gone, and it has
        written nothing."""
        if len(self._cameras) >= self._max_sessions:
            unused = (one for one in self._cameras.values() if not one.clients and not one.session.out.exists())
            if (session := next(unused, None)) is not None:
                self._end(session)

    def _camera_session(self) -> Session:
        self._made += 1
        while (self._out / f"browser-{self._made}").exists():
            self._made += 1
        return self._make_session(self._out / f"browser-{self._made}", "a browser's camera", CAMERA_FPS)

    def _end(self, session: CameraSession) -> None:
        """A camera's client did not come back."""
        if self._cameras.pop(session.name, None) is not None:
            self._turns.submit(session, self._finish, session)

    def _finish(self, session: CameraSession) -> None:
        session.closed = "this session has ended"
        try:
            session.session.close(f"the browser was gone for {self._grace_s:g} s")
        except SiamtrackError as error:  # its client has gone; only the log is left
            _log.error("%s", error)
