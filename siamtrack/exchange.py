"""Results in the forms of other packages: pandas and supervision, each imported where it is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from siamtrack.errors import needs

if TYPE_CHECKING:
    from siamtrack.tracking.result import TrackResult  # whose methods call this


def to_pandas(rows: Iterable[Mapping[str, Any]]) -> Any:
    """A `pandas.DataFrame` of some rows.

    Raises:
        SiamtrackError: pandas is not installed.
    """
    try:
        pandas = import_module("pandas")
    except ImportError as error:
        raise needs("pandas", "to_pandas() needs pandas") from error
    return pandas.DataFrame(list(rows))


def row_of(result: TrackResult) -> dict[str, Any]:
    """A result as columns of a table: those of boxes.csv."""
    return {**result.box._asdict(), "score": result.score, "state": str(result.state)}


def to_supervision(results: Sequence[TrackResult], ids: Sequence[int], names: Sequence[str] | None = None) -> Any:
    """Results of one frame as `supervision.Detections`.

    Args:
        results: n of them. ids: (n,), of the targets. names: (n,), likewise.

    Returns:
        Detections with `xyxy`, `confidence` (the scores), `tracker_id`, `class_id` (0 throughout), and in `data` the `state` of
        each, and its `class_name` if names are given.

    Raises:
        SiamtrackError: supervision is not installed.
    """
    try:
        supervision = import_module("supervision")
    except ImportError as error:
        raise needs("supervision", "to_supervision() needs supervision") from error
    boxes = np.array([result.box for result in results], np.float32).reshape(-1, 4)
    data = {"state": np.array([str(result.state) for result in results], str)}
    return supervision.Detections(
        xyxy=np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]),
        confidence=np.array([result.score for result in results], np.float32),
        class_id=np.zeros(len(results), int),
        tracker_id=np.array(ids, int),
        data=data if names is None else {**data, "class_name": np.array(names, str)},
    )
