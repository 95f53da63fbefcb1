"""What the page and the server say to each other over a WebSocket.

Text is one JSON object with a `type`. A picture is binary. From the page: four bytes, big-endian, the picture's
sequence number, then its JPEG. From the server: four bytes, big-endian, the length of a JSON object, that object, then
the JPEG. Everything that comes from outside is checked here, field by field, before anybody acts on it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any

from siamtrack.errors import SiamtrackError
from siamtrack.live.session import Scene

VERSION = 1

MAX_MESSAGE = 4 * 2**20
"""Bytes of one message to the server."""
MAX_TEXT = 4096
"""Characters of a text to the server; what the page says is far shorter."""

_MAX_BRACKETS = 4
_MAX_NAME = 64
_LARGEST = 1e6
_NAME = re.compile(r"[A-Za-z0-9_-]*")


class ProtocolError(SiamtrackError, ValueError):
    """A message that no page of ours would send."""


@dataclass(frozen=True)
class Hello:
    """The first message: which video this tab wants.

    Attributes:
        version: of this protocol.
        mode: `source`, the server's own video, or `camera`, the tab's.
        session: id of the camera session that the tab had before; "" for a new one.
    """

    version: int
    mode: str
    session: str = ""


@dataclass(frozen=True)
class Ack:
    """The tab has drawn picture `seq`: it can take another one."""

    seq: int


@dataclass(frozen=True)
class Hold:
    """The tab stands still at picture `seq`: keep it, a box will be drawn on it."""

    seq: int


@dataclass(frozen=True)
class Release:
    """The held picture is not needed any more."""


@dataclass(frozen=True)
class Add:
    """Follow a new target, drawn on picture `seq`; without one, on the newest frame."""

    box: tuple[float, float, float, float]
    seq: int | None = None


@dataclass(frozen=True)
class Reselect:
    """Learn target `name` anew."""

    name: str
    box: tuple[float, float, float, float]
    seq: int | None = None


@dataclass(frozen=True)
class Remove:
    """Stop following a target."""

    name: str


@dataclass(frozen=True)
class Pause:
    """Let the server's video wait, for all who watch it, or go on."""

    on: bool


@dataclass(frozen=True)
class Step:
    """One frame of the server's video, then wait."""


@dataclass(frozen=True)
class Record:
    """Begin or end a recording."""

    on: bool


@dataclass(frozen=True)
class Screenshot:
    """Write the newest frame with its boxes."""


@dataclass(frozen=True)
class Ping:
    """To measure the way there and back; `t` comes back as it is."""

    t: float


Message = Hello | Ack | Hold | Release | Add | Reselect | Remove | Pause | Step | Record | Screenshot | Ping

_TYPES: dict[str, type[Message]] = {
    kind.__name__.lower(): kind
    for kind in (Hello, Ack, Hold, Release, Add, Reselect, Remove, Pause, Step, Record, Screenshot, Ping)
}


def parse_text(text: str) -> Message:
    """A message of the page.

    Raises:
        ProtocolError: anything that is not exactly one of the messages above.
    """
    if len(text) > MAX_TEXT:
        raise ProtocolError(f"a text of {len(text)} characters; at most {MAX_TEXT} are read")
    # Counted before parsing: a parser goes as deep as it is told to.
    if text.count("{") + text.count("[") > _MAX_BRACKETS:
        raise ProtocolError("the message is nested; send one flat object")
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ProtocolError("the message is not JSON") from error
    if not isinstance(data, dict):
        raise ProtocolError("the message is not an object with a type")
    named = data.pop("type", None)
    kind = _TYPES.get(named) if isinstance(named, str) else None
    if kind is None:
        raise ProtocolError(f"no message type {_short(named)}; known are {', '.join(_TYPES)}")
    known = {field.name: field for field in fields(kind)}
    if unknown := sorted(set(data) - set(known)):
        raise ProtocolError(f"{named} has no field {_short(unknown[0])}")
    values = {}
    for name, field in known.items():
        if name in data:
            values[name] = _CHECKS[str(field.type)](f"{named}.{name}", data[name])
        elif field.default is MISSING:
            raise ProtocolError(f"{named} lacks the field {name!r}")
    return kind(**values)


def parse_picture(data: bytes) -> tuple[int, bytes]:
    """Sequence number and JPEG of a picture from the page.

    Raises:
        ProtocolError: too short to hold a picture.
    """
    if len(data) <= 4:
        raise ProtocolError(f"a picture message of {len(data)} bytes; send its number in 4 bytes, and a JPEG")
    return int.from_bytes(data[:4], "big"), data[4:]


def pack_text(kind: str, **values: Any) -> str:
    """A text to the page."""
    return json.dumps({"type": kind, **values}, separators=(",", ":"), allow_nan=False)


def pack_picture(jpeg: bytes, **values: Any) -> bytes:
    """A picture to the page."""
    header = json.dumps(values, separators=(",", ":"), allow_nan=False).encode()
    return struct.pack(">I", len(header)) + header + jpeg


def scene_data(scene: Scene) -> dict[str, Any]:
    """A scene without its pixels, as plain data; boxes in the pixels of the frame, whose size goes with them."""
    height, width = scene.frame.image.shape[:2]
    return {
        "index": scene.frame.index,
        "time_s": round(scene.frame.time_s, 3),
        "width": width,
        "height": height,
        "fps": round(scene.fps, 2),
        "tracking_ms": round(1000 * scene.tracking_s, 1),
        "recording": scene.recording,
        "notice": scene.notice,
        "targets": [
            {
                "name": target.name,
                "number": target.number,
                "box": [round(value, 2) for value in target.result.box],
                "score": round(target.result.score, 3),
                "state": str(target.result.state),
                "trail": [round(value, 1) for point in target.trail for value in point],
            }
            for target in scene.targets
        ],
    }


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ProtocolError(f"{name} is {_short(value)}; send true or false")
    return value


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ProtocolError(f"{name} is {_short(value)}; send a whole number from 0 on")
    return value


def _count_or_none(name: str, value: Any) -> int | None:
    return None if value is None else _count(name, value)


def _number(name: str, value: Any, largest: float = 2.0**53) -> float:
    # A whole number of a thousand digits is valid JSON, and no float.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -largest <= value <= largest:
        raise ProtocolError(f"{name} is {_short(value)}; send a number between -{largest:g} and {largest:g}")
    return float(value)


def _name(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_NAME or not _NAME.fullmatch(value):
        raise ProtocolError(f"{name} is {_short(value)}; send at most {_MAX_NAME} letters, digits, - and _")
    return value


def _box(name: str, value: Any) -> tuple[float, float, float, float]:
    if not isinstance(value, list) or len(value) != 4:
        raise ProtocolError(f"{name} is {_short(value)}; send [x, y, w, h]")
    x, y, w, h = (_number(name, item, _LARGEST) for item in value)
    return x, y, w, h


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "bool": _flag,
    "int": _count,
    "int | None": _count_or_none,
    "float": _number,
    "str": _name,
    "tuple[float, float, float, float]": _box,
}


def _short(value: Any) -> str:
    """A stranger's value, for a message to that stranger."""
    try:
        text = json.dumps(value)
    except ValueError:  # a whole number with more digits than Python will print
        return "a number too long to print"
    return text if len(text) <= 40 else text[:37] + "..."
