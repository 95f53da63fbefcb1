"""Labels by agreement: a clip tracked forward and backward, with a label wherever both passes say the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import MIN_SIDE_PX, Box, check_box, clip_box, iou
from siamtrack.errors import DataError
from siamtrack.eval.peers import BoxTracker, box_of
from siamtrack.frames import Image


class Shelf(Protocol):
    """Keeps frames to be looked at again in any order; a list is one, at the price of memory."""

    def append(self, frame: Image, /) -> None:
        """Keep a frame."""

    def __getitem__(self, index: int, /) -> Image:
        """A frame by its number, from 0."""


@dataclass(frozen=True)
class Labels:
    """What agreement gives for the N frames of a clip.

    Attributes:
        boxes_xywh: (N, 4) the forward pass's boxes, clipped to the frame; zeros where unsure.
        closed: the backward pass from frame `closed - 1` came back to the given box. All later frames are unsure.
    """

    boxes_xywh: NDArray[np.float64]
    closed: int

    @property
    def kept(self) -> int:
        """Number of frames with a label."""
        return int((self.boxes_xywh[:, 2:] > 0).all(axis=1).sum())


def label_clip(
    tracker: BoxTracker, frames: Iterable[Image], box: Iterable[float], shelf: Shelf, min_iou: float = 0.5
) -> Labels:
    """Label a clip by a tracker that is run over it forward, then backward from the last frame.

    That both passes agree says nothing if both follow the wrong thing, as they do once the forward pass has gone
    astray and the backward one begins there. So a backward pass counts only if it ends on the box that was given.
    If it does not, another begins half as far into the clip, and so on; what lies behind stays unsure.

    Args:
        tracker: the teacher.
        frames: (H, W, 3) BGR uint8, in order, taken once.
        box: `(x, y, w, h)` of the target in the first frame.
        shelf: where the frames are kept for the backward passes; empty.
        min_iou: a frame is labelled where the overlap of both passes is larger.

    Raises:
        DataError: there are no frames.
        ValueError: the box cannot be used.
    """
    boxes: list[Box] = []
    frame_wh = (0, 0)
    for frame in frames:
        if boxes:
            boxes.append(box_of(tracker.update(frame)))
        else:
            frame_wh = (frame.shape[1], frame.shape[0])
            boxes.append(check_box(box, frame_wh))
            tracker.init(frame, boxes[0])
        shelf.append(frame)
    if not boxes:
        raise DataError("no frames to label")
    forward = np.array([clip_box(item, frame_wh) for item in boxes])
    sure = np.zeros(len(forward), dtype=bool)
    sure[0] = True
    closed = len(forward)
    while closed > 1:
        backward = _track_back(tracker, shelf, forward[:closed])
        if backward is not None and iou(backward[0], forward[0]) > min_iou:
            sure[:closed] |= iou(backward, forward[:closed]) > min_iou
            break
        closed //= 2
    sure &= (forward[:, 2:] >= MIN_SIDE_PX).all(axis=1)
    return Labels(np.where(sure[:, None], forward, 0.0), closed)


def agreed(labels_xywh: Sequence[NDArray[np.float64]], min_iou: float = 0.5) -> NDArray[np.float64]:
    """One set of labels out of several teachers': the mean of those that are near the median, where most of them are.

    Args:
        labels_xywh: (N, 4) of each teacher for the same frames; zeros where it is unsure.
        min_iou: a teacher's box counts where its overlap with the median box is larger.

    Returns:
        (N, 4); zeros where no more than half of the teachers agree. Of one teacher, its own labels.

    Raises:
        ValueError: there are no teachers, or their labels are of different numbers of frames.
    """
    if not labels_xywh or len({len(each) for each in labels_xywh}) > 1:
        raise ValueError(f"labels of {[len(each) for each in labels_xywh]} frames; teachers must label the same frames")
    boxes = np.stack(labels_xywh)
    sure: NDArray[np.bool_] = np.asarray((boxes[..., 2:] > 0).all(axis=-1))
    corners = np.where(sure[..., None], np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1), np.nan)
    found = np.zeros(boxes.shape[1:])
    for index in np.flatnonzero(2 * sure.sum(axis=0) > len(boxes)):
        x1, y1, x2, y2 = np.nanmedian(corners[:, index], axis=0)
        median = np.tile([x1, y1, x2 - x1, y2 - y1], (len(boxes), 1))
        near = sure[:, index] & (iou(boxes[:, index], median) > min_iou)
        if 2 * near.sum() > len(boxes):
            x1, y1, x2, y2 = corners[near, index].mean(axis=0)
            found[index] = x1, y1, x2 - x1, y2 - y1
    return found


def _track_back(tracker: BoxTracker, shelf: Shelf, forward: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Boxes (N, 4) of a pass from the last of N frames to the first; None if there is nothing to begin with."""
    if not (forward[-1, 2:] >= MIN_SIDE_PX).all():
        return None
    last = len(forward) - 1
    tracker.init(shelf[last], forward[last])
    boxes = [Box(*forward[last]), *(box_of(tracker.update(shelf[index])) for index in range(last - 1, -1, -1))]
    return np.array(boxes[::-1])
