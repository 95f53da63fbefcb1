"""Labels as tables, one row a box: MOTChallenge text and Parquet.

**MOT**: one line a box, as in the benchmark's ground truth: `frame,id,left,top,width,height,conf,class,visibility`. "All frame
numbers, target IDs and bounding boxes are 1-based" (motchallenge.net/instructions, repeated by its official evaluation kit,
TrackEval): the frame with index 0 is 1, and a box at the frame's very corner is at (1, 1). py-motmetrics takes that 1 off
again; Datumaro, which reads for CVAT, and norfair do not. The class counts from 1 in `clip.labels` beside `clip.txt`, which
has one label a line: Datumaro wants it as `gt/labels.txt`. Visibility is 1 throughout: nothing estimates it, and readers take
0, or what is no number, for occluded.

**Parquet**: the columns of boxes.csv after `video` and `target`, with the same values: 0-based frames and boxes. A folder
of such files reads as one data set.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from siamtrack.errors import import_extra
from siamtrack.labels.files import check_free, clean_label, write_file
from siamtrack.labels.label_selection import DEFAULTS, LabelOptions, by_frame, choose, class_numbers
from siamtrack.labels.tracks import VideoTracks


def write_mot(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as MOTChallenge text into the file `path`, and its labels beside it; see `siamtrack.labels`.

    Ids follow the order of the targets.
    """
    path = Path(path)
    chosen = choose(video, options)
    classes = class_numbers(chosen, first=1)
    lines = []
    for frame, boxes in by_frame(chosen).items():
        for one in boxes:
            x, y, w, h = one.box
            place = f"{x + 1:.3f},{y + 1:.3f},{w:.3f},{h:.3f}"
            lines.append(f"{frame + 1},{one.number},{place},{one.score:.4f},{classes[one.label]},1\n")
    check_free([path], options.force)
    write_file(path.with_suffix(".labels"), "".join(f"{label}\n" for label in classes), options.force)
    write_file(path, "".join(lines), options.force)
    return len(lines)


def write_parquet(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as a Parquet table, target by target, into the file `path`; see `siamtrack.labels`.

    Raises:
        SiamtrackError: pyarrow, which the extra `parquet` brings, is not installed.
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
    arrow, parquet = (import_extra(name, "parquet", "Parquet needs pyarrow") for name in ("pyarrow", "pyarrow.parquet"))
    return arrow, parquet
