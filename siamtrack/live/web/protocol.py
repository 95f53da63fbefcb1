"""The messages between page and server over a WebSocket.

Text is one JSON object with a `type`. A picture is binary. From the page: four bytes, big-endian, the picture's
sequence number, then its JPEG. From the server: four bytes, big-endian, the length of a JSON object, that object, then
the JPEG. Everything that comes from outside is checked here, field by field, before it is acted on.
"""

from __future__ import annotations

import json
import struct
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, Strict, ValidationError
from pydantic.dataclasses import dataclass

from siamtrack.errors import SiamtrackError, one_line
from siamtrack.live.scene import Scene
from siamtrack.video.overlay import PALETTE

VERSION = 1

MAX_MESSAGE = 4 * 2**20
"""Bytes of one message to the server."""
MAX_TEXT = 4096
"""Characters of a text to the server; what the page says is far shorter."""

_MAX_BRACKETS = 4
_STRICT = ConfigDict(strict=True, extra="forbid")

Count = Annotated[int, Field(ge=0, lt=2**53)]
Side = Annotated[int, Field(ge=1, le=4096)]
Name = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{0,64}$")]
Coordinate = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
BoxXYWH = Annotated[tuple[Coordinate, Coordinate, Coordinate, Coordinate], Strict(False)]
"""A box in frame pixels, of any direction of drawing. JSON has lists, no tuples: hence not strict."""


class ProtocolError(SiamtrackError, ValueError):
    """A message that no page of ours would send."""


class Message:
    """What a page says."""


@dataclass(frozen=True, config=_STRICT)
class Hello(Message):
    """The first message: which video this client wants.

    Attributes:
        version: of this protocol.
        mode: `source`, the server's own video, `camera`, the client's, or `film`, a video file that it has sent.
        session: id of the session that the client had before, or of the file; "" for a new session of a camera.
    """

    version: Count
    mode: Literal["source", "camera", "film"]
    session: Name = ""


@dataclass(frozen=True, config=_STRICT)
class Ack(Message):
    """The client has drawn picture `seq`: it can take another one. A word takes `word_ms` there and back, at least."""

    seq: Count
    word_ms: Annotated[float, Field(ge=0, le=60_000)] = 0.0


@dataclass(frozen=True, config=_STRICT)
class Size(Message):
    """The client's pictures are of frames of this size; on a thin line they come smaller, and are enlarged to it."""

    width: Side
    height: Side


@dataclass(frozen=True, config=_STRICT)
class Hold(Message):
    """The client stands still at picture `seq`: keep it, a box will be drawn on it."""

    seq: Count


@dataclass(frozen=True, config=_STRICT)
class Release(Message):
    """The held picture is not needed any more."""


@dataclass(frozen=True, config=_STRICT)
class Add(Message):
    """Follow a new target, drawn on picture `seq`; without one, on the newest frame."""

    box: BoxXYWH
    seq: Count | None = None


@dataclass(frozen=True, config=_STRICT)
class Reselect(Message):
    """Learn target `name` anew."""

    name: Name
    box: BoxXYWH
    seq: Count | None = None


@dataclass(frozen=True, config=_STRICT)
class Remove(Message):
    """Stop following a target."""

    name: Name


@dataclass(frozen=True, config=_STRICT)
class Pause(Message):
    """Let the server's video wait, for all who watch it, or go on."""

    on: bool


@dataclass(frozen=True, config=_STRICT)
class Step(Message):
    """One frame of the server's video, then wait."""


@dataclass(frozen=True, config=_STRICT)
class Backward(Message):
    """Go backward through a video file, frame by frame."""


@dataclass(frozen=True, config=_STRICT)
class Seek(Message):
    """Go to a frame of a video file, and stand still."""

    index: Count


@dataclass(frozen=True, config=_STRICT)
class Rename(Message):
    """Give a target another name, and another colour; "" and 0 for those that it has."""

    name: Name
    to: Annotated[str, Field(max_length=80)]
    color: Annotated[int, Field(ge=0, le=len(PALETTE))] = 0


@dataclass(frozen=True, config=_STRICT)
class Record(Message):
    """Begin or end a recording; of a video file, the writing of a clip."""

    on: bool


@dataclass(frozen=True, config=_STRICT)
class Screenshot(Message):
    """Write the newest frame with its boxes."""


@dataclass(frozen=True, config=_STRICT)
class Finish(Message):
    """Stop following all targets, end the recording, and write their files."""


@dataclass(frozen=True, config=_STRICT)
class Ping(Message):
    """To measure the round trip; `t` comes back as it is."""

    t: Annotated[float, Field(allow_inf_nan=False)]


_KINDS: dict[str, type[Message]] = {kind.__name__.lower(): kind for kind in Message.__subclasses__()}


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
    kind = _KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        raise ProtocolError(f"no message type {_short(named)}; known are {', '.join(_KINDS)}")
    try:
        return kind(**data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = one_line(".".join(map(str, (named, *first["loc"]))), 40)
        seen = "" if first["type"].startswith("missing") else f" is {_short(first['input'])}"
        raise ProtocolError(f"{name}{seen}: {first['msg']}") from error


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
                "color": target.color or target.number,
                "box": [round(value, 2) for value in target.result.box],
                "score": round(target.result.score, 3),
                "state": str(target.result.state),
                "trail": [round(value, 1) for point in target.trail for value in point],
            }
            for target in scene.targets
        ],
    }


def _short(value: Any) -> str:
    """A value from outside, for a message to its sender."""
    try:
        text = json.dumps(value)
    except ValueError:  # a whole number with more digits than Python will print
        return "a number too long to print"
    return text if len(text) <= 40 else text[:37] + "..."
