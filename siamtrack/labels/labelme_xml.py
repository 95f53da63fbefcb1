"""LabelMe 3.0: the XML of MIT's LabelMe on the web, which CVAT and Datumaro (`label_me`) read under that name.

It is not the JSON of the desktop program LabelMe, which took the name over; that is `labelme`. A folder holds a file for each
frame that has boxes, named as the image is. A box is a polygon of four corners, 0-based, of the type `bounding_box`; its
attribute `track_id` is the target's number, the same in all frames.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from siamtrack.labels.cvat import add_text
from siamtrack.labels.files import clean_label
from siamtrack.labels.footage import frame_size
from siamtrack.labels.label_selection import DEFAULTS, Chosen, LabelOptions
from siamtrack.labels.per_frame import write_per_frame
from siamtrack.labels.tracks import VideoTracks
from siamtrack.tracking.result import State


def write_labelme_xml(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as LabelMe 3.0; arguments, what is returned and errors as for `write_labelme`."""
    size_wh = frame_size(video)

    def text_of(image: str, boxes: list[tuple[Chosen, int]]) -> tuple[str, int]:
        root = ElementTree.Element("annotation")
        add_text(root, "filename", clean_label(image))
        add_text(root, "folder", "")
        for number, (one, row) in enumerate(boxes):
            _add_object(root, number, one, row)
        size = ElementTree.SubElement(root, "imagesize")
        add_text(size, "nrows", str(size_wh[1]))
        add_text(size, "ncols", str(size_wh[0]))
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode") + "\n", len(boxes)

    return write_per_frame(video, Path(path), "xml", text_of, options)


def _add_object(root: ElementTree.Element, number: int, one: Chosen, row: int) -> None:
    x, y, w, h = one.track.boxes_xywh[row].tolist()
    item = ElementTree.SubElement(root, "object")
    add_text(item, "name", one.label)
    add_text(item, "deleted", "0")
    add_text(item, "verified", "0")
    # As in CVAT: there a person should check.
    add_text(item, "occluded", "yes" if one.track.states[row] == State.UNCERTAIN.value else "no")
    add_text(item, "attributes", f"track_id={one.number}")
    add_text(item, "id", str(number))
    add_text(item, "type", "bounding_box")
    polygon = ElementTree.SubElement(item, "polygon")
    for corner in ((x, y), (x + w, y), (x + w, y + h), (x, y + h)):
        point = ElementTree.SubElement(polygon, "pt")
        add_text(point, "x", f"{corner[0]:.3f}")
        add_text(point, "y", f"{corner[1]:.3f}")
    add_text(polygon, "username", "siamtrack")
