"""What sources and folders of results are called: as the user said it, without secrets, printable, and fit for any system."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from siamtrack.errors import OutputError, escaped

HIDDEN = "***"

LONGEST = 120
"""Bytes of a folder's name in UTF-8. File systems take 255, and temporary names beside it are longer."""

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_TAKEN = re.compile(r"(overlay|contact_sheet|summary)(\.[\w.]*)?|run\.json", re.IGNORECASE)
_EDGES = re.compile(r"^[.\s]+|[.\s]+$")

_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):(?P<slashes>/+)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_ADDRESSES = re.compile(r"[a-z][a-z0-9+.-]+:/+[^\s\"'<>]+", re.IGNORECASE)
_LOCAL = ("file",)
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
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
    return _UNPRINTABLE.sub(lambda match: escaped(match[0]), text)


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


def name_problem(name: str) -> str | None:
    """Why a name cannot be a folder of results on every system, as the end of a sentence; None if it can.

    Windows' rules hold everywhere: results are copied from one machine to another.
    """
    if not name:
        return "is empty"
    if _FORBIDDEN.search(name):
        return 'holds a separator, a control character or one of < > : " | ? *'
    if printable(name) != name:
        return "holds letters that cannot be written"
    if name.startswith(".") or name.endswith((".", " ")) or name != name.strip():
        return "begins with a dot or blank, or ends with one"
    if WINDOWS_DEVICES.fullmatch(name):
        return "is the name of a device on Windows"
    if _TAKEN.fullmatch(name):
        return "is kept for pictures and summaries"
    size = len(name.encode(errors="replace"))
    return f"has {size} bytes, {LONGEST} are the most" if size > LONGEST else None


def usable_name(text: str, longest: int = LONGEST) -> str:
    """A text with everything replaced that a folder's name cannot hold."""
    name = _trimmed(_FORBIDDEN.sub("-", text), longest)
    if not name.strip("-"):
        return "video"
    if name_problem(name) is not None:
        name = _trimmed(f"video-{name}", longest)
    return name if name_problem(name) is None else "video"


def _trimmed(text: str, longest: int) -> str:
    return _EDGES.sub("", _EDGES.sub("", text).encode(errors="replace")[:longest].decode(errors="ignore"))


def stem_of(path: str) -> str:
    """What a source is called without its folder and ending; of a glob, what the folder is called."""
    name = source_name(path)
    place = PurePath(name.partition("?")[0] if is_address(path) else name)
    return next((part for part in (place.stem, *reversed(place.parts[:-1])) if not re.search(r"[*?]|^\.*$", part)), "")


def make_next(base: Path) -> Path:
    """Make a folder that is not there yet: `base`, or `base-2` and so on, and those above it.

    Raises:
        OutputError: it cannot be made.
    """
    number = 1
    while True:
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise OutputError(f"{folder} cannot be made ({error.strerror}); give --out a folder that can") from error
        else:
            return folder
