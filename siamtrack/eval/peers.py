"""OpenCV's trackers, and one that never moves, behind the same two calls as ours, for comparisons in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import cv2

from siamtrack.boxes import Box
from siamtrack.config import nearest
from siamtrack.errors import SiamtrackError
from siamtrack.frames import Image


class BoxTracker(Protocol):
    """What a comparison needs of a tracker: a box in, boxes out."""

    def init(self, frame: Image, box: Iterable[float]) -> Any:
        """Learn the target."""

    def update(self, frame: Image) -> Any:
        """A result with `.box`, or a box; `box_of` tells."""


def box_of(result: Any) -> Box:
    """The box of what a `BoxTracker` returned from `update`."""
    return Box(*getattr(result, "box", result))


class IdentityTracker:
    """Says the first box again and again: what a benchmark gives for nothing."""

    def init(self, frame: Image, box: Iterable[float]) -> None:
        """Keep the box."""
        self._box = Box(*(float(value) for value in box))

    def update(self, frame: Image) -> Box:
        """The first box."""
        return self._box


class OpenCVTracker:
    """One of OpenCV's trackers.

    Args:
        name: `csrt` and `kcf` (in opencv-contrib-python alone), `mil`, or `nano` and `vit` (which need their ONNX files).
        onnx_dir: folder of `backbone.onnx` and `head.onnx` for `nano`, of `vittrack.onnx` for `vit`; or the folder above
            it, where the files are in `nanotrack` and `vit`.

    Attributes:
        score: the tracker's own word on the last frame: the tracking score of `nano` and `vit`; of the others 1 where they
            report that they found the target, else 0.

    Raises:
        SiamtrackError: the tracker is not in this OpenCV, or its files are missing; the message says what to get.
    """

    NAMES = ("csrt", "kcf", "mil", "nano", "vit")

    def __init__(self, name: str, onnx_dir: str | Path | None = None) -> None:
        if name not in self.NAMES:
            raise SiamtrackError(f"no OpenCV tracker {name!r}; {nearest(name, self.NAMES)}")
        self._name, self._make = name, _factory(name, Path(onnx_dir or "."))
        self._box = Box(0, 0, 0, 0)
        self.score = 1.0

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
        # OpenCV 5 gives all of them the method, and lets those without a score say -1.
        self.score = float(self._tracker.getTrackingScore() if self._name in ("nano", "vit") else found)
        return self._box


def _factory(name: str, onnx_dir: Path) -> Callable[[], Any]:
    if name == "nano":
        params: Any = cv2.TrackerNano_Params()  # type: ignore[attr-defined]
        params.backbone, params.neckhead = (
            onnx_file(onnx_dir, "nanotrack", file, "NanoTrackV2 needs its backbone.onnx and head.onnx in one folder")
            for file in ("backbone.onnx", "head.onnx")
        )
        return lambda: cv2.TrackerNano_create(params)  # type: ignore[attr-defined]
    if name == "vit":
        params = cv2.TrackerVit_Params()  # type: ignore[attr-defined]
        params.net = onnx_file(
            onnx_dir, "vit", "vittrack.onnx", "OpenCV's TrackerVit needs its network as vittrack.onnx (OpenCV Zoo)"
        )
        return lambda: cv2.TrackerVit_create(params)  # type: ignore[attr-defined]
    attribute = f"Tracker{name.upper()}_create"
    make = getattr(cv2, attribute, None) or getattr(getattr(cv2, "legacy", None), attribute, None)
    if make is None:
        raise SiamtrackError(
            f"cv2:{name} is not in this OpenCV; it is in opencv-contrib-python, which takes the place of opencv-python: "
            "pip uninstall opencv-python, then pip install opencv-contrib-python; cv2:mil is in both"
        )
    return make  # type: ignore[no-any-return]


def onnx_file(folder: Path, own: str, name: str, needs: str) -> str:
    """Where a peer's file lies: in its `own` folder below, or in the folder itself; else an error that ends with `needs`."""
    path = next((each / name for each in (folder / own, folder) if (each / name).is_file()), folder / name)
    if not path.is_file():
        raise SiamtrackError(f"{path} not found; {needs}")
    return str(path)
