"""MOTChallenge text: one line a box, `frame,id,bb_left,bb_top,bb_width,bb_height,conf,-1,-1,-1`.

"All frame numbers, target IDs and bounding boxes are 1-based" (motchallenge.net/instructions, repeated by its official
evaluation kit, TrackEval): so the frame with index 0 is 1, and a box at the frame's very corner is at (1, 1). Readers
such as py-motmetrics take that 1 off again. Width and height are what they are.
"""

from __future__ import annotations

from pathlib import Path

from siamtrack.labels.options import DEFAULTS, LabelOptions
from siamtrack.labels.output import write_file
from siamtrack.labels.selection import by_frame, choose
from siamtrack.labels.tracks import VideoTracks


def write_mot(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as MOTChallenge text; ids follow the order of the targets.

    Args:
        video: its tracks. path: the file. options: what is exported; this form has no labels.

    Returns:
        How many boxes were written.

    Raises:
        OutputError: the file exists, or cannot be written.
    """
    lines = []
    for frame, boxes in by_frame(choose(video, options)).items():
        for one, row in boxes:
            x, y, w, h = one.track.boxes_xywh[row]
            place = f"{x + 1:.3f},{y + 1:.3f},{w:.3f},{h:.3f}"
            lines.append(f"{frame + 1},{one.number},{place},{one.track.scores[row]:.4f},-1,-1,-1\n")
    write_file(Path(path), "".join(lines), options.force)
    return len(lines)
