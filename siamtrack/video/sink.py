"""Where frames go: video files, written under a temporary name and renamed when they are whole."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import cv2

from siamtrack.errors import OutputError
from siamtrack.frames import Image
from siamtrack.video import quiet_opencv

_CODECS = ("avc1", "mp4v")
"""In order of preference. H.264 plays in browsers, but not every OpenCV build can write it."""


class VideoSink:
    """Writes frames to an .mp4.

    Args:
        path: the finished file's name.
        fps: frame rate.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self.path = Path(path)
        self.fps = fps
        self._partial = self.path.with_name(f"{self.path.stem}.partial.mp4")
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)

    def write(self, image: Image) -> None:
        """Append one frame, (H, W, 3) BGR uint8. All frames must have the first one's size."""
        size_wh = (image.shape[1], image.shape[0])
        if self._writer is None:
            self._size_wh = size_wh
            self._writer = _open_writer(self._partial, self.fps, size_wh)
        if size_wh != self._size_wh:
            raise OutputError(
                f"{self.path}: frame of {size_wh[0]}x{size_wh[1]} in a video of {self._size_wh[0]}x{self._size_wh[1]}"
            )
        self._writer.write(image)

    def close(self) -> None:
        """Finish the file; nothing is left behind if no frame was written."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            os.replace(self._partial, self.path)

    def __enter__(self) -> VideoSink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _open_writer(path: Path, fps: float, size_wh: tuple[int, int]) -> cv2.VideoWriter:
    with quiet_opencv():
        for codec in _CODECS:
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, size_wh)
            if writer.isOpened():
                return writer
    raise OutputError(
        f"{path} cannot be written as video at {fps:g} fps, {size_wh[0]}x{size_wh[1]}; is the folder writable, the disk full?"
    )
