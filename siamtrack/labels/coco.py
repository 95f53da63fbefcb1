"""COCO-style video files in TAO's form.

TAO's form (github.com/TAO-Dataset/tao, `tao/toolkit/tao/tao.py`) is COCO's detection form, one annotation a
box, with `videos`, `tracks`, `video_id` and `frame_index` added, so that plain COCO tools read it too. (YouTube-VIS, the
other one, has one annotation a track, with a list of boxes.) Boxes are 0-based `[x, y, width, height]`. An annotation
here also says its `score` and `state`; a frame in which the target was not seen is an image without annotations. There is
no mask, but the key `segmentation`, an empty list: pycocotools draws no annotation without it.
`file_name` of a frame of a video is its place beside this file: `clip/frame_000012.jpg` for `clip.json`, the frame with index
12. That of an image is its own name, `0013.png`, and that of its copy beside this file where `frames` asks for one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from siamtrack.labels.files import clean_label, write_file
from siamtrack.labels.footage import FrameNames, frame_size
from siamtrack.labels.label_selection import DEFAULTS, ExportedBox, LabelOptions, by_frame, choose, class_numbers
from siamtrack.labels.tracks import VideoTracks

VIDEO_ID = 1
"""A file holds one video."""


def write_coco(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as COCO-style JSON in TAO's form into the file `path`; see `siamtrack.labels`."""
    path = Path(path)
    width, height = frame_size(video)
    size = {"width": width, "height": height}
    names = FrameNames(video, options.suffix)
    folder = "" if names.own and not options.frames else f"{path.stem}/"
    chosen = choose(video, options)
    tracked = [one for one in chosen if one.seen.any()]
    categories = class_numbers(tracked, first=1)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (frame, boxes) in enumerate(by_frame(chosen).items(), 1):
        place = f"{folder}{names.image(frame)}"
        images.append({"id": image_id, "video_id": VIDEO_ID, "file_name": place, **size, "frame_index": frame})
        for box in boxes:
            known = {"id": len(annotations) + 1, "image_id": image_id, "category_id": categories[box.label]}
            annotations.append({**known, **_annotation(box)})
    name = clean_label(video.name)
    unlabelled: dict[str, Any] = {"neg_category_ids": [], "not_exhaustive_category_ids": [], "metadata": {}}
    tracks = [(one.number, categories[one.label], clean_label(one.track.target)) for one in tracked]
    data = {
        "info": {"description": f"siamtrack results of {name}", "version": "1.0"},
        "videos": [{"id": VIDEO_ID, "name": name, **size, **unlabelled}],
        "tracks": [{"id": number, "category_id": of, "video_id": VIDEO_ID, "name": target} for number, of, target in tracks],
        "categories": [{"id": number, "name": label, "synset": "unknown"} for label, number in categories.items()],
        "images": images,
        "annotations": annotations,
        "licenses": [],
    }
    write_file(path, json.dumps(data) + "\n", options.force)
    return len(annotations)


def _annotation(one: ExportedBox) -> dict[str, Any]:
    """One box; the ids that place it come from the caller."""
    box = [round(value, 3) for value in one.box]
    return {
        "video_id": VIDEO_ID,
        "track_id": one.number,
        "bbox": box,
        "segmentation": [],
        "area": round(box[2] * box[3], 3),
        "iscrowd": 0,
        "score": round(one.score, 4),
        "state": one.state,
    }
