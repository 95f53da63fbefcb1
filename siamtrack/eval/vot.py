"""Our trackers for the VOT toolkit, by its own protocol, TraX.

The toolkit sends images and the first region, and gets a rectangle and `confidence`, the tracker's score in 0..1, for each
frame. Polygons and masks are turned into their bounding boxes before the tracker sees them. The toolkit (GPL) and the TraX
library are no part of this package: the library is imported when an exchange begins, the toolkit never.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from siamtrack.boxes import Box, box_around
from siamtrack.data.pictures import Picture
from siamtrack.errors import DataError, SiamtrackError, one_line
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.peers import BoxTracker, box_of
from siamtrack.frames import Image, as_bgr
from siamtrack.tracking.tracker import Tracker
from siamtrack.video import quiet_opencv

TIMEOUT_S = 120
"""Seconds that the toolkit is told to wait for an answer: its own 30 can be too few to import torch and wake a GPU."""


def serve(server: Any, tracker: BoxTracker, rectangle: Callable[[float, float, float, float], Any]) -> int:
    """Answer a client until it quits; it may start a new target at any time.

    Args:
        server: a TraX `Server`: the side of the exchange that waits. A request has `type`, `image` (by channel) and `objects`
            (pairs of region and properties).
        tracker: anything with `init` and `update`. One without scores is reported without `confidence`.
        rectangle: makes a region of x, y, w, h (0-based pixels), such as TraX's `Rectangle.create`.

    Returns:
        How many frames were answered.

    Raises:
        SiamtrackError: a request that TraX does not know, a frame before the first target, or not exactly one target.
        DataError, ValueError: an image that cannot be read, or a first region that the tracker refuses.
    """
    answered = 0
    while (request := server.wait()).type != "quit":
        if request.type == "initialize":
            if len(request.objects or ()) != 1:
                raise SiamtrackError(f"{len(request.objects or ())} targets were given; this tracker follows exactly one")
            given = region_box(request.objects[0][0])
            # Trackers of other makers say nothing about the first frame: it is the box that they were given.
            result = tracker.init(read_image(request.image), given) or given
        elif request.type != "frame":
            raise SiamtrackError(f"request {request.type!r} is none of initialize, frame and quit; update the TraX library")
        elif not answered:
            raise SiamtrackError("a frame came before the first target; the client must send initialize first")
        elif request.objects:
            raise SiamtrackError("a target was added to a running track; this tracker follows exactly one")
        else:
            result = tracker.update(read_image(request.image))
        score = getattr(result, "score", None)
        properties = {} if score is None else {"confidence": f"{score:.6f}"}
        server.status([(rectangle(*box_of(result)), properties)])
        answered += 1
    return answered


def region_box(region: Any) -> Box:
    """The bounding box of a TraX region, 0-based pixels: a rectangle, a polygon, or a mask; else a SiamtrackError.

    A polygon's reaches from its least to its greatest coordinates, as in the toolkit; a mask's holds every pixel that is set.
    """
    if region.type == "rectangle":
        return Box(*region.bounds())
    if region.type == "polygon":
        return box_around(list(region))
    if region.type != "mask":
        raise SiamtrackError(f"the target is a {region.type!r} region; this tracker takes a rectangle, polygon or mask")
    rows, columns = np.nonzero(region.array())
    if not rows.size:
        raise SiamtrackError("the target's mask has no pixel; check the sequence's first annotation")
    x, y = region.offset()
    # A pixel covers [i, i + 1): hence the 1.
    return Box(float(x + columns.min()), float(y + rows.min()), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1))


def read_image(images: Any) -> Image:
    """The colour image, of TraX images by channel, (H, W, 3) BGR uint8: a file, an array in memory or an encoded image.

    Raises:
        SiamtrackError: no colour image, or one of another form (a URL). DataError: it cannot be read or decoded.
    """
    if "color" not in (images or {}):
        raise SiamtrackError(f"the request has images {sorted(images or {})}; this tracker needs color")
    image = images["color"]
    kind = image.type()
    if kind == "path":
        return Picture(Path(image.path())).read()
    if kind == "memory":
        pixels = image.array()
        # TraX counts colours from red.
        return as_bgr(pixels[..., ::-1].copy() if pixels.shape[2:] == (3,) else pixels)
    if kind != "buffer":
        raise SiamtrackError(f"the image is a {kind}; this tracker takes a path, memory or a buffer")
    data = np.frombuffer(image.buffer(), np.uint8)
    with quiet_opencv():
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if decoded is None:
        raise DataError(f"an image that was sent encoded ({data.size} bytes) cannot be decoded; JPEG and PNG can be")
    return decoded  # type: ignore[return-value]


def trackers_ini(model: str, python: str = sys.executable, settings: Sequence[str] = ()) -> str:
    """The section of the toolkit's `trackers.ini` for one tracker; its name tells models and settings apart.

    Args:
        model: a name as of `TrackerSpec`; a file may be given relative to the working directory.
        python: the interpreter that has this package and the TraX library; the toolkit itself may live in another.
        settings: `KEY=VALUE` as on the command line.

    Raises:
        ValueError: a quote, backslash or line break, which the toolkit's way of starting Python cannot carry.
    """
    name, comma, own = model.partition(",")
    label = [name, *filter(None, own.split(",")), *settings]
    if Path(name).is_file():
        # The toolkit starts trackers in a folder of its own.
        path = Path(name).resolve()
        model = path.as_posix() + comma + own
        label[0] = f"{path.parent.name}/{path.stem}"
    arguments = [model, *settings]
    for text in arguments:
        if re.search(r"""['"\\\r\n]""", text):
            raise ValueError(f"{text!r} has a quote, backslash or line break, which trackers.ini cannot carry; rename the file")
    section = re.sub(r"[^a-zA-Z0-9_]+", "-", "-".join(["siamtrack", *label])).strip("-")
    program = subprocess.list2cmdline([python]) if os.name == "nt" else shlex.quote(python)
    lines = {
        "label": " ".join(["siamtrack", *label]),
        "protocol": "traxpython",
        "command": f"from siamtrack.cli.vot import main; raise SystemExit(main({arguments}))",
        "python": program,
        "timeout": str(TIMEOUT_S),
    }
    # A percent sign means something in this kind of file.
    body = "".join(f"{key} = {value.replace('%', '%%')}\n" for key, value in lines.items())
    return f"[{section}]\n{body}"


def converse(model: str, settings: Sequence[str]) -> None:
    """Answer the client at the other end of stdin and stdout, or of the socket that TRAX_SOCKET names, by a `TrackerSpec`.

    Raises:
        SiamtrackError: the TraX library is missing, or the client broke off; and as `serve` does, once the client was told.
    """
    trax = _library()
    _keep_stdout_free()
    # Before the greeting, which clients take for "ready": the first update takes a second or more, and would be timed.
    tracker = TrackerSpec(model, tuple(settings), redetect=False).make()
    if isinstance(tracker, Tracker):
        blank = np.full((240, 320, 3), 127, np.uint8)
        tracker.init(blank, (120, 80, 64, 64))
        tracker.update(blank)
    try:
        server = trax.Server(["rectangle", "polygon", "mask"], ["path", "memory", "buffer"], ["color"], "siamtrack", model)
        try:
            serve(server, tracker, trax.Rectangle.create)
        except (SiamtrackError, FileNotFoundError, ValueError) as error:
            with contextlib.suppress(trax.TraxException):
                server.quit(reason=one_line(error))
            raise
    except trax.TraxException as error:
        raise SiamtrackError(f"the client broke off the exchange ({one_line(error)}); its own output says why") from error


def _library() -> Any:
    try:
        import trax  # type: ignore[import-not-found,import-untyped,unused-ignore]

        trax.Server, trax.Rectangle, trax.TraxException  # noqa: B018 (another package has the same name)
    except (ImportError, AttributeError) as error:
        raise SiamtrackError(
            f"the TraX library cannot be imported ({one_line(error)}); install it with the toolkit: pip install vot-toolkit"
        ) from error
    return trax


def _keep_stdout_free() -> None:
    """Give the protocol stdout for itself: whatever else is printed there, by Python or by C, goes to stderr."""
    if os.name == "nt" or "TRAX_SOCKET" in os.environ or "TRAX_OUT" in os.environ:
        # There the protocol has a stream of its own; on Windows the library wants a handle, and Python alone is led away.
        sys.stdout = sys.stderr
        return
    os.environ["TRAX_OUT"] = str(os.dup(1))
    os.dup2(2, 1)
