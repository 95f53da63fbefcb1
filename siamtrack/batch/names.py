"""Names that become folders: what a target may be called, and what a video's folder is called."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

LONGEST = 120
"""Bytes of a name in UTF-8. File systems take 255, and temporary names beside it are longer."""

LEVELS = 5

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_TAKEN = re.compile(r"(overlay|contact_sheet|summary)(\.[\w.]*)?", re.IGNORECASE)


def name_problem(name: str) -> str | None:
    """Why a name cannot be a folder of results on every system, as the end of a sentence; None if it can.

    Windows' rules hold everywhere: results are copied from one machine to another.
    """
    if not name:
        return "is empty"
    if _FORBIDDEN.search(name):
        return 'holds a separator, a control character or one of < > : " | ? *'
    if name.startswith(".") or name.endswith((".", " ")) or name != name.strip():
        return "begins with a dot or blank, or ends with one"
    if _DEVICES.fullmatch(name):
        return "is the name of a device on Windows"
    if _TAKEN.fullmatch(name):
        return "is kept for pictures and summaries"
    size = len(name.encode(errors="replace"))
    return f"has {size} bytes, {LONGEST} are the most" if size > LONGEST else None


def folded(name: str) -> str:
    """A name as file systems without upper and lower case tell it from others."""
    return name.casefold()


def video_names(labels: Sequence[str], stems: Sequence[str]) -> list[str]:
    """A folder's name for each video: its stem, and where stems collide, as much more as tells them apart.

    A video's name depends on the others' stems only, not on their order.

    Args:
        labels: the videos' paths as the jobs name them; all differ.
        stems: the names wished for.

    Returns:
        Names that can be folders and that differ, upper and lower case aside.
    """
    wishes = [_wishes(label, stem) for label, stem in zip(labels, stems, strict=True)]
    chosen = [""] * len(labels)
    for level in range(LEVELS):
        open_ones = [i for i, name in enumerate(chosen) if not name]
        taken = {folded(name) for name in chosen if name}
        count = Counter(folded(wishes[i][level]) for i in open_ones)
        for i in open_ones:
            wish = wishes[i][level]
            if count[folded(wish)] == 1 and folded(wish) not in taken:
                chosen[i] = wish
    return chosen


def _wishes(label: str, stem: str) -> list[str]:
    """What a video would be called, from the short to the certain; `LEVELS` of them."""
    path, digest = PurePosixPath(label), hashlib.sha256(label.encode(errors="replace")).hexdigest()
    return [
        _usable(stem),
        _usable(path.name),  # clip.mp4 and clip.avi
        _usable("-".join([path.parent.name, path.stem])),  # a/clip.mp4 and b/clip.mp4
        f"{_usable(stem, LONGEST - 9)}-{digest[:8]}",
        digest,
    ]


def _usable(text: str, longest: int = LONGEST) -> str:
    """A text with everything replaced that a folder's name cannot hold."""
    name = _trimmed(_FORBIDDEN.sub("-", text), longest)
    if name_problem(name) is not None:
        name = _trimmed(f"video-{name}", longest)
    return name if name_problem(name) is None else "video"


def _trimmed(text: str, longest: int) -> str:
    edges = re.compile(r"^[.\s]+|[.\s]+$")
    return edges.sub("", edges.sub("", text).encode(errors="replace")[:longest].decode(errors="ignore"))
