"""Where frames come from: a video file, a folder or glob of images, a camera, a stream.

Every source is a context manager and gives an iterator of `Frame`s, each with its index and its own time.
"""

from __future__ import annotations

import glob
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

# FFmpeg's own chatter on stderr would bury the one line that an error of ours is.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2

from siamtrack.errors import SourceError
from siamtrack.tracking.crop import Image

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
FOLDER_FPS = 30.0
"""Frame rate that a folder of images is taken to have: images carry no times."""

_STREAM = re.compile(r"^(rtsps?|rtmps?|https?|udp|tcp|srt)://", re.IGNORECASE)


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


class Source(ABC):
    """An open source of frames.

    Attributes:
        name: for messages and file names.
        fps: nominal frame rate, frames per second.
        frame_count: frames that the source says it has; None for cameras and streams.
    """

    name: str
    fps: float
    frame_count: int | None

    @abstractmethod
    def read(self, start: int = 0) -> Iterator[Frame]:
        """Frames from index `start` on, once.

        Raises:
            SourceError: `start` lies behind the end, or the source breaks off; all frames before were yielded.
        """

    def close(self) -> None:
        """Let go of the device or file."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_source(source: str | int | Path) -> Source:
    """Open whatever the user pointed at.

    Args:
        source: a camera index (`0` or `"0"`), a stream URL, a folder of images, a glob such as `"frames/*.png"`, or a
            video file.

    Raises:
        FileNotFoundError: nothing is there.
        SourceError: something is there that cannot be opened.
    """
    text = str(source)
    if text.isdecimal() and not Path(text).exists():
        return CameraSource(int(text))
    if _STREAM.match(text):
        return StreamSource(text)
    path = Path(text)
    if path.is_dir():
        return ImageSource(text, sorted((p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES), key=_natural))
    if path.is_file():
        return ImageSource(text, [path]) if path.suffix.lower() in IMAGE_SUFFIXES else VideoSource(path)
    if glob.has_magic(text):
        return ImageSource(text, sorted((Path(p) for p in glob.glob(text)), key=_natural))
    raise FileNotFoundError(f"{text} not found; give a video file, an image folder or glob, a camera index or a stream URL")


class VideoSource(Source):
    """A video file. Times are the file's own time stamps, rotation flags are applied."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty (0 bytes); get the file again")
        self._capture = _open_capture(str(path), [cv2.CAP_FFMPEG, cv2.CAP_ANY])
        if self._capture is None:
            raise SourceError(f"{path} cannot be opened as a video; it is damaged, cut off, or of an unknown format")
        self.fps = _sane_fps(self._capture.get(cv2.CAP_PROP_FPS))
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frame_count = count if count > 0 else None

    def read(self, start: int = 0) -> Iterator[Frame]:
        capture = self._capture
        assert capture is not None
        index, time_s = 0, 0.0
        # Frames before `start` are decoded, not sought: seeking lands on key frames, and then numbers are guesses.
        while capture.grab():
            stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            time_s = stamp if index == 0 or stamp > time_s else time_s + 1 / self.fps
            if index >= start:
                ok, image = capture.retrieve()
                if not ok:
                    break
                yield Frame(index, time_s, image)  # type: ignore[arg-type]
            index += 1
        if index == 0:
            raise SourceError(f"{self.name} holds no frame that can be decoded; it is empty or damaged")
        if index <= start:
            raise SourceError(f"{self.name} ends after {index} frames; frame {start} was asked for (counting from 0)")
        # Containers without an index only estimate their length: a small shortfall is no damage.
        if self.frame_count and index < self.frame_count - max(2, self.frame_count // 50):
            raise SourceError(f"{self.name} breaks off after frame {index - 1} of {self.frame_count}; the file is cut or damaged")

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()


class ImageSource(Source):
    """Image files as frames, in natural order (`9.png` before `10.png`), at `FOLDER_FPS`."""

    def __init__(self, name: str, paths: list[Path]) -> None:
        if not paths:
            raise SourceError(f"{name} holds no images; known endings: {', '.join(IMAGE_SUFFIXES)}")
        self.name, self._paths = name, paths
        self.fps = FOLDER_FPS
        self.frame_count = len(paths)

    def read(self, start: int = 0) -> Iterator[Frame]:
        if start >= len(self._paths):
            raise SourceError(f"{self.name} holds {len(self._paths)} images; frame {start} was asked for (counting from 0)")
        for index, path in enumerate(self._paths[start:], start):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise SourceError(f"{path} cannot be read as an image; the frames before it are done")
            yield Frame(index, index / self.fps, image)  # type: ignore[arg-type]


class StreamSource(Source):
    """A network stream. Times are its own time stamps where it has them."""

    frame_count = None

    def __init__(self, url: str) -> None:
        self.name = url
        self._capture = _open_capture(url, [cv2.CAP_FFMPEG, cv2.CAP_ANY])
        if self._capture is None:
            raise SourceError(f"stream {url} cannot be opened; check the address and that the server is up")
        self.fps = _sane_fps(self._capture.get(cv2.CAP_PROP_FPS))

    def read(self, start: int = 0) -> Iterator[Frame]:
        capture = self._capture
        assert capture is not None
        index, time_s, first = 0, 0.0, 0.0
        while True:
            ok, image = capture.read()
            if not ok:
                break
            stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first = stamp if index == 0 else first
            # A camera gives no stamps: then frames are counted, not timed.
            time_s = stamp - first if index == 0 or stamp - first > time_s else time_s + 1 / self.fps
            if index >= start:
                yield Frame(index, time_s, image)  # type: ignore[arg-type]
            index += 1
        if index <= start:
            raise SourceError(f"{self.name} gave {index} frames and ended; frame {start} was wanted")

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()


class CameraSource(StreamSource):
    """A camera by its index."""

    def __init__(self, index: int) -> None:
        self.name = f"camera {index}"
        self._capture = _open_capture(index, [cv2.CAP_ANY])
        if self._capture is None:
            raise SourceError(f"camera {index} cannot be opened; is it plugged in, and not in use by another program?")
        self.fps = _sane_fps(self._capture.get(cv2.CAP_PROP_FPS))


def _open_capture(target: str | int, backends: list[int]) -> cv2.VideoCapture | None:
    level = cv2.utils.logging.getLogLevel()  # type: ignore[attr-defined]
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # type: ignore[attr-defined]
    try:
        for backend in backends:
            capture = cv2.VideoCapture(target, backend)  # type: ignore[call-overload]
            if capture.isOpened():
                capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
                return capture  # type: ignore[no-any-return]
            capture.release()
    finally:
        cv2.utils.logging.setLogLevel(level)  # type: ignore[attr-defined]
    return None


def _sane_fps(fps: float) -> float:
    return fps if 0.1 <= fps <= 1000 else FOLDER_FPS


def _natural(path: Path) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", path.name) if part]
