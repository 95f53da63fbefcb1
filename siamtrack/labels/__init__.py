"""Tracking results as labels for other tools: MOT, COCO, YOLO, Parquet, CVAT, LabelMe and Label Studio.

    from siamtrack.labels import load_tracks, write_mot

    results = load_tracks("runs/batch")
    for video in results.videos:
        write_mot(video, f"labels/{video.name}.txt")

Every form has one function, and all have one signature: the tracks of a video, the file or folder to write, and options. It
returns how many boxes were written. It raises OutputError where a file exists and the options have no `force`, or where it
cannot be written, and DataError where a form needs the frame size and neither the run nor the video says it. Where a form has a
file for each frame, `force` also removes those of an earlier export. `export` does the same for a whole folder of results.
"""

from siamtrack.labels.coco import write_coco
from siamtrack.labels.cvat import write_cvat
from siamtrack.labels.label_forms import FORMS, Exported, export
from siamtrack.labels.label_selection import LabelOptions
from siamtrack.labels.label_studio import write_label_studio
from siamtrack.labels.labelme import write_labelme, write_labelme_xml
from siamtrack.labels.tables import write_mot, write_parquet
from siamtrack.labels.tracks import Results, Skipped, Track, VideoTracks, load_tracks
from siamtrack.labels.yolo import write_yolo

__all__ = [
    "FORMS",
    "Exported",
    "LabelOptions",
    "Results",
    "Skipped",
    "Track",
    "VideoTracks",
    "export",
    "load_tracks",
    "write_coco",
    "write_cvat",
    "write_label_studio",
    "write_labelme",
    "write_labelme_xml",
    "write_mot",
    "write_parquet",
    "write_yolo",
]
