"""Where the package keeps what it can make again: compiled kernels, exported graphs. Nothing in there is ever needed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """`$SIAMTRACK_CACHE/kind`, else `~/.cache/siamtrack/kind` (`XDG_CACHE_HOME` has its say). It may not exist."""
    given = os.environ.get("SIAMTRACK_CACHE")
    if given:
        return Path(given) / kind
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(home) if home else Path.home() / ".cache") / "siamtrack" / kind
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / f"siamtrack-{os.getuid() if hasattr(os, 'getuid') else 0}" / kind


def read_cached(path: Path) -> bytes | None:
    """A cached file's bytes; None if there is none to be had."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def write_cached(path: Path, data: bytes) -> None:
    """Keep bytes, whole or not at all. A folder that cannot be written costs time later and nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(name, path)
        except OSError:
            Path(name).unlink(missing_ok=True)
    except OSError:
        return
