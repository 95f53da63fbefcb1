"""Label Studio: tasks with predictions, in JSON, for its object tracking in videos (labelstud.io, tag `VideoRectangle`).

A file holds one task, that of its video. `data.video` is the video's file name: Label Studio plays what it finds under that
address, so a task that is imported beside its upload wants the address that Label Studio gave the upload.

A target is one region with a `sequence` of boxes in percent of the frame. Frames count from 1. Label Studio moves a box evenly
between two entries and keeps the last one to the end, so the last box before a gap, and before the end of the track, is not
`enabled`: nothing is drawn until the next entry.

The names are those of its template "Video Object Tracking":

    <View>
      <Labels name="videoLabels" toName="video"><Label value="object"/></Labels>
      <Video name="video" value="$video"/>
      <VideoRectangle name="box" toName="video"/>
    </View>
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from siamtrack.labels.files import clean_label, write_file
from siamtrack.labels.footage import footage_of, frame_size
from siamtrack.labels.label_selection import DEFAULTS, ExportedTrack, LabelOptions, choose
from siamtrack.labels.tracks import VideoTracks


def write_label_studio(video: VideoTracks, path: str | Path, options: LabelOptions = DEFAULTS) -> int:
    """Write a video's tracks as a Label Studio task into the file `path`; see `siamtrack.labels`."""
    size_wh = frame_size(video)
    said = footage_of(video).said
    tracked = [one for one in choose(video, options) if one.seen.any()]
    scores = np.concatenate([one.track.scores[one.seen] for one in tracked]) if tracked else np.zeros(1)
    prediction = {
        "model_version": "siamtrack",
        "score": round(float(scores.mean()), 4),
        "result": [_region(one, size_wh, said) for one in tracked],
    }
    name = Path(video.source).name if video.source else clean_label(video.name)
    task = {"data": {"video": name}, "predictions": [prediction]}
    write_file(Path(path), json.dumps([task]) + "\n", options.force)
    return int(sum(one.seen.sum() for one in tracked))


def _region(one: ExportedTrack, size_wh: tuple[int, int], frames: int) -> dict[str, Any]:
    """A target's boxes."""
    track = one.track
    tracked = max(1, int(track.frames[-1] - track.frames[0]))
    duration_s = frames * float(track.times_s[-1] - track.times_s[0]) / tracked  # as long a frame as those that were tracked
    rows = np.flatnonzero(one.seen)
    sequence = []
    for row in rows.tolist():
        x, y, w, h = track.boxes_xywh[row] * 100 / np.array([*size_wh, *size_wh])
        place = {"x": round(x, 5), "y": round(y, 5), "width": round(w, 5), "height": round(h, 5), "rotation": 0}
        goes_on = row + 1 < len(one.seen) and bool(one.seen[row + 1])
        time_s = round(float(track.times_s[row]), 6)
        sequence.append({"frame": int(track.frames[row]) + 1, "enabled": goes_on, "time": time_s, **place})
    value = {"framesCount": frames, "duration": round(duration_s, 3), "sequence": sequence, "labels": [one.label]}
    return {
        "id": f"target-{one.number}",
        "type": "videorectangle",
        "from_name": "box",
        "to_name": "video",
        "origin": "prediction",
        "score": round(float(track.scores[one.seen].mean()), 4),
        "meta": {"text": [clean_label(track.target)]},
        "value": value,
    }
