"""The video loop: sources of frames, sinks, overlays and result files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Read by OpenCV when it first opens a video: FFmpeg's chatter would bury the one line that an error of ours is.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's own log within the block, where something is tried that may fail: our errors say it in one line."""
    import cv2

    logging = cv2.utils.logging  # type: ignore[attr-defined]
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
