"""The web application: the page, the downloads, and the WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from siamtrack import __version__
from siamtrack.demo import CLIPS, clip_path
from siamtrack.errors import SiamtrackError, SourceError, reason
from siamtrack.labels.label_forms import FORMS
from siamtrack.live.web.access import OFFENCE, Access, Addresses, Allowance, Guard, address_of, share_of
from siamtrack.live.web.archive import Content, label_zip, result_files, zip_stream
from siamtrack.live.web.client import CLOSE_BROKEN, CLOSE_REFUSED, COMMON, COMMON_PER_S
from siamtrack.live.web.connection import serve_client
from siamtrack.live.web.door import Socket, make_door
from siamtrack.live.web.protocol import MAX_MESSAGE, pack_text
from siamtrack.live.web.sessions import Sessions
from siamtrack.live.web.uploads import MAX_PIECE, Upload, Uploads
from siamtrack.video.frame_source import Source
from siamtrack.video.names import printable, source_name
from siamtrack.video.source import open_source

PIECE_S = 60.0
"""Seconds in which a piece of a video must be here."""

STOP_S = 3
"""Seconds that connections get to end when the server is stopped."""

KEPT_FILMS = 32
"""Videos whose last piece may be sent again, because its answer was lost: the newest ones."""

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


def make_app(sessions: Sessions, access: Access, port: int, max_clients: int, folder: Path) -> FastAPI:
    """The application of one server.

    Args:
        sessions: started with the application, closed by whoever made them.
        access: who may come in.
        port: that it listens on: its cookie is named by it, because browsers share cookies among ports.
        max_clients: WebSockets at a time.
        folder: where videos lie that clients send.
    """
    clients: dict[WebSocket, str] = {}
    addresses, uploads = Addresses(), Uploads(folder)
    common = Allowance(COMMON_PER_S, COMMON)
    films: dict[str, asyncio.Task[str]] = {}  # sessions of videos that are here, by the names that these had on their way

    def is_full(address: str) -> bool:
        mine = sum(other == address for other in clients.values())
        return len(clients) >= max_clients or mine >= share_of(address, max_clients)

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        sessions.start()
        yield
        uploads.close()

    app = FastAPI(title="siamtrack live", lifespan=alive, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, access=access, cookie=f"siamtrack-{port}", addresses=addresses)
    assets = resources.files("siamtrack") / "assets"
    page = {item.name: item.read_bytes() for item in assets.iterdir() if item.name.startswith("live") and "." in item.name}

    def files_of(name: str) -> tuple[Path, dict[str, Content]]:
        folder = sessions.folder(name)
        if folder is None:
            raise HTTPException(404, "there is no such session")
        return folder, result_files(folder, sessions.running(name))

    @app.get("/about")
    async def about() -> dict[str, Any]:
        return {
            "server": sessions.instance,
            "source": sessions.source_name,
            "version": __version__,
            "sample": sample_path() is not None,
            "forms": list(FORMS),
        }

    @app.exception_handler(SiamtrackError)
    @app.exception_handler(ValueError)
    async def refuse(_: Request, error: Exception) -> Response:
        return PlainTextResponse(reason(error), 400)

    @app.post("/videos")
    async def begin_video(title: str, size: int) -> dict[str, str]:
        return {"upload": uploads.begin(title, size).name}

    @app.put("/videos/{name}")
    async def add_piece(request: Request, name: str, at: int) -> dict[str, str]:
        film = films.get(name)  # while the piece comes, its opening may fail, and others may take its place
        if film is not None:
            await read_piece(request)
        else:
            upload = uploads.named(name)
            await asyncio.to_thread(uploads.add, upload, at, await read_piece(request))
            if not upload.whole:
                return {}
            film = films.get(name)
        if film is None:
            uploads.take(uploads.named(name))
            path, address = upload.path, address_of(request.scope)
            opened = sessions.add_film(address, lambda: _open(upload), lambda: uploads.remove(path))
            film = films[name] = asyncio.create_task(opened)
            if len(films) > KEPT_FILMS:
                del films[next(iter(films))]
        try:
            return {"session": await asyncio.shield(film)}
        except (SiamtrackError, ValueError, FileNotFoundError):
            films.pop(name, None)  # an error holds what it came by
            raise

    @app.post("/sample")
    async def sample(request: Request) -> dict[str, str]:
        path = sample_path()
        if path is None:
            raise ValueError("there is no sample here; open a video of yours")
        return {"session": await sessions.add_film(address_of(request.scope), lambda: open_source(path))}

    @app.api_route("/sessions/{name}/results.zip", methods=["GET", "HEAD"])
    async def results(request: Request, name: str) -> Response:
        await sessions.prepare(name)
        out, files = await asyncio.to_thread(files_of, name)
        if not files:
            raise HTTPException(404, "there are no results yet; draw a target first")
        headers = {"Content-Disposition": f'attachment; filename="siamtrack-{out.name}.zip"'}
        if request.method == "HEAD":  # the page asks first; nothing is packed for that
            return Response(media_type="application/zip", headers=headers)
        return StreamingResponse(zip_stream(files), media_type="application/zip", headers=headers)

    @app.get("/sessions/{name}/labels/{form}.zip")
    async def labels(name: str, form: str) -> Response:
        if form not in FORMS:
            raise HTTPException(404, "there is no such form of labels")
        await sessions.prepare(name)
        out, files = await asyncio.to_thread(files_of, name)
        data = await asyncio.to_thread(label_zip, files, form)
        headers = {"Content-Disposition": f'attachment; filename="siamtrack-{out.name}-{form}.zip"'}
        return Response(data, media_type="application/zip", headers=headers)

    @app.get("/sessions/{name}/files/{file}")
    async def one_file(name: str, file: str) -> Response:
        # From our own listing: a path made of the request could lead anywhere.
        _, files = await asyncio.to_thread(files_of, name)
        path = files.get(file)
        if not isinstance(path, Path):
            raise HTTPException(404, "there is no such file")
        return FileResponse(path, filename=file)

    @app.api_route("/", methods=["GET", "HEAD"])
    @app.api_route("/{name}", methods=["GET", "HEAD"])
    async def asset(name: str = "live.html") -> Response:
        if name not in page:
            raise HTTPException(404)
        return Response(page[name], media_type=_KINDS[name.rpartition(".")[2]])

    @app.websocket("/ws")
    async def connect(websocket: WebSocket) -> None:
        address = address_of(websocket.scope)
        if is_full(address):
            await websocket.accept()
            await websocket.send_text(pack_text("refused", message="busy: too many pages are connected; close one"))
            await websocket.close(CLOSE_REFUSED, "busy")
            return
        clients[websocket] = address
        try:
            if await serve_client(websocket, sessions, common) == CLOSE_BROKEN:
                addresses.of(address).use(OFFENCE)  # it is let in again later; its open connections notice nothing
        finally:
            del clients[websocket]

    return app


class Server(uvicorn.Server):
    """uvicorn, without its own way with signals: it would raise them again at the end, and so end the process by them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the caller."""
        yield


def make_server(app: ASGIApp, max_clients: int, certificate: Path | None = None) -> Server:
    """What serves an application, with its limits set; over https with a certificate and its key in one file."""
    config = uvicorn.Config(
        app,
        http=make_door(2 * max_clients),
        ws=Socket,
        ssl_certfile=certificate,
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


def _open(upload: Upload) -> Source:
    """What a client sent, in errors too by the name that its client gave it."""
    title = printable(upload.title)
    try:
        source = open_source(upload.path)
    except SourceError as error:
        raise SourceError(str(error).replace(source_name(str(upload.path)), title)) from error
    source.name = title
    return source


async def read_piece(request: Request) -> bytes:
    """The body of a request.

    Raises:
        ValueError: it is larger than a piece may be, takes too long, or its client has gone.
    """
    piece = bytearray()

    async def read() -> None:
        async for part in request.stream():
            piece.extend(part)
            if len(piece) > MAX_PIECE:
                raise ValueError(f"a piece has more than {MAX_PIECE} bytes; send smaller ones")

    try:
        await asyncio.wait_for(read(), PIECE_S)
    except asyncio.TimeoutError as error:
        raise ValueError(f"the piece was not here within {PIECE_S:g} s; send it again") from error
    except ClientDisconnect as error:
        raise ValueError("the client has gone") from error
    return bytes(piece)


def sample_path() -> Path | None:
    """A video to begin with; None if the extra `demo` is not installed."""
    try:
        return clip_path(CLIPS["bikes"].file)
    except SiamtrackError:
        return None
