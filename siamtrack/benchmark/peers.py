"""OpenCV's trackers behind the same two calls as ours, for comparisons in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import cv2

from siamtrack.boxes import Box
from siamtrack.config import nearest
from siamtrack.errors import SiamtrackError
from siamtrack.tracking.crop import Image


class BoxTracker(Protocol):
    """What a comparison needs of a tracker: a box in, boxes out."""

    def init(self, frame: Image, box: Iterable[float]) -> Any:
        """Learn the target."""

    def update(self, frame: Image) -> Any:
        """A result with `.box`, or a box."""


class OpenCVTracker:
    """One of OpenCV's trackers.

    Args:
        name: `csrt` and `kcf` (opencv-contrib-python), `mil`, or `nano` (needs its ONNX files).
        model_dir: folder of `backbone.onnx` and `head.onnx` for `nano`.

    Raises:
        SiamtrackError: the tracker is not in this OpenCV, or its files are missing; the message says what to get.
    """

    NAMES = ("csrt", "kcf", "mil", "nano")

    def __init__(self, name: str, model_dir: str | Path | None = None) -> None:
        if name not in self.NAMES:
            raise SiamtrackError(f"no OpenCV tracker {name!r}; {nearest(name, self.NAMES)}")
        self._make = _factory(name, model_dir)
        self._box = Box(0, 0, 0, 0)

    def init(self, frame: Image, box: Iterable[float]) -> None:
        """Start over: OpenCV's trackers are good for one target each."""
        self._tracker = self._make()
        self._box = Box(*(float(value) for value in box))
        # OpenCV 5 refuses float boxes.
        self._tracker.init(frame, tuple(round(value) for value in self._box))

    def update(self, frame: Image) -> Box:
        """The box of the next frame; where OpenCV reports failure, the last one again."""
        found, box = self._tracker.update(frame)
        if found:
            self._box = Box(*(float(value) for value in box))
        return self._box


def _factory(name: str, model_dir: str | Path | None) -> Callable[[], Any]:
    if name == "nano":
        folder = Path(model_dir or ".")
        files = [folder / "backbone.onnx", folder / "head.onnx"]
        for path in files:
            if not path.is_file():
                raise SiamtrackError(f"{path} not found; NanoTrackV2 needs its backbone.onnx and head.onnx in one folder")
        params: Any = cv2.TrackerNano_Params()  # type: ignore[attr-defined]
        params.backbone, params.neckhead = (str(path) for path in files)
        return lambda: cv2.TrackerNano_create(params)  # type: ignore[attr-defined]
    attribute = f"Tracker{name.upper()}_create"
    make = getattr(cv2, attribute, None) or getattr(getattr(cv2, "legacy", None), attribute, None)
    if make is None:
        raise SiamtrackError(f"this OpenCV has no {attribute}; it is in the wheel opencv-contrib-python")
    return make  # type: ignore[no-any-return]
