"""What a source of frames is, whether a video file, images, a camera or a stream; `open_source` opens one.

Every source is a context manager and gives an iterator of `Frame`s, each with its index and its own time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from types import TracebackType

import cv2

from siamtrack.errors import SourceError
from siamtrack.frames import Image
from siamtrack.video import quiet_opencv
from siamtrack.video.threads import read_ahead

FOLDER_FPS = 30.0
"""Frame rate that a folder of images is taken to have: images carry no times."""


@dataclass(frozen=True)
class Frame:
    """One frame of a source.

    Attributes:
        index: 0-based number in the source.
        time_s: seconds from the source's first frame: the container's own time stamp where there is one.
        image: (H, W, 3) BGR uint8, upright.
    """

    index: int
    time_s: float
    image: Image


@dataclass(frozen=True)
class Audio:
    """The sound that belongs to frames.

    Attributes:
        path: a file or address that holds it.
        origin_s: time stamp in that file, in seconds, of the source's first frame.
    """

    path: str
    origin_s: float


@dataclass
class FrameCounts:
    """What became of a source's frames, counted while it is read.

    Attributes:
        decoded: frames that were decoded.
        skipped: frames that could not be decoded, and were left out.
        duplicated: frames that the container holds twice.
    """

    decoded: int = 0
    skipped: int = 0
    duplicated: int = 0


class Source(ABC):
    """An open source of frames.

    Attributes:
        name: for messages and results: never with a password in it, and always text that can be printed.
        fps: nominal frame rate, frames per second.
        frame_count: frames that the source says it has; None for cameras and streams.
        live: whether frames come by themselves, and are gone if nobody reads them: cameras and streams.
        sample_aspect: shape of a pixel, width over height.
        audio: the sound that belongs to the frames, if there is any.
    """

    name: str
    fps: float
    frame_count: int | None
    live: bool = False
    sample_aspect: Fraction = Fraction(1)
    audio: Audio | None = None

    @cached_property
    def counts(self) -> FrameCounts:
        """Filled while frames are read."""
        return FrameCounts()

    @cached_property
    def notes(self) -> list[str]:
        """What a user should know of how the frames were read, each in one line; filled while they are."""
        return []

    @abstractmethod
    def read(self, start: int = 0) -> Iterator[Frame]:
        """Frames from index `start` on, once.

        Raises:
            SourceError: `start` lies behind the end, or the source breaks off; all frames before were yielded.
        """

    def read_ahead(self, start: int = 0) -> Generator[Frame, None, None]:
        """As `read`, with frames decoded in another thread while earlier ones are used; not so where they come live.

        Close the iterator (or go to its end) before the source: `contextlib.closing` does it.
        """
        yield from self.read(start) if self.live else read_ahead(self.read(start))

    def close(self) -> None:  # noqa: B027 (a source that holds nothing has nothing to do)
        """Let go of the device or file."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class CaptureSource(Source):
    """A source that OpenCV's `VideoCapture` reads."""

    def __init__(
        self, name: str, target: str | int, backends: Sequence[int], problem: str, options: Sequence[int] = ()
    ) -> None:
        self.name = name
        self._capture = _open_capture(target, backends, options)
        if not self._capture.isOpened():
            raise SourceError(f"{name} {problem}")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0.1 <= fps <= 1000 else FOLDER_FPS
        self.frame_count = None

    def read(self, start: int = 0) -> Iterator[Frame]:
        """Frames with the source's own time stamps, counted from the first; see `Source.read`."""
        index, time_s, origin_s = 0, 0.0, 0.0
        # Frames before `start` are decoded, not sought: seeking lands on key frames, and then numbers are guesses.
        while self._capture.grab():
            stamp_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if index == 0:
                origin_s = stamp_s
            elif stamp_s - origin_s > time_s:
                time_s = stamp_s - origin_s
            else:
                time_s += 1 / self.fps  # no stamps, or broken ones: then frames are counted, not timed
            if index >= start:
                ok, image = self._capture.retrieve()
                if not ok:
                    break
                yield Frame(index, time_s, image)  # type: ignore[arg-type]
            index += 1
        self._check_end(index, start, time_s)

    def close(self) -> None:
        """Let go of the device or file."""
        self._capture.release()

    def _check_end(self, count: int, start: int, time_s: float) -> None:
        if count <= start:
            raise SourceError(f"{self.name} ended after {count} frames; frame {start} was asked for (counting from 0)")


class CameraSource(CaptureSource):
    """A camera by its index."""

    live = True

    def __init__(self, index: int) -> None:
        problem = "cannot be opened; is it plugged in, and not in use by another program?"
        super().__init__(f"camera {index}", index, [cv2.CAP_ANY], problem)


def _open_capture(target: str | int, backends: Sequence[int], options: Sequence[int]) -> cv2.VideoCapture:
    """A capture by the first backend that opens the target; it is not open if none does."""
    capture = cv2.VideoCapture()
    with quiet_opencv():
        for backend in backends:
            if capture.open(target, backend, options):  # type: ignore[call-overload]
                capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
                break
    return capture
