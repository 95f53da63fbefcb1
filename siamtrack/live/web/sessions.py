"""All sessions of one live server: its own video's, and one for each client's camera or video file."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from siamtrack.errors import OutputError, SiamtrackError
from siamtrack.live.capture import Capture
from siamtrack.live.film import Film
from siamtrack.live.scene import free_number
from siamtrack.live.session import Session
from siamtrack.live.web.access import share_of
from siamtrack.live.web.camera_session import CameraSession
from siamtrack.live.web.film_session import FilmSession
from siamtrack.live.web.protocol import Hello
from siamtrack.live.web.served_session import SEAL, OwnSession, ServedSession, sealed
from siamtrack.live.web.source_session import SourceSession
from siamtrack.live.web.turns import Turns
from siamtrack.outside import SMALL
from siamtrack.system import read_text
from siamtrack.video.source import Source

MakeFilm = Callable[[Path, Callable[[], Source], Callable[[], None]], Film]

FILM_GRACES = 10.0
"""A video file waits for so many times as long for its client as a camera does: there is more to lose."""

CAMERA_FPS = 30.0
"""Nominal frame rate of recordings of a client's camera; its frames have times of their own."""

_log = logging.getLogger("siamtrack.live")


class GoneError(SiamtrackError, ValueError):
    """A session that has ended, and of which there cannot be another one."""


class Sessions:
    """The sessions by their names. One thread runs the network for all of them, another one decodes what cameras send.

    Args:
        out: folder of the results: `server` in it for the server's own video, `browser-N` for clients' cameras.
        make_session: makes a session of a folder, a video's name and a frame rate.
        open_capture: opens the server's own video; None if it has none.
        grace_s, max_sessions, make_film: see `LiveServer`.

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
        make_film: MakeFilm,
    ) -> None:
        self.instance = secrets.token_hex(8)
        self._out, self._make_session = out, make_session
        self._grace_s, self._max_sessions, self._make_film = grace_s, max_sessions, make_film
        self._turns, self._decoding = Turns(), Turns(aside=True)
        self._made = 0
        self._own: dict[str, OwnSession] = {}
        self._opening: list[str] = []  # addresses of clients whose video is being opened
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
        for session in (*self._own.values(), self._source):
            try:
                if session is not None:
                    session.close("the server was stopped")
            except OutputError as error:
                problem = error
        self._decoding.shutdown()
        self._turns.shutdown()
        if problem is not None:
            raise problem

    def find(self, hello: Hello, address: str) -> tuple[ServedSession, bool]:
        """The session that a client of an address wants, and whether it is the one that it had before.

        Raises:
            ValueError: there is none, or too many are tracked already. GoneError: the video was removed.
        """
        if hello.mode == "source":
            if self._source is None:
                raise ValueError("this server has no video of its own; use this device's camera")
            return self._source, True
        if hello.session in self._own and self._own[hello.session].mode == hello.mode:
            return self._own[hello.session], True
        if hello.mode == "film":
            raise GoneError("this video is not here any more; open it again")
        self._make_room(address)
        out = self._free_folder()
        made = self._make_session(out, "a browser's camera", CAMERA_FPS)
        name = secrets.token_urlsafe(16)
        session = CameraSession(name, made, self._turns, self._grace_s, self._end, decoding=self._decoding)
        return self._keep(session, address), False

    async def add_film(
        self, address: str, open_source: Callable[[], Source], on_close: Callable[[], None] = lambda: None
    ) -> str:
        """A session for a video file, which waits for its client.

        Args:
            address: of the client.
            open_source: opens the file. on_close: called when it is not needed any more, also after an error.

        Returns:
            The session's name.

        Raises:
            ValueError: too many are tracked already.
            FileNotFoundError, SourceError: the file cannot be opened.
        """
        try:
            self._make_room(address)
            self._opening.append(address)
            try:
                film = await asyncio.to_thread(self._make_film, self._free_folder(), open_source, on_close)
            finally:
                self._opening.remove(address)
        except BaseException:
            on_close()
            raise
        session = FilmSession(secrets.token_urlsafe(16), film, self._turns, FILM_GRACES * self._grace_s, self._end)
        self._keep(session, address)
        session.start()
        session.await_client()
        return session.name

    def folder(self, name: str) -> Path | None:
        """Where the results of a session are, which may have ended, in an earlier start of the server too; None if it had
        none. Reads files."""
        if (session := self._open(name)) is not None:
            return session.session.out
        files = self._out.glob(f"*/{SEAL}") if self._out.is_dir() else ()
        return next((file.parent for file in files if read_text(file, SMALL) == sealed(name)), None)

    async def prepare(self, name: str) -> None:
        """Have a session's results in its files; raises OutputError."""
        if (session := self._open(name)) is not None:
            await session.prepare()

    def running(self, name: str) -> dict[str, dict[str, Any]]:
        """What run.json would say of the targets that a session follows now; nothing of one that has ended."""
        session = self._open(name)
        return session.session.running() if session is not None else {}

    def _open(self, name: str) -> ServedSession | None:
        """A session that has not ended."""
        return self._source if self._source is not None and name == self._source.name else self._own.get(name)

    def _make_room(self, address: str) -> None:
        """End a session that nobody would miss, if there are as many as there may be, of an address or of all: its client has
        gone, and it has written nothing.

        Raises:
            ValueError: there is none such.
        """
        mine = [one for one in self._own.values() if one.address == address]
        full = len(mine) + self._opening.count(address) >= share_of(address, self._max_sessions)
        if full or len(self._own) + len(self._opening) >= self._max_sessions:
            of = mine if full else self._own.values()
            unused = (one for one in of if not one.clients and not one.session.out.exists())
            if (session := next(unused, None)) is None:
                raise ValueError(f"busy: {len(of)} videos are tracked already; try again when one of them has gone")
            self._end(session)

    def _keep(self, session: OwnSession, address: str) -> OwnSession:
        self._own[session.name], session.address = session, address
        return session

    def _free_folder(self) -> Path:
        self._made = free_number(self._made, lambda number: (self._out / f"browser-{number}").exists())
        return self._out / f"browser-{self._made}"

    def _end(self, session: OwnSession) -> None:
        """The client of a session did not come back."""
        if self._own.pop(session.name, None) is not None:
            self._turns.submit(session.name, self._finish, session)

    def _finish(self, session: OwnSession) -> None:
        try:
            session.end(f"the browser was gone for {session.grace_s:g} s")
        except SiamtrackError as error:  # its client has gone; only the log is left
            _log.error("%s", error)
