"""A virtual camera pans away from the target and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from absences.camera import PAN, Camera, View
from absences.clip import CannotMakeError, Made, Scene, play
from siamtrack.frames import Image
from siamtrack.tracking.crop import mean_color

LEFT_FOR = (10, 100)
"""Fewest and most frames for which the target is wholly away; drawn log-uniformly."""

WINDOW = 0.6
"""Sides of the virtual camera's picture, in sides of the frame."""

LARGEST_IN_WINDOW = 0.75
"""Longest side of a target that the virtual camera can still frame, in sides of its picture."""

JUMP = 0.25
"""Least distance, in diagonals of the picture, from where the target was last seen to where it shows up again."""


def leaves(scene: Scene, rng: np.random.Generator) -> Made:
    """A virtual camera pans away from the target and comes back."""
    before, after = scene.lengths.before, scene.lengths.after
    away = scene.draw(rng, LEFT_FOR, before + 2 * PAN + after)
    order, boxes = scene.played(before + 2 * PAN + away + after)
    window_wh = tuple(2 * round(WINDOW * side / 2) for side in scene.frame_wh)
    if (boxes[:, 2:] > LARGEST_IN_WINDOW * np.array(window_wh)).any():
        raise CannotMakeError(f"the target is too large for a window of {window_wh[0]}x{window_wh[1]} px")
    camera = Camera(boxes, scene.frame_wh, (window_wh[0], window_wh[1]), range(before + PAN, before + PAN + away))
    view = choose_view(camera, rng)

    def frames() -> Iterator[Image]:
        for image, corner in zip(play(scene.sequence, order), view.corners, strict=True):
            yield through_window(image, corner, camera.window_wh)

    return Made(view.absent, view.boxes, frames)


def choose_view(camera: Camera, rng: np.random.Generator) -> View:
    """The way that shows least of what lies outside the frame, among those with a jump of `JUMP`, if there are such.

    Raises:
        CannotMakeError: the target comes and goes on every way.
    """
    ways = [
        camera.view(axis, sign, places, inside)
        for axis in (0, 1)
        for sign in (-1, 1)
        for places in (camera.places(1 - axis), camera.places(1 - axis)[::-1])
        for inside in (True, False)
    ]
    views = [view for view in ways if view is not None]
    if not views:
        raise CannotMakeError("the target moves too fast for a camera to lose it once")
    far = [view for view in views if view.jump >= JUMP]
    if not far:
        return max(views, key=lambda view: view.jump)
    least = min(view.outside for view in far)
    good = [view for view in far if view.outside <= least + 0.05]
    return good[rng.integers(len(good))]


def through_window(image: Image, corner: NDArray[np.int64], size_wh: tuple[int, int]) -> Image:
    """The window with its upper left corner at a place of the frame; the frame's mean colour lies around it."""
    (x, y), (width, height) = (int(value) for value in corner), size_wh
    result = np.empty((height, width, 3), np.uint8)
    result[:] = np.rint(mean_color(image)).astype(np.uint8)
    left, top = max(x, 0), max(y, 0)
    seen = image[top : max(y + height, top), left : max(x + width, left)]
    result[top - y : top - y + seen.shape[0], left - x : left - x + seen.shape[1]] = seen
    return result
