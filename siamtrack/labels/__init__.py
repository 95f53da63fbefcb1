"""Tracking results as labels for other tools: MOT, COCO, YOLO, Parquet, CVAT, LabelMe and Label Studio.

    from siamtrack.labels import load_tracks, write_mot

    results = load_tracks("runs/batch")
    for video in results.videos:
        write_mot(video, f"labels/{video.name}.txt")

Every form has one function, and all have one signature: the tracks of a video, where to write, and options; they return
how many boxes were written. `export` does the same for a whole folder of results.
"""

from siamtrack.labels.cvat import write_cvat
from siamtrack.labels.json_labels import write_coco, write_labelme
from siamtrack.labels.label_forms import FORMS, Exported, export
from siamtrack.labels.label_selection import LabelOptions
from siamtrack.labels.label_studio import write_label_studio
from siamtrack.labels.labelme_xml import write_labelme_xml
from siamtrack.labels.results_folder import load_tracks
from siamtrack.labels.tables import write_mot, write_parquet
from siamtrack.labels.tracks import Results, Skipped, Track, VideoTracks
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
