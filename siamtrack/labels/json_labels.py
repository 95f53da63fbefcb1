"""Labels in JSON that name frame images: COCO-style video files in TAO's form, and LabelMe.

**COCO**: TAO's form (github.com/TAO-Dataset/tao, `tao/toolkit/tao/tao.py`) is COCO's detection form, one annotation a
box, with `videos`, `tracks`, `video_id` and `frame_index` added, so that plain COCO tools read it too. (YouTube-VIS, the
other one, has one annotation a track, with a list of boxes.) Boxes are 0-based `[x, y, width, height]`. An annotation
here also says its `score` and `state`; a frame in which the target was not seen is an image without annotations. There is
no mask, but the key `segmentation`, an empty list: pycocotools draws no annotation without it.
`file_name` of a frame of a video is its place beside this file: `clip/frame_000012.jpg` for `clip.json`, the frame with index
12. That of an image is its own name, `0013.png`, and that of its copy beside this file where `frames` asks for one.

**LabelMe**: a folder with one JSON for each frame that has boxes (github.com/wkentaro/labelme, its label file reader). A
shape is a `rectangle` of two corners, 0-based: left top and right bottom. `group_id` is the target's number, the same in
all frames, and `description` its name; `score` and `state` stand beside them, and LabelMe keeps such extras. The image is
not inside: `imagePath` names it in the same folder, where `siamtrack export-labels --frames` writes it, or anyone:
`frame_000012.jpg` for the frame with index 12 of a video, or an image's own name; the JSON is named alike. LabelMe refuses an
image of another size than the file says.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from siamtrack.labels.files import clean_label, write_file
from siamtrack.labels.footage import frame_names, frame_size
from siamtrack.labels.label_selection import DEFAULTS, Chosen, LabelOptions, by_frame, choose, class_numbers
from siamtrack.labels.per_frame import write_per_frame
from siamtrack.labels.tracks import VideoTracks

VIDEO_ID = 1
"""A file holds one video."""

LABELME_VERSION = "5.5.0"
"""The version of LabelMe whose form this is; later ones read it."""


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
    names = frame_names(video, options.suffix)
    folder = "" if names.own and not options.frames else f"{path.stem}/"
    chosen = choose(video, options)
    tracked = [one for one in chosen if one.seen.any()]
    categories = class_numbers(tracked, first=1)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (frame, boxes) in enumerate(by_frame(chosen).items(), 1):
        images.append(
            {
                "id": image_id,
                "video_id": VIDEO_ID,
                "file_name": f"{folder}{names.image(frame)}",
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
        "segmentation": [],
        "area": round(box[2] * box[3], 3),
        "iscrowd": 0,
        "score": round(float(one.track.scores[row]), 4),
        "state": str(one.track.states[row]),
    }


def write_labelme(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as LabelMe files.

    Args:
        video: its tracks. path: the folder; with `force`, label files of frames that an earlier export left in it are
            removed. options: what is exported.

    Returns:
        How many boxes were written.

    Raises:
        DataError: the frame size is unknown. OutputError: the folder holds such files, or cannot be written.
    """
    width, height = frame_size(video)

    def text_of(image: str, boxes: list[tuple[Chosen, int]]) -> tuple[str, int]:
        data: dict[str, Any] = {
            "version": LABELME_VERSION,
            "flags": {},
            "shapes": [_shape(one, row) for one, row in boxes],
            "imagePath": image,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        return json.dumps(data, indent=2) + "\n", len(boxes)

    return write_per_frame(video, Path(path), "json", text_of, options)


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
