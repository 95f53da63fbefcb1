"""Cameras, read by OpenCV."""

from __future__ import annotations

import os
from collections.abc import Iterator

import cv2

from siamtrack.errors import SourceError
from siamtrack.video import quiet_opencv
from siamtrack.video.frame_source import FOLDER_FPS, Frame, Moment, Source, asked_for, is_reached
from siamtrack.video.names import source_name


class CameraSource(Source):
    """A camera.

    Args:
        camera: its index, or the path of its device (`/dev/video0`).

    Raises:
        SourceError: it cannot be opened.
    """

    live = True
    frame_count = None

    def __init__(self, camera: str | int) -> None:
        target: str | int
        if isinstance(camera, int) or camera.isdecimal():
            self.name, backend = f"camera {str(camera)[:20]}", cv2.CAP_ANY
            target = int(camera) if len(str(camera)) <= 9 else -1  # OpenCV counts in 32 bits
        else:
            # By the device itself: links to it, as in /dev/v4l/by-id, are names that OpenCV may not know.
            self.name, backend, target = source_name(camera), cv2.CAP_V4L2, os.path.realpath(camera)
        self._capture = cv2.VideoCapture()
        if target != -1 and str(target).isprintable():  # a name that is not UTF-8 would end the process
            with quiet_opencv():
                self._capture.open(target, backend)  # type: ignore[call-overload]
        if not self._capture.isOpened():
            raise SourceError(f"{self.name} cannot be opened; is it a camera, plugged in, and not in use by another program?")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0.1 <= fps <= 1000 else FOLDER_FPS

    def read(self, start: Moment = 0) -> Iterator[Frame]:
        """Frames with the camera's own time stamps, counted from the first; see `Source.read`."""
        index, time_s, origin_s = 0, 0.0, 0.0
        while self._capture.grab():
            stamp_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if index == 0:
                origin_s = stamp_s
            elif stamp_s - origin_s > time_s:
                time_s = stamp_s - origin_s
            else:
                time_s += 1 / self.fps  # no stamps, or broken ones: then frames are counted, not timed
            if is_reached(start, index, time_s):
                ok, image = self._capture.retrieve()
                if not ok:
                    break
                yield Frame(index, time_s, image)  # type: ignore[arg-type]
            index += 1
        if not is_reached(start, index - 1, time_s):
            raise SourceError(f"{self.name} ended after {index} frames; {asked_for(start)}")

    def close(self) -> None:
        """Let go of the device."""
        self._capture.release()
