"""The live page's server: one blocking call, and every result written when it ends."""

from __future__ import annotations

import errno
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from siamtrack.errors import needs
from siamtrack.live.capture import Capture
from siamtrack.live.session import Session
from siamtrack.video.source import Source, open_source

if TYPE_CHECKING:
    from siamtrack.live.web.sessions import MakeFilm

UPLOADS = ".videos"
"""Folder below the results' one in which clients' videos lie until they are decoded."""

_BACKLOG = 128


class LiveServer:
    """A server that listens already, and serves once it runs.

    Args:
        out: folder of the results: `server` in it for the server's own video, `browser-N` for clients' cameras.
        make_session: makes a session of a folder, a video's name for run.json, and a frame rate for recordings; all must
            use the same network.
        make_film: makes a film of a folder, what opens its video, and what is called when that is not needed any more.
        source: the server's own video, as for `opener`; None for clients' cameras alone.
        host: name or address to listen on. Others than loopback ones need a token.
        port: 0 takes any free one.
        token: the secret of the address; "" makes one where one is needed, "new" in any case.
        https: speak https; with a certificate made now, unless one is given.
        certificate: PEM file of a certificate and its key, for https.
        grace_s: seconds that the session of a client's camera waits for the client to come back.
        max_clients: clients at a time. max_sessions: clients' cameras and video files that are tracked at a time.
        opener: opens `source`.

    Attributes:
        url: the whole address to open, token and all.
        fingerprint: SHA-256 of a certificate that was made now; "" otherwise.

    Raises:
        ValueError: the address cannot be listened on, or the token cannot be used.
        FileNotFoundError, SourceError: the video cannot be opened.
        SiamtrackError: a library is missing.
    """

    def __init__(
        self,
        out: Path,
        make_session: Callable[[Path, str, float], Session],
        make_film: MakeFilm,
        *,
        source: str | int | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 8765,
        token: str = "",
        https: bool = False,
        certificate: Path | None = None,
        grace_s: float = 60.0,
        max_clients: int = 64,
        max_sessions: int = 8,
        opener: Callable[[str | int | Path], Source] = open_source,
    ) -> None:
        try:
            import websockets  # noqa: F401 (uvicorn imports it only when the first one comes)

            from siamtrack.live.web.access import Access
            from siamtrack.live.web.app import make_app, make_server
            from siamtrack.live.web.certificate import make_certificate
            from siamtrack.live.web.sessions import Sessions
        except ModuleNotFoundError as error:
            raise needs("live", f"the live page needs {error.name}") from error

        access = Access(host, token)
        if certificate is not None:
            _check_certificate(certificate)
        self.fingerprint = ""
        # Before the video: a camera should not be taken by a server that cannot start.
        self._socket = _listen(host, port)
        try:
            open_capture = None if source is None else lambda: Capture(lambda: opener(source))
            self._sessions = Sessions(out, make_session, open_capture, grace_s, max_sessions, make_film)
        except BaseException:
            self._socket.close()
            raise
        port = self._socket.getsockname()[1]
        self.url = _url("https" if https or certificate is not None else "http", host, port, access.token)
        app = make_app(self._sessions, access, port, max_clients, out / UPLOADS)
        if https and certificate is None:
            made, self.fingerprint = make_certificate([_name(host), "127.0.0.1", "localhost"])
            self._server = make_server(app, max_clients, made)
            self._server.config.load()  # from here on it is in memory
            made.unlink()
        else:
            self._server = make_server(app, max_clients, certificate)

    def run(self) -> None:
        """Serve until `stop`, then finish the files of all sessions.

        Raises:
            OutputError: a file cannot be written; the others were.
        """
        try:
            self._server.run([self._socket])
        finally:
            self._socket.close()
            self._sessions.close()

    def stop(self) -> None:
        """Let `run` end soon; may be called from any thread and from a signal's handler."""
        # Connections are cut off on purpose from here on; that is no error.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ValueError: it cannot; the message says why, and the way out.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} is none; give 1 to 65535, or 0 for any free one, or leave out --port")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise ValueError(f"host {host!r} is no name or address of this machine; give --host 127.0.0.1") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ValueError(
                f"port {port} of {host} is taken by another program; give another one with --port, or --port 0 for any free one"
            ) from error
        raise ValueError(
            f"port {port} of {host} cannot be listened on ({error.strerror}); give --host 127.0.0.1, and a port from 1024 on"
        ) from error
    return listener


def _check_certificate(path: Path) -> None:
    """Raises:
    ValueError: the file is no certificate with its key.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    except OSError as error:  # what ssl raises is one too
        raise ValueError(
            f"{path} is no PEM file of a certificate and its key ({error}); leave it out to have one made"
        ) from error


def _name(host: str) -> str:
    """The name or address by which others reach a server that listens on `host`."""
    return _own_address() if host in ("", "0.0.0.0", "::") else host


def _url(scheme: str, host: str, port: int, token: str) -> str:
    name = _name(host)
    name = f"[{name}]" if ":" in name else name
    return f"{scheme}://{name}:{port}/" + (f"?token={token}" if token else "")


def _own_address() -> str:
    """This machine's address in its network, as others see it; its name if there is no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation; nothing is sent, only the route is chosen
            address: str = probe.getsockname()[0]
        except OSError:
            return socket.gethostname()
    return address
