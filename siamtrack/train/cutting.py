"""From frames to crops: context crops around each target of a data set's item."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.data.dataset import Item, loaded
from siamtrack.data.sequence import Sequence, Still
from siamtrack.errors import DataError
from siamtrack.frames import Image
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color
from siamtrack.train.shards import CROP_SIZE, CutTrack

EXEMPLAR_SIZE = 127
"""The same as `model.backbone.EXEMPLAR_SIZE`, which would bring torch into every process that cuts; a test compares."""

MAX_CROPS = 200
"""Crops of one sequence: more frames of one target teach less than frames of another."""

MIN_STILL_PX = 12
"""Boxes of stills with a shorter side are left out: an exemplar of them is a blur."""


def cut_item(item: Item) -> list[CutTrack]:
    """All crops of an item, or none: what is bad halfway through leaves nothing behind.

    Raises:
        DataError and others of `dataset.BAD_INPUT`: the item cannot be used.
    """
    tracks = []
    for part in loaded(item):
        tracks += [_cut_sequence(part, item.name)] if isinstance(part, Sequence) else _cut_still(part)
    return [track for track in tracks if track.jpegs]


def _cut_sequence(sequence: Sequence, family: str) -> CutTrack:
    visible = np.flatnonzero(sequence.visible)
    keep = set(visible[:: max(1, -(-len(visible) // MAX_CROPS))].tolist())
    track = CutTrack(sequence.name, family, True, [], [], [])
    for index, frame in sequence.frames_at(keep):
        _add(track, index, frame, sequence.boxes_xywh[index])
    return track


def _cut_still(still: Still) -> list[CutTrack]:
    image = still.image
    if not len(still.boxes_xywh):
        # An image without a box still shows things: its central half stands for one.
        height, width = image.shape[:2]
        track = CutTrack(still.name, still.name, False, [], [], [])
        _add(track, 0, image, np.array([width / 4, height / 4, width / 2, height / 2]))
        return [track]
    folder = still.name.split("/")[0]
    tracks = []
    for i, (box, label) in enumerate(zip(still.boxes_xywh, still.classes, strict=True)):
        if min(box[2:]) >= MIN_STILL_PX:
            # One kind within one topic is a family: two bishops of a chess set are no fair negatives.
            tracks.append(CutTrack(f"{still.name}#{i}", f"{folder}/{label}", True, [], [], []))
            _add(tracks[-1], 0, image, box)
    return tracks


def _add(track: CutTrack, index: int, frame: Image, box_xywh: NDArray[np.float64]) -> None:
    x, y, w, h = (float(value) for value in box_xywh)
    side = context_side((w, h)) * CROP_SIZE / EXEMPLAR_SIZE
    crop = SearchRegion((x + w / 2, y + h / 2), side, CROP_SIZE).extract(frame, mean_color(frame))
    ok, jpeg = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 92])
    if not ok:
        raise DataError(f"{track.name}: frame {index} cannot be encoded")
    track.frames.append(index)
    track.sizes_wh.append((w / side * CROP_SIZE, h / side * CROP_SIZE))
    track.jpegs.append(jpeg.reshape(-1))
