"""What a tracker says of one frame: drawn, and as pandas and supervision take it, each imported where it is used."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from html import escape
from typing import Any, TypeVar

import numpy as np

from siamtrack.boxes import Box
from siamtrack.drawing import draw_result
from siamtrack.errors import import_extra
from siamtrack.frames import Image, as_bgr

Name = TypeVar("Name", bound=Hashable)


class State(str, Enum):
    """What the tracker knows of its target.

    Attributes:
        TRACKING: the box is on the target. UNCERTAIN: perhaps; have a look.
        LOST: the target is hidden, gone or not told from others. The box is a guess, and the target is looked for elsewhere.
    """

    TRACKING = "TRACKING"
    UNCERTAIN = "UNCERTAIN"
    LOST = "LOST"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, repr=False)
class TrackResult:
    """What one frame gave.

    Attributes:
        box: `(x, y, w, h)`, 0-based float, within the frame.
        score: 0..1, the estimated probability that the box overlaps the target by more than one half; the box
            given to `init` scores 1.
        state: TRACKING, UNCERTAIN or LOST, by the score.

    Examples:
        >>> TrackResult(Box(122.4, 80.9, 64.3, 48.2), 0.934, State.TRACKING)
        TrackResult(x=122.4, y=80.9, w=64.3, h=48.2, score=0.93, TRACKING)
    """

    box: Box
    score: float
    state: State

    def plot(self, frame: Any, name: str = "") -> Image:
        """A copy of a frame with the box and the score drawn on it: solid TRACKING, dashed UNCERTAIN, dotted LOST.

        Args:
            frame: (H, W, 3) BGR uint8, the one that was tracked; gray, BGRA and 16-bit ones are converted, others a ValueError.
            name: of the target, to be written at the box.

        Returns:
            (H, W, 3) BGR uint8, as `cv2.imshow` and `cv2.imwrite` take it.
        """
        canvas = np.array(as_bgr(frame))
        draw_result(canvas, self.box, self.score, self.state, name)
        return canvas

    def to_supervision(self) -> Any:
        """`supervision.Detections` of one box: `xyxy`, `confidence`, `tracker_id` 1, `data["state"]`; see `to_supervision`."""
        return to_supervision([self], [1])

    def to_pandas(self) -> Any:
        """As a `pandas.DataFrame` of one row: x, y, w, h, score, state. A SiamtrackError where pandas is not installed."""
        return to_pandas([row_of(self)])

    def __repr__(self) -> str:
        x, y, w, h = (f"{value:.1f}" for value in self.box)
        return f"TrackResult(x={x}, y={y}, w={w}, h={h}, score={self.score:.2f}, {self.state})"

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self))}</code>"


class TargetResults(dict[Name, TrackResult]):
    """The result of every target in one frame, by its name: a dict that can be drawn and handed on.

    Args:
        results: by the targets' names. ids: of the targets, counted from 1; the same in every frame.
    """

    def __init__(self, results: Mapping[Name, TrackResult], ids: Sequence[int]) -> None:
        super().__init__(results)
        self._ids = tuple(ids)

    def plot(self, frame: Any) -> Image:
        """A copy of a frame with all boxes, names and scores drawn on it; arguments and errors as for `TrackResult.plot`."""
        canvas = np.array(as_bgr(frame))
        for name, result in self.items():
            draw_result(canvas, result.box, result.score, result.state, str(name))
        return canvas

    def to_supervision(self) -> Any:
        """`supervision.Detections`: a row a target, with `tracker_id`, `data["class_name"]`, its name, and `data["state"]`."""
        return to_supervision(list(self.values()), self._ids, [str(name) for name in self])

    def to_pandas(self) -> Any:
        """As a `pandas.DataFrame`, a row a target: target, x, y, w, h, score, state; see `to_pandas`."""
        return to_pandas([{"target": name, **row_of(result)} for name, result in self.items()])


def to_pandas(rows: Iterable[Mapping[str, Any]]) -> Any:
    """A `pandas.DataFrame` of some rows; a SiamtrackError where pandas is not installed."""
    return import_extra("pandas", "pandas", "to_pandas() needs pandas").DataFrame(list(rows))


def row_of(result: TrackResult) -> dict[str, Any]:
    """A result as columns of a table: those of boxes.csv."""
    return {**result.box._asdict(), "score": result.score, "state": str(result.state)}


def to_supervision(results: Sequence[TrackResult], ids: Sequence[int], names: Sequence[str] | None = None) -> Any:
    """Results of one frame as `supervision.Detections`; a SiamtrackError where supervision is not installed.

    Args:
        results: n of them. ids: (n,), of the targets. names: (n,), likewise.

    Returns:
        Detections with `xyxy`, `confidence` (the scores), `tracker_id`, `class_id` (0 throughout), and in `data` the `state` of
        each, and its `class_name` if names are given.
    """
    supervision = import_extra("supervision", "supervision", "to_supervision() needs supervision")
    boxes = np.array([result.box for result in results], np.float32).reshape(-1, 4)
    data = {"state": np.array([str(result.state) for result in results], str)}
    return supervision.Detections(
        xyxy=np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]),
        confidence=np.array([result.score for result in results], np.float32),
        class_id=np.zeros(len(results), int),
        tracker_id=np.array(ids, int),
        data=data if names is None else {**data, "class_name": np.array(names, str)},
    )
