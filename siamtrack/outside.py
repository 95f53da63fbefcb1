"""Plain data from outside: numbers and JSON, refused where they are not what they should be."""

from __future__ import annotations

import contextlib
import json
import math
import operator
from pathlib import Path
from typing import Any

from siamtrack.errors import DataError, SiamtrackError, one_line, shown
from siamtrack.system import MIB, read_text

MAX_INT = 2**63 - 1
"""Whole numbers have 64 bits: arrays hold no larger ones."""

MAX_DEPTH = 64
"""Lists and mappings inside one another, in what a person or this package wrote."""

SMALL = 16 * MIB
"""Bytes of a JSON file that describes something, such as run.json."""


def finite(value: Any, what: str, least: float = -math.inf, most: float = math.inf) -> float:
    """A number, which may be of any type that is one; text is no number here.

    Raises:
        ValueError: not a number, NaN, infinite, or not from `least` to `most`; the message calls it `what`.
    """
    number = math.nan
    # str has no __float__, and float() takes it all the same; numpy's texts have one.
    if hasattr(value, "__float__") and not isinstance(value, (str, bytes)):
        with contextlib.suppress(TypeError, ValueError, OverflowError, RuntimeError):
            number = float(value)
    if not (math.isfinite(number) and least <= number <= most):
        raise ValueError(f"{what} is {shown(value)}; {_wanted('a finite number', least, most)}")
    return number


def whole(value: Any, what: str, least: int = -MAX_INT - 1, most: int = MAX_INT) -> int:
    """A whole number, of 64 bits at most; arguments and errors as for `finite`."""
    number = None
    if not isinstance(value, bool):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):  # an array of several, say
            number = operator.index(value)
    if number is None or not least <= number <= most:
        raise ValueError(f"{what} is {shown(value)}; {_wanted('a whole number of 64 bits', least, most)}")
    return int(number)


def _wanted(kind: str, least: float, most: float) -> str:
    low, high = least > -MAX_INT - 1, most < MAX_INT
    if low and high:
        return f"{kind} from {least:g} to {most:g} is wanted"
    return f"{kind} of {least:g} or more is wanted" if low else f"{kind} is wanted"


def parse_json(text: str | bytes, where: object, error: type[SiamtrackError] = DataError, depth: int | None = MAX_DEPTH) -> Any:
    """JSON as plain data.

    Args:
        text: whose size was limited when it was read. where: for messages, such as its path.
        error: what is raised. depth: lists and objects inside one another, at most; None: as many as Python can read.

    Raises:
        SiamtrackError: of the class given; not JSON, too deep, or a whole number beyond 64 bits.
    """
    try:
        data = json.loads(text, parse_int=_int64)
    except (ValueError, RecursionError) as problem:
        raise error(f"{where} is not JSON ({one_line(problem)})") from problem
    level = [data]
    for _ in range(depth or 0):
        lists = [list(each.values()) if isinstance(each, dict) else each for each in level]
        level = [item for each in lists if isinstance(each, list) for item in each]
    if depth is not None and any(isinstance(each, (dict, list)) for each in level):
        raise error(f"{where} holds more than {depth} lists and objects inside one another; nothing of this package does")
    return data


def read_json(path: Path, error: type[SiamtrackError] = DataError, most: int = SMALL) -> Any:
    """The plain data of a JSON file of at most `most` bytes; errors as of `read_text` and `parse_json`."""
    return parse_json(read_text(path, most, error), path, error)


def _int64(text: str) -> int:
    number = int(text) if len(text) <= 20 else MAX_INT + 1
    if not -MAX_INT <= number <= MAX_INT:
        raise ValueError(f"{text[:24]} has more than 64 bits")
    return number
