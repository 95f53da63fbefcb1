"""Parquet: one table, the columns of boxes.csv after `video` and `target`.

Values are as in boxes.csv: 0-based frames and boxes. A folder of such files reads as one data set.
"""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from siamtrack.errors import needs
from siamtrack.labels.names import clean_label
from siamtrack.labels.options import DEFAULTS, LabelOptions
from siamtrack.labels.output import write_file
from siamtrack.labels.selection import choose
from siamtrack.labels.tracks import VideoTracks


def write_parquet(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as a Parquet table, target by target; needs the extra `parquet`.

    Args:
        video: its tracks. path: the file. options: what is exported; this form has no labels.

    Returns:
        How many boxes were written.

    Raises:
        SiamtrackError: pyarrow is not installed. OutputError: the file exists, or cannot be written.
    """
    arrow, parquet = load_pyarrow()
    seen = [(one.track.target, one.track.take(one.seen)) for one in choose(video, options)]
    boxes = np.concatenate([track.boxes_xywh for _, track in seen])
    names = [clean_label(target) for target, track in seen for _ in track.frames]
    columns = {
        "video": ([clean_label(video.name)] * len(boxes), arrow.string()),
        "target": (names, arrow.string()),
        "frame": (np.concatenate([track.frames for _, track in seen]), arrow.int64()),
        "time_s": (np.concatenate([track.times_s for _, track in seen]), arrow.float64()),
        **{key: (boxes[:, place], arrow.float64()) for place, key in enumerate("xywh")},
        "score": (np.concatenate([track.scores for _, track in seen]), arrow.float64()),
        "state": (np.concatenate([track.states for _, track in seen]).tolist(), arrow.string()),
    }
    table = arrow.table({name: arrow.array(values, kind) for name, (values, kind) in columns.items()})
    data = io.BytesIO()
    parquet.write_table(table, data)
    write_file(Path(path), data.getvalue(), options.force)
    return len(boxes)


def load_pyarrow() -> tuple[Any, Any]:
    """The packages `pyarrow` and `pyarrow.parquet`.

    Raises:
        SiamtrackError: they are not installed.
    """
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise needs("parquet", "Parquet needs pyarrow") from error
