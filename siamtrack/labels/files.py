"""The files that an export writes: their names, and never over others unasked.

Results from elsewhere may hold any text: names and labels are made fit for files before they are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from siamtrack.errors import OutputError
from siamtrack.system import make_folder, write_whole
from siamtrack.video.names import WINDOWS_DEVICES

MAX_BYTES = 150
"""Longest file name without its ending; file systems take 255 bytes with ending and temporary suffix."""

MAX_LABEL = 200


def safe_name(text: str) -> str:
    """A file name that any system takes, and that cannot lead out of a folder.

    Letters and digits of all scripts, `_`, `-`, `.` and spaces stay; anything else becomes `_`.
    """
    name = re.sub(r"[^\w.\- ]+", "_", text)
    name = name.encode()[:MAX_BYTES].decode(errors="ignore").strip(" .").lstrip("-")
    if not name.strip("_ ."):
        return "unnamed"
    return f"_{name}" if WINDOWS_DEVICES.fullmatch(name) else name


def safe_names(texts: Iterable[str]) -> list[str]:
    """File names for several texts, no two of them the same, also where case does not count."""
    names: list[str] = []
    taken: set[str] = set()
    for text in texts:
        stem = name = safe_name(text)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def clean_label(text: str) -> str:
    """A label on one line of printable characters; empty if none is left.

    XML cannot hold control characters at all, and half of a surrogate pair cannot be written as UTF-8.
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_LABEL].rstrip()


def check_free(paths: Iterable[Path], force: bool) -> None:
    """Make sure that files are not there yet, unless they may be written over.

    Raises:
        OutputError: one is.
    """
    for path in paths:
        if not force and path.exists():
            raise OutputError(f"{path} exists; give --force to write over it, or another --out")


def write_file(path: Path, data: str | bytes, force: bool) -> None:
    """Write a file whole or not at all, making its folder if need be.

    Raises:
        OutputError: it exists and `force` is False, or it cannot be written.
    """
    check_free([path], force)
    make_folder(path.parent)
    write_whole(path, data)
