"""Whatever a user points at, opened: the one place that tells files, folders, cameras and streams apart."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from siamtrack.system import natural_path
from siamtrack.video.images import IMAGE_SUFFIXES, ImageSource
from siamtrack.video.source import CameraSource, Source

_STREAM = re.compile(r"^(rtsps?|rtmps?|https?|udp|tcp|srt)://", re.IGNORECASE)


def open_source(source: str | int | Path) -> Source:
    """Open whatever the user pointed at.

    Args:
        source: a camera index (`0` or `"0"`), a stream URL, a folder of images, a glob such as `"frames/*.png"`, or a
            video file.

    Raises:
        FileNotFoundError: nothing is there.
        SourceError: something is there that cannot be opened.
    """
    from siamtrack.video.stream import StreamSource, VideoSource  # PyAV: 50 ms, which `import siamtrack` does not pay

    text = str(source)
    if text.isdecimal() and not Path(text).exists():
        return CameraSource(int(text))
    if _STREAM.match(text):
        return StreamSource(text)
    path = Path(text)
    if path.is_dir():
        return ImageSource(text, sorted((p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES), key=natural_path))
    if path.is_file():
        return ImageSource(text, [path]) if path.suffix.lower() in IMAGE_SUFFIXES else VideoSource(path)
    if glob.has_magic(text):
        return ImageSource(text, sorted((Path(p) for p in glob.glob(text)), key=natural_path))
    raise FileNotFoundError(f"{text} not found; give a video file, an image folder or glob, a camera index or a stream URL")
