"""Access control of a live server: host, origin and token of every request."""

from __future__ import annotations

import asyncio
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

REQUESTS_PER_S, REQUESTS = 40.0, 160.0
"""Requests of one address: so many a second, and so many at once after a rest. What is above that waits."""

SOCKET, OFFENCE = 4.0, 80.0
"""A WebSocket counts as so many requests, and as so many more if it is closed for broken messages."""

LONGEST_WAIT_S = 3.0  # less than a page waits for an answer

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


class Allowance:
    """What somebody may use: it is earned as time goes by, up to a limit, and who has used it up waits.

    Args:
        per_s: units earned a second. most: units at most, and in the beginning.
        longest_wait_s: nobody waits longer, whatever was used.
        clock: monotonic seconds.
        common: what somebody shares with others: what is used is taken from it where that is sooner to be had there.
    """

    def __init__(
        self,
        per_s: float,
        most: float,
        longest_wait_s: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
        common: Allowance | None = None,
    ) -> None:
        self._per_s, self._most, self._least, self._clock = per_s, most, -longest_wait_s * per_s, clock
        self._left, self._at = most, clock()
        self._from = (self,) if common is None else (self, common)
        self._free_at = self._at

    def use(self, units: float) -> None:
        """Use some of it."""
        waits = [max(0.0, min(units - one.left, -one._least) / one._per_s) for one in self._from]
        wait_s = min(waits)
        of = self._from[waits.index(wait_s)]
        of._left, of._at = max(of._least, of.left - units), self._clock()
        self._free_at = of._at + wait_s

    @property
    def left(self) -> float:
        """Units that can be used now; less than none after too much was used."""
        return min(self._most, self._left + (self._clock() - self._at) * self._per_s)

    @property
    def wait_s(self) -> float:
        """Seconds to wait before more is used."""
        return max(0.0, self._free_at - self._clock())


class Addresses:
    """What each address may use.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, Allowance] = {}

    def of(self, address: str) -> Allowance:
        """What one of them may use."""
        if address not in self._known:  # those that used nothing lately are forgotten
            self._known = {name: one for name, one in self._known.items() if one.left < REQUESTS}
            self._known[address] = Allowance(REQUESTS_PER_S, REQUESTS, LONGEST_WAIT_S, self._clock)
        return self._known[address]


class Guard:
    """Refuses requests that break the rules, lets those of a busy address wait, and gives every answer the headers that
    isolate the page.

    Args:
        app: what is guarded. access: the rules. cookie: name of the cookie that keeps the token.
        addresses: where requests come from.
    """

    def __init__(self, app: ASGIApp, access: Access, cookie: str, addresses: Addresses) -> None:
        self._app, self._access, self._cookie, self._addresses = app, access, cookie, addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application do it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        allowance = self._addresses.of(address_of(scope))
        allowance.use(SOCKET if scope["type"] == "websocket" else 1.0)
        await asyncio.sleep(allowance.wait_s)
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


def address_of(scope: Scope) -> str:
    """Where a request comes from; "" if that is not known."""
    return scope["client"][0] if scope.get("client") else ""


def share_of(address: str, places: int) -> int:
    """Places that one address may have: half of them, so that others find some. Behind a tunnel or a proxy all have one."""
    return places if is_loopback(address) else max(1, places // 2)


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
