"""Labels that are a file for each frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from siamtrack.labels.files import check_free, remove_files, write_file
from siamtrack.labels.footage import frame_names
from siamtrack.labels.label_selection import Chosen, LabelOptions, by_frame, choose
from siamtrack.labels.tracks import VideoTracks
from siamtrack.system import make_folder

TextOf = Callable[[str, list[tuple[Chosen, int]]], tuple[str, int]]
"""What is written for a frame, and how many boxes it holds: of its image's name and its boxes, each a track and its row."""


def write_per_frame(video: VideoTracks, folder: Path, ending: str, text_of: TextOf, options: LabelOptions) -> int:
    """Write a file for each frame that has boxes, named as its image is.

    Args:
        video: its tracks. folder: of the files; with `options.force`, label files of frames that an earlier export left in it
            are removed, since old and new ones would make one data set. ending: of the files, such as `json`.
        text_of: what stands in them; a frame for which it gives no box has no file.

    Returns:
        How many boxes were written.

    Raises:
        OutputError: the folder holds such files, or cannot be written.
    """
    names = frame_names(video, options.suffix)
    check_free(names.there(folder, ending), options.force)
    make_folder(folder)
    total = 0
    written: set[Path] = set()
    for frame, boxes in by_frame(choose(video, options)).items():
        text, count = text_of(names.image(frame), boxes) if boxes else ("", 0)
        if count:
            path = folder / names.label(frame, ending)
            write_file(path, text, options.force)
            written.add(path)
            total += count
    remove_files(path for path in names.there(folder, ending) if path not in written)
    return total
