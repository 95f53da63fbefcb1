"""A recording of what is shown, which plays at the speed at which it happened."""

from __future__ import annotations

from pathlib import Path

from siamtrack.errors import OutputError
from siamtrack.frames import Image
from siamtrack.video.sink import VideoSink
from siamtrack.video.threads import WriteBehind


class Recording:
    """Writes frames that come at any pace as a video in which each has its own time.

    Args:
        path: the finished file's name, .mp4.
        fps: nominal frame rate: how long a single frame lasts.

    Attributes:
        frames: taken so far.
        size_wh: of the frames; (0, 0) before the first. All must have it.
        notes: what a user should know of the finished file, each in one line.

    Raises:
        OutputError: the file cannot be written; said by a later call than the one that failed.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path = path
        self.frames = 0
        self.size_wh = (0, 0)
        self._sink = VideoSink(path, fps)
        self.notes = self._sink.notes
        self._encoder: WriteBehind[tuple[Image, float]] = WriteBehind(lambda shown: self._sink.write(*shown))

    def write(self, image: Image, time_s: float) -> None:
        """Show a frame from `time_s` on, seconds of any clock that goes forward. The image must not change later."""
        self.size_wh = (image.shape[1], image.shape[0])
        self._encoder.add((image, time_s))  # the tracker does not wait for the encoder
        self.frames += 1

    def close(self) -> None:
        """Finish the file; without any frame there is no file.

        Raises:
            OutputError: it cannot be finished; what was recorded stays in a file that it names.
        """
        try:
            try:
                self._encoder.close()
            finally:
                self._sink.close()
        except OutputError as error:
            kept = f"; what was recorded before is in {self._sink.partial}" if self._sink.partial.exists() else ""
            raise OutputError(f"{error}{kept}") from error
