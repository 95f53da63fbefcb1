"""The small tree of errors that siamtrack raises on purpose, and how text from outside gets into their messages.

Each message carries three things: what was seen, what was wanted, what to do. The command line prints
it as one line on stderr and exits with status 2; from Python it is raised as it is.
"""

from __future__ import annotations

import reprlib
from importlib import import_module
from typing import Any

LONGEST = 200
"""Characters of a value from outside that a message shows."""


class SiamtrackError(Exception):
    """Base of every error of this package that is not a plain `ValueError` or `FileNotFoundError`."""


class ConfigError(SiamtrackError, ValueError):
    """A configuration key or value that cannot be used."""


class WeightsError(SiamtrackError, ValueError):
    """A weights file that is corrupt, of the wrong shape, or of an unknown model."""


class SourceError(SiamtrackError, ValueError):
    """A video, image folder, camera or stream that cannot be opened or read."""


class OutputError(SiamtrackError, OSError):
    """A result that cannot be written."""


class DisplayError(SiamtrackError, RuntimeError):
    """A window was asked for where there is no screen."""


class DataError(SiamtrackError, ValueError):
    """A training or benchmark data set that breaks its own layout."""


class OldKeyWarning(FutureWarning):
    """A configuration key that has another name now, or is gone. It is still read; the command line shows it as a note."""


def needs(extra: str, what: str) -> SiamtrackError:
    """The error for a package that is not installed, which the extra brings; `what` is such as "tuning needs Optuna"."""
    return SiamtrackError(f"{what}, which is not installed: pip install '.[{extra}]' in the clone of siamtrack")


def import_extra(module: str, extra: str, what: str) -> Any:
    """A module of a package that may not be installed; if so, the SiamtrackError of `needs`."""
    try:
        return import_module(module)
    except ImportError as error:
        raise needs(extra, what) from error


def shown(value: object) -> str:
    """A value from outside as Python writes it, for a message: cut at `LONGEST` characters, in a moment whatever it is."""
    return one_line(_BRIEF.repr(value))


def one_line(text: object, most: int = LONGEST) -> str:
    """Text from outside on one line, without quotes: what cannot be printed is escaped, and the end is cut off.

    A terminal would obey control characters; half a surrogate pair, as in a file name that is not UTF-8, cannot be written.
    """
    line = " ".join(str(text)[: 4 * most].split())
    line = "".join(letter if letter.isprintable() else escaped(letter) for letter in line)
    return line if len(line) <= most else f"{line[: most - 3]}..."


def reason(error: BaseException) -> str:
    """All that an error says, on one line; its kind if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def system_reason(error: BaseException) -> str:
    """What the system or a library says of an error, in a few words: for a message that names the file itself."""
    return one_line(getattr(error, "strerror", None) or reason(error))  # FFmpeg's errors have it, too


def escaped(letter: str) -> str:
    """A letter as in Python's source: `\\xff`, `\\n`."""
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name, as Python keeps it
        return f"\\x{code - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()


class _Brief(reprlib.Repr):
    """Looks at few items and few levels: what aliases blow up is never written out."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = LONGEST
        self.maxlevel = 3

    def repr_int(self, value: int, level: int) -> str:
        # Python refuses to write more than 4,300 digits.
        return repr(value) if value.bit_length() <= 128 else f"a whole number of {value.bit_length()} bits"


_BRIEF = _Brief()
