"""The web application: the page, the downloads, the WebSocket, and the guard in front of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.cookies import CookieError, SimpleCookie
from importlib import resources
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from siamtrack import __version__
from siamtrack.live.web.access import Access
from siamtrack.live.web.bundle import result_files, zip_stream
from siamtrack.live.web.connection import CLOSE_REFUSED, Connection
from siamtrack.live.web.hub import Hub
from siamtrack.live.web.protocol import MAX_MESSAGE, pack_text
from siamtrack.live.web.room import Room

STOP_S = 3
"""Seconds that connections get to end when the server is stopped."""

_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]+")


def make_app(hub: Hub, access: Access, port: int) -> FastAPI:
    """The application of one server.

    Args:
        hub: its rooms; started with the application, closed by whoever made it.
        access: who may come in.
        port: that it listens on: its cookie is named by it, because browsers share cookies among ports.
    """

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        hub.start()
        yield

    app = FastAPI(title="siamtrack live", lifespan=alive, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, access=access, cookie=f"siamtrack-{port}")
    for name, content in _assets().items():
        kind = _KINDS["." + name.rpartition(".")[2]]
        path = "/" if name == "live.html" else f"/{name}"
        app.add_api_route(path, _fixed(content, kind), methods=["GET", "HEAD"])

    @app.get("/about")
    async def about() -> dict[str, str]:
        return {"server": hub.instance, "source": hub.source_name, "version": __version__}

    @app.api_route("/sessions/{name}/results.zip", methods=["GET", "HEAD"])
    async def results(request: Request, name: str) -> Response:
        room = _room(hub, name)
        files = await asyncio.to_thread(result_files, room.session.out)
        if not files:
            raise HTTPException(404, "there are no results yet; draw a target first")
        headers = {"Content-Disposition": f'attachment; filename="siamtrack-{room.session.out.name}.zip"'}
        if request.method == "HEAD":  # the page asks first; nothing is packed for that
            return Response(media_type="application/zip", headers=headers)
        return StreamingResponse(zip_stream(files), media_type="application/zip", headers=headers)

    @app.get("/sessions/{name}/files/{file}")
    async def one_file(name: str, file: str) -> Response:
        # Looked up in our own listing: a path made of what the caller says would be his to choose.
        files = await asyncio.to_thread(result_files, _room(hub, name).session.out)
        if file not in files:
            raise HTTPException(404, "there is no such file")
        return FileResponse(files[file], filename=file)

    @app.websocket("/ws")
    async def connect(websocket: WebSocket) -> None:
        if not hub.admit():
            await websocket.accept()
            await websocket.send_text(pack_text("refused", message="busy: too many tabs are connected; close one"))
            await websocket.close(CLOSE_REFUSED, "busy")
            return
        try:
            await Connection(websocket, hub).run()
        finally:
            hub.dismiss()

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


class Guard:
    """Lets nobody past who may not come in, and gives every answer the headers that keep a page to itself.

    Args:
        app: what is guarded. access: the rules. cookie: name of the cookie that keeps the token.
    """

    def __init__(self, app: ASGIApp, access: Access, cookie: str) -> None:
        self._app, self._access, self._cookie = app, access, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application do it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        host = _header(scope, b"host")
        problem = self._access.refuse_host(host)
        if not problem and scope["type"] == "websocket":
            problem = self._access.refuse_origin(_header(scope, b"origin"), host)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        known = self._access.admits(given) or self._access.admits(self._from_cookie(scope))
        if not problem and not known:
            problem = "this page needs its token: open the whole address that the server printed when it started"
        if problem and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        # Set again at every visit with the token: the one before may be of an earlier start.
        cookie = f"{self._cookie}={given}; Path=/; HttpOnly; SameSite=Strict" if known and given else ""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_headers(host if not problem else "")]
                if cookie and self._access.token:
                    message["headers"].append((b"set-cookie", cookie.encode("latin-1")))
            await send(message)

        if problem:
            await PlainTextResponse(problem + "\n", 403)(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send_with_headers)

    def _from_cookie(self, scope: Scope) -> str:
        try:
            found = SimpleCookie(_header(scope, b"cookie")).get(self._cookie)
        except CookieError:
            return ""
        return found.value if found is not None else ""


def _header(scope: Scope, name: bytes) -> str:
    """A header's value; "" if it is missing, or came more than once: then nobody can say which one counts."""
    values = [value for key, value in scope["headers"] if key.lower() == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _headers(host: str) -> list[tuple[bytes, bytes]]:
    # Older browsers do not count a WebSocket of the same server as 'self'.
    sockets = f" ws://{host} wss://{host}" if _PLAIN_HOST.fullmatch(host) else ""
    policy = (
        f"default-src 'self'; connect-src 'self'{sockets}; img-src 'self' blob: data:; media-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    values = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(self), microphone=(), geolocation=()",
        "cache-control": "no-store",
    }
    return [(key.encode(), value.encode()) for key, value in values.items()]


def _assets() -> dict[str, bytes]:
    """The page's files, out of the package."""
    folder = resources.files("siamtrack") / "assets"
    return {item.name: item.read_bytes() for item in folder.iterdir() if item.name.startswith("live") and "." in item.name}


def _fixed(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def give() -> Response:
        return Response(content, media_type=kind)

    return give


def _room(hub: Hub, name: str) -> Room:
    room = hub.room(name)
    if room is None:
        raise HTTPException(404, "there is no such session; it may have ended")
    return room
