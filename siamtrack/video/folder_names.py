"""What folders of results are called."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from siamtrack.errors import OutputError
from siamtrack.video.names import is_address, printable, source_name

LONGEST = 120
"""Bytes of a folder's name in UTF-8. File systems take 255, and temporary names beside it are longer."""

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_TAKEN = re.compile(r"(overlay|contact_sheet|summary)(\.[\w.]*)?|run\.json", re.IGNORECASE)
_EDGES = re.compile(r"^[.\s]+|[.\s]+$")


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
    if _DEVICES.fullmatch(name):
        return "is the name of a device on Windows"
    if _TAKEN.fullmatch(name):
        return "is kept for pictures and summaries"
    size = len(name.encode(errors="replace"))
    return f"has {size} bytes, {LONGEST} are the most" if size > LONGEST else None


def usable_name(text: str, longest: int = LONGEST) -> str:
    """A text with everything replaced that a folder's name cannot hold."""
    name = _trimmed(_FORBIDDEN.sub("-", text), longest)
    if name_problem(name) is not None:
        name = _trimmed(f"video-{name}", longest)
    return name if name_problem(name) is None else "video"


def _trimmed(text: str, longest: int) -> str:
    return _EDGES.sub("", _EDGES.sub("", text).encode(errors="replace")[:longest].decode(errors="ignore"))


def stem_of(path: str) -> str:
    """What a source is called without its folder and ending."""
    name = source_name(path)
    return PurePath(name.partition("?")[0] if is_address(path) else name).stem


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
