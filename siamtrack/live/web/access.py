"""Who may use a live server: what its address, its token, and the page that calls it must be."""

from __future__ import annotations

import ipaddress
import re
import secrets
from urllib.parse import urlsplit

MIN_TOKEN = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class Access:
    """The rules of one server.

    On a loopback address only this machine can call, but any page in its browser can make it call: so the `Host` must
    be a loopback name (a foreign name that resolves to 127.0.0.1 is an attack), and the `Origin` of a WebSocket must be
    the very server. On any other address everybody on the network can call: so a token is needed as well.

    Args:
        host: name or address that the server listens on.
        token: what callers must know; "" makes one where one is needed.

    Attributes:
        token: what callers must know; "" if nothing.
        loopback: whether only this machine can call.

    Raises:
        ValueError: a token that is short, or that cannot stand in an address and a cookie as it is.
    """

    def __init__(self, host: str, token: str = "") -> None:
        if token and (len(token) < MIN_TOKEN or not _TOKEN.fullmatch(token)):
            raise ValueError(
                f"the token has {len(token)} characters; give at least {MIN_TOKEN} of letters, digits, - and _, or leave it out"
            )
        self.loopback = is_loopback(host)
        self.token = token or ("" if self.loopback else secrets.token_urlsafe(32))

    def refuse_host(self, host: str) -> str:
        """Why a `Host` header is not accepted, in one line; "" if it is."""
        found = _HOST.fullmatch(host)
        if found is None:
            return "the request names no proper host"
        if self.loopback and not is_loopback(found["name"].strip("[]")):
            return f"this server answers on this machine only: open it as 127.0.0.1, not as {found['name']}"
        return ""

    def refuse_origin(self, origin: str, host: str) -> str:
        """Why the `Origin` header of a WebSocket is not accepted, in one line; "" if it is.

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
        """Whether a caller who gives this token ("" for none) may come in."""
        return not self.token or secrets.compare_digest(token.encode(), self.token.encode())


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine, and no name server is asked about it."""
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
