"""Files from outside, opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from siamtrack.errors import SiamtrackError, SourceError


def open_file(path: Path, most: int, error: type[SiamtrackError] = SourceError) -> BinaryIO:
    """Open a regular file of at most so many bytes."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise error(f"{path} is not a regular file; give a file")
        if status.st_size > most:
            raise error(f"{path} has {status.st_size} bytes; such a file has at most {most}")
        return path.open("rb")
    except FileNotFoundError as problem:
        raise FileNotFoundError(f"{path} not found") from problem
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror})") from problem


def read_file(path: Path, most: int, error: type[SiamtrackError] = SourceError) -> bytes:
    """The bytes of a file."""
    with open_file(path, most, error) as stream:
        return stream.read()
