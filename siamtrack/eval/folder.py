"""A folder that results are written into."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from siamtrack.errors import OutputError
from siamtrack.system import replace_file


def write_folder(folder: Path, files: Mapping[str, str | bytes], advice: str = "give --out a folder that can") -> None:
    """Write files into a folder, each whole or not at all, in the order in which they are given.

    Args:
        folder: is made if missing.
        files: their contents by name; text as UTF-8.
        advice: what an error ends with.

    Raises:
        OutputError: the folder cannot be made, or a file not written. Those before it are there, and of it and those after
            it whatever was there before.
    """
    path = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            path = folder / name
            replace_file(path, data.encode() if isinstance(data, str) else data)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}); {advice}") from error
