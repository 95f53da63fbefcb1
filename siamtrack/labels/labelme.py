"""LabelMe: the JSON of the desktop program, and the XML of the one on the web, which bore the name first.

**JSON**: a folder with one JSON for each frame that has boxes (github.com/wkentaro/labelme, its label file reader). A
shape is a `rectangle` of two corners, 0-based: left top and right bottom. `group_id` is the target's number, the same in
all frames, and `description` its name; `score` and `state` stand beside them, and LabelMe keeps such extras. The image is
not inside: `imagePath` names it in the same folder, where `siamtrack export-labels --frames` writes it, or anyone:
`frame_000012.jpg` for the frame with index 12 of a video, or an image's own name; the JSON is named alike. LabelMe refuses an
image of another size than the file says.

**XML**: LabelMe 3.0: the XML of MIT's LabelMe on the web, which CVAT and Datumaro (`label_me`) read under that name.

It is not the JSON of the desktop program LabelMe, which took the name over; that is `labelme`. A folder holds a file for each
frame that has boxes, named as the image is. A box is a polygon of four corners, 0-based, of the type `bounding_box`; its
attribute `track_id` is the target's number, the same in all frames.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from siamtrack.labels.cvat import add_text
from siamtrack.labels.files import clean_label
from siamtrack.labels.footage import frame_size, write_per_frame
from siamtrack.labels.label_selection import DEFAULTS, ExportedBox, LabelOptions
from siamtrack.labels.tracks import VideoTracks
from siamtrack.tracking.result import State

LABELME_VERSION = "5.5.0"
"""The version of LabelMe whose form this is; later ones read it."""


def write_labelme(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as LabelMe files into the folder `path`; see `siamtrack.labels`."""
    width, height = frame_size(video)

    def text_of(image: str, boxes: list[ExportedBox]) -> tuple[str, int]:
        shapes = [_shape(one) for one in boxes]
        data: dict[str, Any] = {
            "version": LABELME_VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": image,
            "imageData": None,
        }
        return json.dumps({**data, "imageHeight": height, "imageWidth": width}, indent=2) + "\n", len(boxes)

    return write_per_frame(video, Path(path), "json", text_of, options)


def _shape(one: ExportedBox) -> dict[str, Any]:
    x, y, w, h = one.box
    return {
        "label": one.label,
        "points": [[round(x, 3), round(y, 3)], [round(x + w, 3), round(y + h, 3)]],
        "group_id": one.number,
        "description": clean_label(one.target),
        "shape_type": "rectangle",
        "flags": {},
        "mask": None,
        "score": round(one.score, 4),
        "state": one.state,
    }


def write_labelme_xml(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as LabelMe 3.0 into the folder `path`; see `siamtrack.labels`."""
    size_wh = frame_size(video)

    def text_of(image: str, boxes: list[ExportedBox]) -> tuple[str, int]:
        root = ElementTree.Element("annotation")
        add_text(root, "filename", clean_label(image))
        add_text(root, "folder", "")
        for number, one in enumerate(boxes):
            _add_object(root, number, one)
        size = ElementTree.SubElement(root, "imagesize")
        add_text(size, "nrows", str(size_wh[1]))
        add_text(size, "ncols", str(size_wh[0]))
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode") + "\n", len(boxes)

    return write_per_frame(video, Path(path), "xml", text_of, options)


def _add_object(root: ElementTree.Element, number: int, one: ExportedBox) -> None:
    x, y, w, h = one.box
    item = ElementTree.SubElement(root, "object")
    add_text(item, "name", one.label)
    add_text(item, "deleted", "0")
    add_text(item, "verified", "0")
    # As in CVAT: there a person should check.
    add_text(item, "occluded", "yes" if one.state == State.UNCERTAIN else "no")
    add_text(item, "attributes", f"track_id={one.number}")
    add_text(item, "id", str(number))
    add_text(item, "type", "bounding_box")
    polygon = ElementTree.SubElement(item, "polygon")
    for corner in ((x, y), (x + w, y), (x + w, y + h), (x, y + h)):
        point = ElementTree.SubElement(polygon, "pt")
        add_text(point, "x", f"{corner[0]:.3f}")
        add_text(point, "y", f"{corner[1]:.3f}")
    add_text(polygon, "username", "siamtrack")
