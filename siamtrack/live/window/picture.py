"""The window's picture: the frame, the targets, and the box that is being drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from siamtrack.boxes import Box
from siamtrack.frames import Image
from siamtrack.live.session import Scene
from siamtrack.live.window.magnifier import draw_cross
from siamtrack.live.window.view import View
from siamtrack.video.overlay import SeenTarget, draw_targets


def draw_scene(scene: Scene, view: View, selected: str | None = None, trails: bool = True) -> Image:
    """A scene as the window shows it.

    Targets are drawn on the enlarged or reduced picture, not before: so lines and letters have the window's sharpness.

    Args:
        scene: frame and targets.
        view: of the window.
        selected: name of the target that gets a thicker line, and white corners.
        trails: whether to draw the targets' trails.
    """
    x, y, w, h = view.shown
    smaller = w * h < scene.frame.image.shape[0] * scene.frame.image.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    shown = cv2.resize(scene.frame.image, (w, h), interpolation=how)
    right, below = view.window_wh[0] - x - w, view.window_wh[1] - y - h
    canvas = cv2.copyMakeBorder(shown, y, below, x, right, cv2.BORDER_CONSTANT) if x or y or right or below else shown
    # The selected one last, so that nothing lies over it where targets meet.
    targets = sorted(_in_window(scene.targets, view, trails), key=lambda seen: seen.name == selected)
    picture = draw_targets(np.asarray(canvas, np.uint8), targets, selected)
    for seen in targets:
        if seen.name == selected:
            _draw_corners(picture, seen.result.box)
    return picture


def draw_box(canvas: Image, box: Box) -> None:
    """The box that is being drawn, in place.

    Args:
        canvas: the window's picture.
        box: window pixels.
    """
    corners = (round(box.x), round(box.y)), (round(box.x + box.w) - 1, round(box.y + box.h) - 1)
    for color, line in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.rectangle(canvas, *corners, color, line)


def draw_aim(canvas: Image, pointer_xy: tuple[int, int]) -> None:
    """A cross at the pointer, in place, for finding the corner to begin at."""
    draw_cross(canvas, pointer_xy, arm=24)


def target_at(targets: Sequence[SeenTarget], point_xy: tuple[float, float]) -> SeenTarget | None:
    """The target whose box holds a frame point; of several the smallest, which else could not be reached."""
    x, y = point_xy
    held = [seen for seen in targets if _holds(seen.result.box, x, y)]
    return min(held, key=lambda seen: seen.result.box.w * seen.result.box.h, default=None)


def _draw_corners(canvas: Image, box: Box) -> None:
    """White angles a little outside a box."""
    unit = max(1.0, min(canvas.shape[:2]) / 480)  # as `draw_targets` has its lines
    gap, arm = round(4 * unit), round(max(6.0, min(12 * unit, min(box.size_wh) / 4)))
    left, top, right, bottom = box.x - gap, box.y - gap, box.x + box.w + gap, box.y + box.h + gap
    for color, line in (((0, 0, 0), round(unit) + 3), ((255, 255, 255), round(unit) + 1)):
        for x, inward in ((round(left), arm), (round(right), -arm)):
            for y, down in ((round(top), arm), (round(bottom), -arm)):
                cv2.polylines(canvas, [np.array([(x + inward, y), (x, y), (x, y + down)])], False, color, line)


def _holds(box: Box, x: float, y: float) -> bool:
    return box.x <= x < box.x + box.w and box.y <= y < box.y + box.h


def _in_window(targets: Sequence[SeenTarget], view: View, trails: bool) -> list[SeenTarget]:
    return [
        replace(
            seen,
            result=replace(seen.result, box=view.box_to_window(seen.result.box)),
            trail=tuple(view.to_window(*point) for point in seen.trail) if trails else (),
        )
        for seen in targets
    ]
