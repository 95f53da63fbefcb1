"""CVAT for video 1.1: the XML that CVAT's menu Actions, Upload annotations takes (docs.cvat.ai, "XML annotation format").

What CVAT's importer makes of it decides how it is written:

- It draws the last box of a track on all frames that follow, so a track ends with a box that is `outside`. A frame that
  the video does not have is refused with the whole file, so that box is left out where the video may be over.
- It fills the frames between two boxes by interpolation, so a frame in which the target was not seen is not left out:
  it has an `outside` box. With `every` that is welcome: fewer boxes to correct by hand.
- It stops at a track without a box, so a target that was never seen has no track.
- Labels must exist in the task. Attributes that a label does not have would be dropped, so there are none: scores are
  lost, and UNCERTAIN frames are `occluded`, which CVAT draws dashed: there a person should check.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from siamtrack.labels.files import clean_label, write_file
from siamtrack.labels.footage import footage_of, frame_size
from siamtrack.labels.label_selection import DEFAULTS, ExportedTrack, LabelOptions, choose, class_numbers
from siamtrack.labels.tracks import VideoTracks
from siamtrack.tracking.result import State


def write_cvat(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as CVAT for video 1.1 into the file `path`; see `siamtrack.labels`.

    Boxes that are `outside` are not counted.
    """
    size_wh = frame_size(video)
    footage = footage_of(video)
    tracked = [one for one in choose(video, options) if one.seen.any()]
    root = ElementTree.Element("annotations")
    add_text(root, "version", "1.1")
    _add_meta(root, clean_label(video.name), footage.said, size_wh, list(class_numbers(tracked, first=0)))
    for one in tracked:
        _add_track(root, one, footage.sure)
    ElementTree.indent(root)
    write_file(Path(path), ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n", options.force)
    return int(sum(one.seen.sum() for one in tracked))


def _add_meta(root: ElementTree.Element, name: str, frames: int, size_wh: tuple[int, int], labels: list[str]) -> None:
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    add_text(task, "name", name)
    add_text(task, "size", str(frames))
    add_text(task, "mode", "interpolation")
    listed = ElementTree.SubElement(task, "labels")
    for label in labels:
        item = ElementTree.SubElement(listed, "label")
        add_text(item, "name", label)
        ElementTree.SubElement(item, "attributes")
    size = ElementTree.SubElement(task, "original_size")
    add_text(size, "width", str(size_wh[0]))
    add_text(size, "height", str(size_wh[1]))


def _add_track(root: ElementTree.Element, one: ExportedTrack, frames: int) -> None:
    # Ids count from 0, as in CVAT's own files; they mean nothing to it.
    item = ElementTree.SubElement(root, "track", id=str(one.number - 1), label=one.label, source="auto")
    begin = int(np.argmax(one.seen))
    for row in range(begin, len(one.seen)):
        unsure = bool(one.track.states[row] != State.TRACKING.value)
        _add_box(item, int(one.track.frames[row]), one.track.boxes_xywh[row], not one.seen[row], unsure)
    if one.seen[-1] and one.end_frame < frames:
        _add_box(item, one.end_frame, one.track.boxes_xywh[-1], outside=True, occluded=False)


def _add_box(
    track: ElementTree.Element, frame: int, box_xywh: np.typing.NDArray[np.float64], outside: bool, occluded: bool
) -> None:
    x, y, w, h = box_xywh
    shown = {"frame": str(frame), "outside": str(int(outside)), "occluded": str(int(occluded and not outside)), "keyframe": "1"}
    place = {"xtl": f"{x:.3f}", "ytl": f"{y:.3f}", "xbr": f"{x + w:.3f}", "ybr": f"{y + h:.3f}", "z_order": "0"}
    ElementTree.SubElement(track, "box", {**shown, **place})


def add_text(parent: ElementTree.Element, tag: str, text: str) -> None:
    """Add an element that holds nothing but text."""
    ElementTree.SubElement(parent, tag).text = text
