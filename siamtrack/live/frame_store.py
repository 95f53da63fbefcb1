"""The frames of a video file, each at hand at once, forward and backward: JPEGs one after the other in a nameless file."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from siamtrack.errors import OutputError, SiamtrackError, SourceError, reason, system_reason
from siamtrack.frames import Image, encoded
from siamtrack.system import make_folder
from siamtrack.video.source import Frame, Source

JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
"""Of stored frames: a tenth of what they take as they are, and boxes found in them overlap with IoU 0.97 on average with those
of the frames themselves."""

MAX_BYTES = 8 * 2**30
"""Of the JPEGs of one video: about half an hour of 1080p."""
LEAST_FREE = 2**30
"""Bytes that are left free on the disk."""
MAX_PIXELS = 36_000_000
"""Of one frame: 8K."""
CLOSE_S = 2.0

_CACHED_BYTES = 2**26  # of decoded frames: a tracker wants the one before again


class FrameStore:
    """Decodes a video once, in a thread of its own, and gives any of the frames that are there already.

    Args:
        open_source: opens the video; called here.
        folder: where the nameless file lies; it is gone with this process, however that ends.
        on_close: called when the video is not needed any more.

    Attributes:
        name, fps: of the video.
        problem: why not all frames are there, in one line; "" if they are, or come yet.

    Raises:
        FileNotFoundError, SourceError: the video cannot be opened, or no frame of it decoded.
        OutputError: the folder cannot be made or written.
    """

    def __init__(self, open_source: Callable[[], Source], folder: Path, on_close: Callable[[], None] = lambda: None) -> None:
        make_folder(folder)
        self._source, self._on_close = open_source(), on_close
        if self._source.live:
            self._source.close()
            raise SourceError(f"{self._source.name} is a camera or stream; only a file can be gone through")
        self.name, self.fps = self._source.name, self._source.fps
        self.problem, self._folder = "", folder
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by `close`)
        except OSError as error:
            self._source.close()
            raise OutputError(f"{folder} cannot be written ({system_reason(error)})") from error
        self._ends = array("q", [0])
        self._times = array("d")
        self._cached: OrderedDict[int, Frame] = OrderedDict()
        self._lock = threading.Lock()
        self._closing, self._begun = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._fill, name=f"decode {self.name}", daemon=True)
        self._thread.start()
        self._begun.wait()
        if not self._times:
            self.close()
            raise SourceError(self.problem or f"{self.name} holds no frame that can be decoded")

    def __len__(self) -> int:
        """Frames that are there."""
        return len(self._times)

    @property
    def filled(self) -> bool:
        """Whether no more frames come."""
        return not self._thread.is_alive()

    def read(self, index: int) -> Frame:
        """A frame.

        Raises:
            IndexError: it is not there, or not yet.
        """
        with self._lock:
            if not 0 <= index < len(self._times):
                raise IndexError(f"frame {index} is not there; there are {len(self._times)} so far")
            if index in self._cached:
                self._cached.move_to_end(index)
                return self._cached[index]
            begin, end = self._ends[index], self._ends[index + 1]
            self._file.seek(begin)
            data = self._file.read(end - begin)
            time_s = self._times[index]
        image: Image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[assignment]
        frame = Frame(index, time_s, image)
        with self._lock:
            self._cached[index] = frame
            while len(self._cached) > max(2, _CACHED_BYTES // image.nbytes):
                self._cached.popitem(last=False)
        return frame

    def time_of(self, index: int) -> float:
        """Seconds of a frame from the first one."""
        return self._times[index]

    def close(self) -> None:
        """End the decoding and let go of the file. May be called twice."""
        self._closing.set()
        self._source.interrupt()
        self._thread.join(CLOSE_S)
        with self._lock:
            self._file.close()
            self._cached.clear()

    def _fill(self) -> None:
        try:
            with self._source as source:
                for frame in source.read():
                    if self._closing.is_set():
                        break
                    self._check_room(frame)
                    self._keep(frame)
        except (SiamtrackError, OSError, ValueError) as error:
            self.problem = reason(error)
        finally:
            self._on_close()
            self._begun.set()

    def _check_room(self, frame: Frame) -> None:
        """Raises:
        SourceError: the video is too large, or the disk too full, for another frame.
        """
        height, width = frame.image.shape[:2]
        if height * width > MAX_PIXELS:
            raise SourceError(f"frames of {width}x{height} are too large; make the video smaller")
        if self._ends[-1] > MAX_BYTES:
            raise SourceError(f"only the first {len(self)} frames are here: the video is too long; cut it in parts")
        if len(self) % 64 == 0 and shutil.disk_usage(self._folder).free < LEAST_FREE:
            raise SourceError(f"only the first {len(self)} frames are here: the server's disk is full")

    def _keep(self, frame: Frame) -> None:
        data = encoded(frame.image, ".jpg", *JPEG)
        with self._lock:
            self._file.seek(0, os.SEEK_END)
            self._file.write(data)
            self._ends.append(self._file.tell())
            self._times.append(frame.time_s)
        self._begun.set()
