"""COCO-style video JSON in the form of TAO (github.com/TAO-Dataset/tao, `tao/toolkit/tao/tao.py`).

TAO is COCO's detection form, one annotation a box, with `videos`, `tracks`, `video_id` and `frame_index` added, so that
plain COCO tools read it too. (YouTube-VIS, the other one, has one annotation a track, with a list of boxes.) Boxes are
0-based `[x, y, width, height]`. An annotation here also says its `score` and `state`; a frame in which nothing was seen
is an image without annotations. `file_name` is the image's place beside this file: `clip/frame_000012.jpg` for
`clip.json`, the frame with index 12.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from siamtrack.labels.footage import frame_size
from siamtrack.labels.names import clean_label, frame_name
from siamtrack.labels.options import DEFAULTS, LabelOptions
from siamtrack.labels.output import write_file
from siamtrack.labels.selection import Chosen, by_frame, choose
from siamtrack.labels.tracks import VideoTracks

VIDEO_ID = 1
"""A file holds one video."""


def write_coco(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as COCO-style JSON in TAO's form.

    Args:
        video: its tracks. path: the file. options: what is exported.

    Returns:
        How many boxes were written.

    Raises:
        DataError: the frame size is unknown. OutputError: the file exists, or cannot be written.
    """
    path = Path(path)
    width, height = frame_size(video)
    chosen = choose(video, options)
    tracked = [one for one in chosen if one.seen.any()]
    categories = {label: number for number, label in enumerate(sorted({one.label for one in tracked}), 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (frame, boxes) in enumerate(by_frame(chosen).items(), 1):
        images.append(
            {
                "id": image_id,
                "video_id": VIDEO_ID,
                "file_name": f"{path.stem}/{frame_name(frame, options.suffix)}",
                "width": width,
                "height": height,
                "frame_index": frame,
            }
        )
        for one, row in boxes:
            known = {"id": len(annotations) + 1, "image_id": image_id, "category_id": categories[one.label]}
            annotations.append({**known, **_annotation(one, row)})
    data = {
        "info": {"description": f"siamtrack results of {clean_label(video.name)}", "version": "1.0"},
        "videos": [
            {
                "id": VIDEO_ID,
                "name": clean_label(video.name),
                "width": width,
                "height": height,
                "neg_category_ids": [],
                "not_exhaustive_category_ids": [],
                "metadata": {},
            }
        ],
        "tracks": [
            {
                "id": one.number,
                "category_id": categories[one.label],
                "video_id": VIDEO_ID,
                "name": clean_label(one.track.target),
            }
            for one in tracked
        ],
        "categories": [{"id": number, "name": label, "synset": "unknown"} for label, number in categories.items()],
        "images": images,
        "annotations": annotations,
        "licenses": [],
    }
    write_file(path, json.dumps(data) + "\n", options.force)
    return len(annotations)


def _annotation(one: Chosen, row: int) -> dict[str, Any]:
    """One box; the ids that place it come from the caller."""
    box = [round(value, 3) for value in one.track.boxes_xywh[row].tolist()]
    return {
        "video_id": VIDEO_ID,
        "track_id": one.number,
        "bbox": box,
        "area": round(box[2] * box[3], 3),
        "iscrowd": 0,
        "score": round(float(one.track.scores[row]), 4),
        "state": str(one.track.states[row]),
    }
