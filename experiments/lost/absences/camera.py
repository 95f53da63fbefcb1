"""The virtual camera: where its window is, and what it sees of the target."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from absences.clip import VISIBLE, Boxes
from siamtrack.boxes import MIN_SIDE_PX, clip_box

PAN = 10
"""Frames in which the virtual camera turns away."""

SMOOTH = 10
"""The virtual camera averages the target's path over so many frames before and after."""


class View(NamedTuple):
    """What the virtual camera sees on one of its ways.

    Attributes:
        corners: (N, 2) the window's upper left corner in the frame, whole pixels.
        boxes: (N, 4) in the window, clipped to it.
        absent: the frames in which the target is absent.
        jump: from where the target was last seen to where it shows up again, in diagonals of the window.
        outside: mean share of the window that lies outside the frame while it turns and is away.
    """

    corners: NDArray[np.int64]
    boxes: Boxes
    absent: range
    jump: float
    outside: float


class Camera:
    """A virtual camera: ways of a window that holds the target, turns away and comes back.

    Args:
        boxes: (N, 4) the target in the frame.
        frame_wh: width and height of the frame.
        window_wh: width and height of the window; the target must fit.
        away: the frames in which nothing of the target may be seen; `PAN` frames before and after are for turning.
    """

    def __init__(self, boxes: Boxes, frame_wh: tuple[int, int], window_wh: tuple[int, int], away: range) -> None:
        self.window_wh = window_wh
        self._boxes, self._frame, self._window = boxes, np.array(frame_wh), np.array(window_wh)
        self._away = away
        self._centres = smooth(boxes[:, :2] + boxes[:, 2:] / 2, SMOOTH)
        knots = [away.start - PAN, away.start, away.stop - 1, away.stop - 1 + PAN]
        time = np.arange(len(boxes))
        self._turned = ease(np.interp(time, knots, [0, 1, 1, 0]))
        # The place across the way changes in the first half of the turn: in the second the target is hardly seen.
        self._moved_out = ease(np.interp(time, [knots[0], knots[0] + PAN // 2], [0, 1]))
        self._moved_on = ease(np.interp(time, [away.start, away.stop - 1], [0, 1]))

    def places(self, axis: int) -> tuple[float, float]:
        """The first and the last place of the target's centre along an axis of the window, 0..1, that shows all of it."""
        side = float(self._boxes[:, 2 + axis].max()) / self._window[axis]
        low = min(0.5, max(0.2, side / 2 + 0.05))
        return low, 1 - low

    def view(self, axis: int, sign: int, places: tuple[float, float], inside: bool) -> View | None:
        """What is seen on one way.

        Args:
            axis: 0 turns to the side, 1 up or down.
            sign: 1 turns to larger coordinates, -1 to smaller ones.
            places: where along the other axis of the window, 0..1, the target's centre is when it goes and when it comes
                back.
            inside: whether the window stays in the frame along the other axis.

        Returns:
            None if the target would come and go more than once.
        """
        corners = np.empty((len(self._boxes), 2))
        corners[:, axis] = self._along(axis, sign)
        corners[:, 1 - axis] = self._across(1 - axis, places, inside)
        whole = np.rint(corners).astype(np.int64)
        return self._seen(whole)

    def _along(self, axis: int, sign: int) -> NDArray[np.float64]:
        """The corner's coordinate along the way: the target in the middle of the window, then just outside."""
        window, low = self._window[axis], self._boxes[:, axis]
        side = self._boxes[:, 2 + axis]
        hold = np.clip(self._centres[:, axis] - window / 2, 0, self._frame[axis] - window)
        gap = np.maximum(0.2 * side, MIN_SIDE_PX)  # labels are often tight
        out = ceiling(low + side + gap, SMOOTH) if sign > 0 else -ceiling(gap - low, SMOOTH) - window
        return hold + self._turned * (out - hold)

    def _across(self, axis: int, places: tuple[float, float], inside: bool) -> NDArray[np.float64]:
        """The corner's coordinate across the way: the target in the middle, then at the first place, then at the second."""
        first, second = places
        place = 0.5 + self._moved_out * (first - 0.5) + self._moved_on * (second - first)
        window = self._window[axis]
        corner = self._centres[:, axis] - place * window
        held = np.clip(corner, 0, self._frame[axis] - window)
        # Before the turn the window always stays in the frame.
        return held if inside else held + self._moved_out * (corner - held)

    def _seen(self, corners: NDArray[np.int64]) -> View | None:
        width, height = self.window_wh
        frame_wh = (int(self._frame[0]), int(self._frame[1]))
        whole = np.array([clip_box(box, frame_wh) for box in self._boxes])
        shifted = whole - np.pad(corners, ((0, 0), (0, 2)))
        seen = np.array([clip_box(box, (width, height)) for box in shifted])
        share = seen[:, 2:].prod(axis=1) / np.maximum(whole[:, 2:].prod(axis=1), 1e-9)
        gone = np.flatnonzero((share < VISIBLE) | (seen[:, 2:].min(axis=1) < MIN_SIDE_PX))
        turn = range(self._away.start - PAN, self._away.stop + PAN)
        absent = range(int(gone[0]), int(gone[-1]) + 1)
        if len(absent) != len(gone) or absent.start < turn.start or absent.stop > turn.stop:
            return None
        if share[self._away.start : self._away.stop].any():
            return None
        centres = seen[:, :2] + seen[:, 2:] / 2
        jump = math.dist(centres[absent.start - 1], centres[absent.stop]) / math.hypot(width, height)
        parts = [clip_box((x, y, width, height), frame_wh) for x, y in corners[turn.start : turn.stop].tolist()]
        outside = 1 - float(np.mean([part.w * part.h for part in parts])) / (width * height)
        return View(corners, seen, absent, jump, outside)


def ease(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """0..1 to 0..1 with slow beginning and end."""
    return values * values * (3 - 2 * values)


def smooth(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Mean of each value and those `reach` before and after it, along the first axis; the ends are prolonged."""
    return windows(values, reach).mean(axis=-1)


def ceiling(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """A smooth curve that lies nowhere below the values, (N,): the mean of maxima that all reach so far."""
    return smooth(windows(values, reach).max(axis=-1), reach)


def windows(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Each value with those `reach` before and after it, as a last axis of 2 * reach + 1."""
    padded = np.pad(values, [(reach, reach)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
