"""A place in a video, as people say it: the number of a frame, or a time."""

from __future__ import annotations

import math
import re

from siamtrack.errors import shown
from siamtrack.outside import MAX_INT

TOLERANCE_S = 1e-3
"""Times are rounded where people read them: a frame counts as at a time if it is so little before or behind it."""


class Seconds(float):
    """A time: seconds from the video's first frame."""


Moment = int | Seconds
"""A frame, counted from 0, or a time."""

_FRAME = re.compile(r"\d+")
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)(s?)")


def parse_moment(text: str) -> Moment:
    """Read a frame (`75`) or a time: `3s`, `2.5s`, `1:02.5`, `1:00:00`.

    Raises:
        ValueError: it is neither, or too large.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{shown(text)} is no frame and no time; give a frame from 0 on, such as 75, or a time: 3s, 1:02.5")
    hours, minutes, seconds, unit = match.groups()
    if minutes is None and not unit:
        if not _FRAME.fullmatch(seconds):
            raise ValueError(f"{shown(text)} is no whole frame; a time has an s behind it: {text.strip()}s")
        if len(seconds) > 19 or int(seconds) > MAX_INT:
            raise ValueError(f"frame {shown(text)} is too large; whole numbers of 64 bits are the largest")
        return int(seconds)
    time_s = 3600 * float(hours or 0) + 60 * float(minutes or 0) + float(seconds)
    if not math.isfinite(time_s):
        raise ValueError(f"{shown(text)} is too long")
    return Seconds(time_s)


def is_reached(moment: Moment, index: int, time_s: float) -> bool:
    """Whether a frame of that number and time is at a moment, or behind it."""
    return time_s >= moment - TOLERANCE_S if isinstance(moment, Seconds) else index >= moment


def is_passed(moment: Moment, index: int, time_s: float) -> bool:
    """Whether a frame of that number and time is behind a moment."""
    return time_s > moment + TOLERANCE_S if isinstance(moment, Seconds) else index > moment


def is_before(moment: Moment, index: int, time_s: float) -> bool:
    """Whether a frame of that number and time is before a moment."""
    return not is_reached(moment, index, time_s)


def asked_for(moment: Moment) -> str:
    """The end of a message about a moment that a video does not have."""
    if isinstance(moment, Seconds):
        return f"{clock(moment)} was asked for"
    return f"frame {moment} was asked for (counting from 0)"


def clock(seconds: float) -> str:
    """A time as a player shows it, to a tenth of a second: `0:03.2`, `1:00:00.0`."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    below = f"{rest // 10:02}.{rest % 10}"
    return f"{hours}:{minutes:02}:{below}" if hours else f"{minutes}:{below}"
