"""Files that are written: never over others unasked."""

from __future__ import annotations

import re
from pathlib import Path

from siamtrack.errors import OutputError
from siamtrack.system import make_folder, write_whole


def check_free(path: Path, force: bool) -> None:
    """Make sure that a file is not there yet, unless it may be written over.

    Raises:
        OutputError: it is.
    """
    if not force and path.exists():
        raise OutputError(f"{path} exists; give --force to write over it, or another --out")


def check_no_frames(folder: Path, suffix: str, force: bool) -> None:
    """Make sure that a folder holds no file that is named as a frame is, unless they may be written over.

    Raises:
        OutputError: it does.
    """
    if not force and (there := frame_files(folder, suffix)):
        raise OutputError(f"{there[0]} exists; give --force to write over it, or another --out")


def frame_files(folder: Path, suffix: str) -> list[Path]:
    """Files such as `frame_000012.json` in a folder, in order; none if there is no folder."""
    if not folder.is_dir():
        return []
    name = re.compile(rf"frame_\d{{6,}}\.{suffix}")
    return sorted(path for path in folder.iterdir() if name.fullmatch(path.name))


def write_file(path: Path, data: str | bytes, force: bool) -> None:
    """Write a file whole or not at all, making its folder if need be.

    Raises:
        OutputError: it exists and `force` is False, or it cannot be written.
    """
    check_free(path, force)
    make_folder(path.parent)
    write_whole(path, data)
