"""The web application: the page, the downloads, and the WebSocket."""

from __future__ import annotations

import asyncio
import io
import os
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.types import ASGIApp

from siamtrack import __version__
from siamtrack.live.web.access import Access, Guard
from siamtrack.live.web.client import CLOSE_REFUSED
from siamtrack.live.web.connection import serve_client
from siamtrack.live.web.protocol import MAX_MESSAGE, pack_text
from siamtrack.live.web.sessions import Sessions

STOP_S = 3
"""Seconds that connections get to end when the server is stopped."""

CHUNK = 2**18
"""Bytes of a download that are read and packed at a time."""

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_PACKED = (".mp4", ".png")
_UNFINISHED = (".part", ".partial.mp4")


def make_app(sessions: Sessions, access: Access, port: int, max_clients: int) -> FastAPI:
    """The application of one server.

    Args:
        sessions: started with the application, closed by whoever made them.
        access: who may come in.
        port: that it listens on: its cookie is named by it, because browsers share cookies among ports.
        max_clients: WebSockets at a time.
    """
    clients: set[WebSocket] = set()

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        sessions.start()
        yield

    app = FastAPI(title="siamtrack live", lifespan=alive, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, access=access, cookie=f"siamtrack-{port}")
    folder = resources.files("siamtrack") / "assets"
    page = {item.name: item.read_bytes() for item in folder.iterdir() if item.name.startswith("live") and "." in item.name}

    def files_of(name: str) -> tuple[Path, dict[str, Path]]:
        session = sessions.named(name)
        if session is None:
            raise HTTPException(404, "there is no such session; it may have ended")
        return session.session.out, result_files(session.session.out)

    @app.get("/about")
    async def about() -> dict[str, str]:
        return {"server": sessions.instance, "source": sessions.source_name, "version": __version__}

    @app.api_route("/sessions/{name}/results.zip", methods=["GET", "HEAD"])
    async def results(request: Request, name: str) -> Response:
        out, files = await asyncio.to_thread(files_of, name)
        if not files:
            raise HTTPException(404, "there are no results yet; draw a target first")
        headers = {"Content-Disposition": f'attachment; filename="siamtrack-{out.name}.zip"'}
        if request.method == "HEAD":  # the page asks first; nothing is packed for that
            return Response(media_type="application/zip", headers=headers)
        return StreamingResponse(zip_stream(files), media_type="application/zip", headers=headers)

    @app.get("/sessions/{name}/files/{file}")
    async def one_file(name: str, file: str) -> Response:
        # From our own listing: a path made of the request could lead anywhere.
        _, files = await asyncio.to_thread(files_of, name)
        if file not in files:
            raise HTTPException(404, "there is no such file")
        return FileResponse(files[file], filename=file)

    @app.api_route("/", methods=["GET", "HEAD"])
    @app.api_route("/{name}", methods=["GET", "HEAD"])
    async def asset(name: str = "live.html") -> Response:
        if name not in page:
            raise HTTPException(404)
        return Response(page[name], media_type=_KINDS[name.rpartition(".")[2]])

    @app.websocket("/ws")
    async def connect(websocket: WebSocket) -> None:
        if len(clients) >= max_clients:
            await websocket.accept()
            await websocket.send_text(pack_text("refused", message="busy: too many pages are connected; close one"))
            await websocket.close(CLOSE_REFUSED, "busy")
            return
        clients.add(websocket)
        try:
            await serve_client(websocket, sessions)
        finally:
            clients.discard(websocket)

    return app


class Server(uvicorn.Server):
    """uvicorn, without its own way with signals: it would raise them again at the end, and so end the process by them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the caller."""
        yield


def make_server(app: ASGIApp, max_clients: int) -> Server:
    """What serves an application, with its limits set."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="error",
        access_log=False,
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        ws_max_size=MAX_MESSAGE,
        ws_max_queue=2,
        ws_ping_interval=10,
        ws_ping_timeout=20,
        ws_per_message_deflate=False,
        limit_concurrency=4 * max_clients,
        timeout_graceful_shutdown=STOP_S,
    )
    return Server(config)


def result_files(folder: Path) -> dict[str, Path]:
    """The finished files of a session, and the rows of targets that are still followed, by their names in the zip.

    Links are left out, so nothing outside the folder can be reached.
    """
    found = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not Path(parent, name).is_symlink())
        for name in sorted(names):
            path = Path(parent, name)
            if not name.endswith(_UNFINISHED) and path.is_file() and not path.is_symlink():
                found[path.relative_to(folder).as_posix()] = path
    return found


def zip_stream(files: dict[str, Path]) -> Iterator[bytes]:
    """The bytes of a zip of files, by their names in it, made while they are sent: nothing is gathered in memory or on the
    disk. A file that has gone meanwhile is left out."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", allowZip64=True) as archive:
        for name, path in files.items():
            try:
                source = path.open("rb")
            except OSError:
                continue
            with source:
                status = os.stat(source.fileno())
                entry = zipfile.ZipInfo(name, time.localtime(status.st_mtime)[:6])
                entry.compress_type = zipfile.ZIP_STORED if name.endswith(_PACKED) else zipfile.ZIP_DEFLATED
                with archive.open(entry, "w", force_zip64=status.st_size > 2**31) as target:
                    while chunk := source.read(CHUNK):
                        target.write(chunk)
                        yield sink.taken()
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A stream that cannot go back, and gives away what was written."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: Any) -> int:
        """Keep bytes until they are taken."""
        self._data += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self._data)
        self._data.clear()
        return data
