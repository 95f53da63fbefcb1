"""Sorting as people count: `9.png` before `10.png`."""

from __future__ import annotations

import re
from pathlib import Path


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sorting key by which numbers in a text count as numbers: `target-2` comes before `target-10`."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def natural_path(path: Path) -> list[tuple[int, int, str]]:
    """The same key of a path, by its last name."""
    return natural(path.name)
