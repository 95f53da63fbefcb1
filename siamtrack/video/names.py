"""What a source is called in results, messages and pages: its name as the user gave it, without secrets, and printable."""

from __future__ import annotations

import re

from siamtrack.errors import escaped

HIDDEN = "***"

_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):(?P<slashes>/+)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_ADDRESSES = re.compile(r"[a-z][a-z0-9+.-]+:/+[^\s\"'<>]+", re.IGNORECASE)
_LOCAL = ("file",)
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")
_PLAIN = re.compile(r"\d{0,2}")


def source_name(source: str) -> str:
    """The name of a source.

    Of an address, what stands before the host (`user:password@`), the fragment and every value of the query are hidden:
    nobody can list the keys that tokens come by. Numbers of one or two digits stay, as of a camera's channel. Bytes of a
    file's name that are not UTF-8, and control characters, are escaped as in Python's source: `\\xff`, `\\n`.

    Examples:
        >>> source_name("rtsp://admin:secret@cam/live?channel=1&token=abc")
        'rtsp://***@cam/live?channel=1&token=***'
    """
    match = _ADDRESS.fullmatch(source)
    if match is not None and match["scheme"].lower() not in _LOCAL:
        source = f"{match['scheme']}:{match['slashes']}{_masked(match['rest'])}"
    return printable(source)


def without_secrets(text: str) -> str:
    """Any text with its addresses as `source_name` writes them. A text is cut to length after this, not before."""
    return _ADDRESSES.sub(lambda match: source_name(match[0]), text)


def is_address(source: str) -> bool:
    """Whether a source is an address (`scheme://...`), not the name of a file."""
    match = _ADDRESS.fullmatch(source)
    return match is not None and len(match["slashes"]) > 1 and match["scheme"].lower() not in _LOCAL


def printable(text: str) -> str:
    """A text with half surrogates (bytes that are not UTF-8) and control characters escaped; other letters stay."""
    return "".join(letter if _is_printable(letter) else escaped(letter) for letter in text)


def _masked(rest: str) -> str:
    """What follows `scheme://`, without secrets."""
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in host or ("@" in rest and _HOST.fullmatch(host) is None):  # also a password with a slash in it
        login = len(host) if "@" in host else len(rest)
        rest = f"{HIDDEN}@{rest[rest.rindex('@', 0, login) + 1 :]}"
    place, mark, query = rest.partition("?")
    if mark:
        return f"{place}?{'&'.join(map(_masked_pair, re.split('[&;]', query)))}"
    place, mark, _ = rest.partition("#")
    return f"{place}#{HIDDEN}" if mark else place


def _masked_pair(pair: str) -> str:
    key, equals, value = pair.partition("=")
    if not equals:
        return HIDDEN if len(key) > 2 else key  # a query that is one value
    return pair if _PLAIN.fullmatch(value) else f"{key}={HIDDEN}"


def _is_printable(letter: str) -> bool:
    return not (letter < " " or "\x7f" <= letter < "\xa0" or "\ud800" <= letter <= "\udfff")
