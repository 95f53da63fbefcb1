"""LabelMe: a folder with one JSON for each frame that has boxes (github.com/wkentaro/labelme, its label file reader).

A shape is a `rectangle` of two corners, 0-based: left top and right bottom. `group_id` is the target's number, the same
in all frames, and `description` its name; `score` and `state` stand beside them, and LabelMe keeps such extras. The
image is not inside: `imagePath` names `frame_000012.jpg` in the same folder for the frame with index 12, which
`siamtrack export-labels --frames` writes, or anyone. LabelMe refuses an image of another size than the file says.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from siamtrack.errors import OutputError
from siamtrack.labels.footage import frame_size
from siamtrack.labels.names import clean_label, frame_name
from siamtrack.labels.options import DEFAULTS, LabelOptions
from siamtrack.labels.output import check_no_frames, frame_files, write_file
from siamtrack.labels.selection import Chosen, by_frame, choose
from siamtrack.labels.tracks import VideoTracks
from siamtrack.system import make_folder

VERSION = "5.5.0"
"""The version of LabelMe whose form this is; later ones read it."""


def write_labelme(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as LabelMe files.

    Args:
        video: its tracks. path: the folder; with `force`, label files of frames that an earlier export left in it are
            removed, since old and new ones would make one data set. options: what is exported.

    Returns:
        How many boxes were written.

    Raises:
        DataError: the frame size is unknown. OutputError: the folder holds such files, or cannot be written.
    """
    folder = Path(path)
    width, height = frame_size(video)
    check_no_frames(folder, "json", options.force)
    make_folder(folder)
    count = 0
    written: set[str] = set()
    for frame, boxes in by_frame(choose(video, options)).items():
        if not boxes:
            continue
        data: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": [_shape(one, row) for one, row in boxes],
            "imagePath": frame_name(frame, options.suffix),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        name = frame_name(frame, "json")
        write_file(folder / name, json.dumps(data, indent=2) + "\n", options.force)
        written.add(name)
        count += len(boxes)
    _remove_others(folder, written)
    return count


def _shape(one: Chosen, row: int) -> dict[str, Any]:
    x, y, w, h = one.track.boxes_xywh[row].tolist()
    return {
        "label": one.label,
        "points": [[round(x, 3), round(y, 3)], [round(x + w, 3), round(y + h, 3)]],
        "group_id": one.number,
        "description": clean_label(one.track.target),
        "shape_type": "rectangle",
        "flags": {},
        "mask": None,
        "score": round(float(one.track.scores[row]), 4),
        "state": str(one.track.states[row]),
    }


def _remove_others(folder: Path, written: set[str]) -> None:
    for path in frame_files(folder, "json"):
        if path.name not in written:
            try:
                path.unlink()
            except OSError as error:
                raise OutputError(f"{path} of an earlier export cannot be removed ({error.strerror})") from error
