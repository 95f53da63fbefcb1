"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, bring it to the disk, and rename it.

    Raises:
        OSError: it cannot be written; nothing is left behind, and what was there before is still there.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())  # some file systems say only here that they are full
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
