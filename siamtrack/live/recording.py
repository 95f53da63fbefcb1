"""A recording of what is shown, which plays at the speed at which it happened."""

from __future__ import annotations

from pathlib import Path

from siamtrack.frames import Image
from siamtrack.video.sink import VideoSink
from siamtrack.video.threads import WriteBehind

MAX_REPEATS = 300
"""Longest gap that is filled, frames: a camera gone for an hour must not write an hour of one picture."""


class Recording:
    """Writes frames that come at any pace as a video of constant frame rate.

    A live tracker shows some frames and drops others. Written one after another they would play too fast, so each is
    repeated until the next one's time, or left out if the next one comes within the same tick.

    Args:
        path: the finished file's name, .mp4.
        fps: frame rate of the file.

    Raises:
        OutputError: the file cannot be written; said by a later call than the one that failed.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path = path
        self.frames = 0
        self._sink = VideoSink(path, fps)
        self._encoder: WriteBehind[Image] = WriteBehind(self._sink.write)  # the tracker does not wait for the encoder
        self._fps = fps
        self._last: tuple[Image, float] | None = None
        self._written_s = 0.0

    def write(self, image: Image, time_s: float) -> None:
        """Show a frame from `time_s` on, seconds of any clock that goes forward. The image must not change later."""
        if self._last is None:
            self._written_s = time_s
        else:
            self._fill(self._last[0], time_s)
        self._last = (image, time_s)

    def _fill(self, image: Image, until_s: float) -> None:
        """Repeat a frame up to the tick that is nearest to a time."""
        ticks = round((until_s - self._written_s) * self._fps)
        for _ in range(min(ticks, MAX_REPEATS)):
            self._encoder.add(image)
            self.frames += 1
        if ticks > 0:
            self._written_s += ticks / self._fps

    def close(self) -> None:
        """Write the last frame and finish the file; without any frame there is no file."""
        with self._sink, self._encoder:
            if self._last is not None:
                self._encoder.add(self._last[0])
                self.frames += 1
                self._last = None
