"""Access control of a live server: host, origin and token of every request."""

from __future__ import annotations

import ipaddress
import re
import secrets
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_TOKEN = 16
NEW_TOKEN = "new"
"""Asks for a token of its own on a loopback address too: others who work on this machine cannot use the page then."""

OFFENCE_S, LONGEST_WAIT_S = 2.0, 5.0
"""Seconds that an address waits longer after each offence, and at most."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class Access:
    """The rules of one server.

    On a loopback address only this machine can send requests, but any page in its browser can make it do so. Hence the
    `Host` must be a loopback name (against DNS rebinding), and the `Origin` of a WebSocket must be the server itself.
    On any other address a token is needed as well.

    Args:
        host: name or address that the server listens on.
        token: the secret of the address; "" makes one where one is needed, `NEW_TOKEN` everywhere.

    Attributes:
        token: the secret of the address; "" if none is needed.
        loopback: whether only this machine can send requests.

    Raises:
        ValueError: a token that is short, or that cannot stand in an address and a cookie as it is.
    """

    def __init__(self, host: str, token: str = "") -> None:
        self.loopback = is_loopback(host)
        if token == NEW_TOKEN or (not token and not self.loopback):
            token = secrets.token_urlsafe(32)
        if token and (len(token) < MIN_TOKEN or not _TOKEN.fullmatch(token)):
            raise ValueError(
                f"the token has {len(token)} characters; give at least {MIN_TOKEN} of letters, digits, - and _, or leave it out"
            )
        self.token = token

    def refuse_host(self, host: str) -> str:
        """Why a `Host` header is not accepted, in one line; "" if it is."""
        found = _HOST.fullmatch(host)
        if found is None:
            return "the request names no proper host"
        if self.loopback and not is_loopback(found["name"].strip("[]")):
            return f"this server answers on this machine only: open it as 127.0.0.1, not as {found['name']}"
        return ""

    def refuse_origin(self, origin: str, host: str) -> str:
        """Why the `Origin` header of a WebSocket or of a request that changes something is not accepted; "" if it is.

        Args:
            origin: that header; "" if missing.
            host: the `Host` header, which `refuse_host` has accepted.
        """
        try:
            page = urlsplit(origin)
        except ValueError:
            return "the request names no proper origin"
        if page.scheme not in _DEFAULT_PORTS or not page.netloc:
            return "the request names no origin; a browser's page, or a program that sets Origin, can connect"
        port = _DEFAULT_PORTS[page.scheme]
        if _with_port(page.netloc, port) != _with_port(host, port):
            return f"a page of {page.netloc[:80]} may not use this server"
        return ""

    def admits(self, token: str) -> bool:
        """Whether a token ("" for none) is accepted."""
        return not self.token or secrets.compare_digest(token.encode(), self.token.encode())


class Offences:
    """How often clients of each address were closed for what they sent, lately.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def add(self, address: str) -> None:
        """A client of an address was closed."""
        now = self._clock()
        self._until = {other: until for other, until in self._until.items() if until > now}
        self._until[address] = max(now, self._until.get(address, now)) + OFFENCE_S

    def wait_s(self, address: str) -> float:
        """Seconds that a new client of an address has to wait."""
        return min(LONGEST_WAIT_S, max(0.0, self._until.get(address, 0.0) - self._clock()))


class Guard:
    """Refuses requests that break the rules, and gives every answer the headers that isolate the page.

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
        if not problem and (scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")):
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
        cookie += "; Secure" if cookie and scope["scheme"] == "https" else ""

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
        # Programs on other ports of this host set cookies too, in forms that Python's parser stops at: only ours is read.
        pairs = (pair.strip().partition("=") for pair in _header(scope, b"cookie").split(";"))
        return next((value for name, _, value in pairs if name == self._cookie), "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is of this machine; no name server is asked."""
    name = host.lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _with_port(host: str, default: str) -> str:
    """A host in lower case, with its port even if that is the scheme's own."""
    found = _HOST.fullmatch(host)
    return f"{found['name'].lower()}:{found['port'] or default}" if found else ""


def _header(scope: Scope, name: bytes) -> str:
    """A header's value; "" if it is missing or ambiguous (sent more than once)."""
    values = [value for key, value in scope["headers"] if key.lower() == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _headers(host: str) -> list[tuple[bytes, bytes]]:
    # Older browsers do not count a WebSocket of the same server as 'self'.
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
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
