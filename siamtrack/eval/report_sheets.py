"""Contact sheets of an evaluation: a few frames of a sequence with the true box and the tracker's."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.data.sequence import Sequence
from siamtrack.drawing import draw_outline
from siamtrack.errors import SiamtrackError, reason
from siamtrack.eval.evaluation import TrackerRuns
from siamtrack.eval.sequence_run import SequenceRun
from siamtrack.frames import Image, encoded
from siamtrack.tracking.result import State

FRAMES = 6
SHEETS = 5
SHEET_BYTES = 60_000
"""Of the JPEGs of one sheet together: a page with five of them still goes into a mail."""
FRAME_PIXELS = 400 * 300
"""Of a picture, upright or not; more would leave each too few bytes."""


@dataclass(frozen=True)
class SheetFrame:
    """One picture.

    Attributes:
        index: number of the frame, from 0. overlap: in 0..1; NaN where the frame does not count.
        jpeg: the picture with both boxes. width, height: its size in pixels.
    """

    index: int
    overlap: float
    jpeg: bytes
    width: int
    height: int


def worst(tracker: TrackerRuns, names: Collection[str]) -> list[SequenceRun]:
    """The sequences of the given names with the lowest average overlap, worst first; those without a frame that
    counts are left out."""
    known = [item for item in tracker.runs if item.name in names and item.overlaps.size]
    return sorted(known, key=lambda item: float(item.overlaps.mean()))[:SHEETS]


def make_sheet(run: SequenceRun, sequence: Sequence, colour: str) -> tuple[list[SheetFrame], str]:
    """Frames spread over the sequence, without the first, which was given; or none, and in one line why.

    Args:
        run: the boxes. sequence: the frames. colour: of the tracker's box, as #RRGGBB.
    """
    count = len(run.boxes_xywh)
    wanted = sorted({round(place) for place in np.linspace(1, count - 1, FRAMES)}) if count > 1 else []
    overlap = np.full(count, math.nan)
    overlap[run.counted] = run.overlaps
    frames = []
    try:
        for index, image in sequence.frames_at(wanted):
            canvas = _drawn(image, run.boxes_xywh[index], run.truth_xywh[index], colour)
            jpeg = _jpeg(canvas, SHEET_BYTES // FRAMES)
            frames.append(SheetFrame(index, float(overlap[index]), jpeg, canvas.shape[1], canvas.shape[0]))
    except (SiamtrackError, OSError, cv2.error) as error:  # a page without this picture is better than no page
        return [], reason(error)
    if len(frames) < len(wanted):
        return [], f"{len(frames)} of the {len(wanted)} wanted frames found; {count} were tracked"
    return frames, ""


def _drawn(image: Image, box: NDArray[np.float64], truth: NDArray[np.float64], colour: str) -> NDArray[np.uint8]:
    """The frame, shrunk, with the true box dashed white and the tracker's on top."""
    scale = min(1.0, math.sqrt(FRAME_PIXELS / (image.shape[0] * image.shape[1])))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    canvas = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    blue, green, red = (int(colour[place : place + 2], 16) for place in (5, 3, 1))
    if (truth[2:] > 0).all():
        draw_outline(canvas, _near(truth * scale), State.UNCERTAIN, (255, 255, 255), 2)
    if np.isfinite(box).all():
        draw_outline(canvas, _near(box * scale), State.TRACKING, (blue, green, red), 2)
    return canvas


def _near(box_xywh: NDArray[np.float64]) -> Box:
    """What can be seen of a box: far outside OpenCV's fixed point numbers would overflow."""
    left, top, right, bottom = np.clip([*box_xywh[:2], *(box_xywh[:2] + box_xywh[2:])], -10_000, 10_000).tolist()
    return Box(left, top, right - left, bottom - top)


def _jpeg(canvas: NDArray[np.uint8], most_bytes: int) -> bytes:
    """As good a JPEG as the bytes allow."""
    data = b""
    for quality in (85, 75, 65, 55, 45, 35, 25, 15):
        data = encoded(canvas, ".jpg", cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1)
        if len(data) <= most_bytes:
            break
    return data
