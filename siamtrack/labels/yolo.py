"""YOLO: one text file an image, and a data.yaml that names the classes (docs.ultralytics.com, "Object detection datasets").

The folder is one data set, whatever the number of videos: `images/clip/frame_000012.jpg` has its boxes in
`labels/clip/frame_000012.txt`, and `data.yaml` lists the labels of all videos. Exporting another video into the same folder
adds to it: labels that are there keep their numbers.

A line is `class center_x center_y width height`: the class counts from 0, the rest are fractions of the frame. There is no
place for a track's id. A frame in which no target was seen has no file: an image with an empty one would teach that nothing
is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from siamtrack.boxes import clip_box
from siamtrack.config import load_yaml
from siamtrack.errors import ConfigError, DataError, shown
from siamtrack.labels.files import check_free, safe_name, write_file
from siamtrack.labels.footage import FrameNames, frame_size, write_per_frame
from siamtrack.labels.label_selection import DEFAULTS, ExportedBox, LabelOptions, choose, class_numbers
from siamtrack.labels.tracks import VideoTracks

DATA = "data.yaml"

_MEND = "give --out a folder without it, or one that export-labels wrote"


def write_yolo(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Add a video's tracks to the YOLO data set in the folder `path`, under the video's name; see `siamtrack.labels`.

    Raises:
        DataError: data.yaml is there, and is another's.
    """
    root = Path(path)
    folder = root / "labels" / safe_name(video.name)
    width, height = frame_size(video)
    check_free(FrameNames(video, options.suffix).there(folder, "txt"), options.force)
    classes = _add_classes(root / DATA, list(class_numbers(choose(video, options), first=0)))

    def text_of(_: str, boxes: list[ExportedBox]) -> tuple[str, int]:
        lines = []
        for one in boxes:
            # Training leaves out an image with a number above 1; results from elsewhere may reach over the frame.
            x, y, w, h = clip_box(one.box, (width, height))
            if w and h:
                place = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
                lines.append(" ".join([str(classes.index(one.label)), *(f"{value:.8f}" for value in place)]) + "\n")
        return "".join(lines), len(lines)

    return write_per_frame(video, folder, "txt", text_of, options)


def _add_classes(path: Path, labels: list[str]) -> list[str]:
    """The classes of a data.yaml, with labels that it does not have yet at their end."""
    if not path.exists():
        # Without the key `path`: a relative one would be taken from where a training is started.
        data: dict[str, Any] = {"train": "images", "val": "images"}
        known: list[str] = []
    else:
        try:
            data = load_yaml(path)
        except ConfigError as error:
            raise DataError(f"{error}; {_MEND}") from error
        known = data.get("names", [])
        if not (isinstance(known, list) and known and all(isinstance(name, str) for name in known)):
            raise DataError(f"{path} has no list of `names`, but {shown(known)}; {_MEND}")
    classes = [*known, *(label for label in labels if label not in known)]
    if classes != known:
        text = yaml.safe_dump({**data, "names": classes}, sort_keys=False, allow_unicode=True)
        write_file(path, text, force=True)
    return classes
