"""The window's picture: where a frame lies in it, the targets, the box that is being drawn, and the magnifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from siamtrack.boxes import Box
from siamtrack.frames import Image
from siamtrack.live.scene import Scene
from siamtrack.video.overlay import SeenTarget, draw_targets

LARGEST_WH = (1280, 720)
"""Size in which a window opens at most: it fits a laptop's screen. Users may pull it larger."""

SCREEN_SHARE = (0.95, 0.9)
"""Of a smaller screen's width and height: what its bars and the window's title leave."""

NARROWEST_PX = 640
"""Width in which a window opens at least: in less, the lines of text cover the picture."""

ZOOM = 4.0
"""How much larger than in the window."""

LEAST_PX = 2.0
"""Pixels of a frame pixel at least: of a large frame made to fit, every pixel is to be seen."""

_LEAST_SIDE_PX = 32  # a smaller one shows nothing

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_RIMMED = ((_BLACK, 3), (_WHITE, 1))  # colours and widths of a line that is seen on any ground


@dataclass(frozen=True)
class View:
    """A frame shown as large as a window allows, in its middle, with its sides in proportion.

    Coordinates are continuous, as those of boxes: pixel i covers [i, i + 1). Width and height have a factor of their
    own, because a shown picture has whole pixels; so both ways are exact.

    Attributes:
        frame_wh: size of the frame.
        window_wh: size of the window.
        shown: `(x, y, w, h)` of the picture in the window, whole pixels.
    """

    frame_wh: tuple[int, int]
    window_wh: tuple[int, int]
    shown: tuple[int, int, int, int]

    @classmethod
    def fit(cls, frame_wh: tuple[int, int], window_wh: tuple[int, int]) -> View:
        """The view of a frame in a window."""
        factor = min(window_wh[0] / frame_wh[0], window_wh[1] / frame_wh[1])
        width, height = (max(1, min(round(side * factor), most)) for side, most in zip(frame_wh, window_wh, strict=True))
        return cls(frame_wh, window_wh, ((window_wh[0] - width) // 2, (window_wh[1] - height) // 2, width, height))

    @property
    def factors(self) -> tuple[float, float]:
        """Window pixels to a frame pixel, across and down."""
        return self.shown[2] / self.frame_wh[0], self.shown[3] / self.frame_wh[1]

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        """A point of the window in the frame; beside the picture it lies outside the frame."""
        across, down = self.factors
        return (x - self.shown[0]) / across, (y - self.shown[1]) / down

    def to_window(self, x: float, y: float) -> tuple[float, float]:
        """A point of the frame in the window."""
        across, down = self.factors
        return self.shown[0] + x * across, self.shown[1] + y * down

    def box_to_window(self, box: Box) -> Box:
        """A box of the frame in the window."""
        across, down = self.factors
        return Box(*self.to_window(box.x, box.y), box.w * across, box.h * down)


def opening_size(frame_wh: tuple[int, int], screen_wh: tuple[int, int] | None) -> tuple[int, int]:
    """Size of a new window: small frames are enlarged, so that a box can be drawn; large ones are made to fit.

    Args:
        frame_wh: size of the frames. screen_wh: of the screen, if it is known.
    """
    largest_wh = LARGEST_WH
    if screen_wh is not None:
        width, height = (int(side * share) for side, share in zip(screen_wh, SCREEN_SHARE, strict=True))
        largest_wh = min(largest_wh[0], width), min(largest_wh[1], height)
    shown = View.fit(frame_wh, largest_wh).shown
    return max(shown[2], min(NARROWEST_PX, largest_wh[0])), shown[3]


def fitted(image: Image, view: View) -> Image:
    """A frame as the window shows it, (H, W, 3) of the window's size."""
    x, y, w, h = view.shown
    how = cv2.INTER_AREA if w * h < image.shape[0] * image.shape[1] else cv2.INTER_LINEAR
    shown = cv2.resize(image, (w, h), interpolation=how)
    right, below = view.window_wh[0] - x - w, view.window_wh[1] - y - h
    canvas = cv2.copyMakeBorder(shown, y, below, x, right, cv2.BORDER_CONSTANT) if x or y or right or below else shown
    return np.asarray(canvas, np.uint8)


def draw_scene(scene: Scene, view: View, selected: str | None = None, trails: bool = True) -> Image:
    """A scene as the window shows it.

    Targets are drawn on the enlarged or reduced picture, not before: so lines and letters have the window's sharpness.

    Args:
        scene: frame and targets.
        view: of the window.
        selected: name of the target that gets a thicker line, and white corners.
        trails: whether to draw the targets' trails.
    """
    # The selected one last, so that nothing lies over it where targets meet.
    targets = sorted(_in_window(scene.targets, view, trails), key=lambda seen: seen.name == selected)
    picture = draw_targets(fitted(scene.frame.image, view), targets, selected)
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
    for color, line in _RIMMED:
        cv2.rectangle(canvas, *corners, color, line)


def target_at(targets: Sequence[SeenTarget], point_xy: tuple[float, float]) -> SeenTarget | None:
    """The target whose box holds a frame point; of several the smallest, which else could not be reached."""

    def holds(box: Box) -> bool:
        return box.x <= point_xy[0] < box.x + box.w and box.y <= point_xy[1] < box.y + box.h

    held = [seen for seen in targets if holds(seen.result.box)]
    return min(held, key=lambda seen: seen.result.box.w * seen.result.box.h, default=None)


@dataclass(frozen=True)
class Magnifier:
    """Where the enlarged view goes, and what it shows.

    Attributes:
        x, y, side: the square in the window, window pixels.
        zoom: its pixels to a frame pixel, across and down.
        center_xy: frame point in its middle.
    """

    x: int
    y: int
    side: int
    zoom: tuple[float, float]
    center_xy: tuple[float, float]

    @classmethod
    def place(cls, view: View, pointer_xy: tuple[int, int], margins: tuple[int, int] = (0, 0)) -> Magnifier:
        """In the corner that is farthest from the pointer.

        Args:
            view: of the window.
            pointer_xy: window pixel under the pointer.
            margins: pixels to leave free at the top and at the bottom.
        """
        width, height = view.window_wh
        side = round(0.3 * min(width, height))
        gap = side // 20
        x = gap if pointer_xy[0] >= width / 2 else width - side - gap
        y = margins[0] + gap if pointer_xy[1] >= height / 2 else max(0, height - margins[1] - side - gap)
        zoom = ZOOM * max(1.0, LEAST_PX / (ZOOM * min(view.factors)))
        center = view.to_frame(pointer_xy[0] + 0.5, pointer_xy[1] + 0.5)
        return cls(x, y, side, (view.factors[0] * zoom, view.factors[1] * zoom), center)

    def from_frame(self, x: float, y: float) -> tuple[float, float]:
        """A frame point in the square, from its top left corner."""
        half = self.side / 2
        return (x - self.center_xy[0]) * self.zoom[0] + half, (y - self.center_xy[1]) * self.zoom[1] + half

    def draw(self, canvas: Image, frame: Image, box: Box | None) -> None:
        """Draw it in place, with the edges of a box.

        Args:
            canvas: the window's picture.
            frame: the frame.
            box: the box that is being drawn, frame pixels; None if there is none yet.
        """
        (left, top), side = self.from_frame(0, 0), self.side
        if side < _LEAST_SIDE_PX:
            return
        # OpenCV counts from pixels' centres, so both systems are moved by half a pixel.
        matrix = np.array(
            [
                [self.zoom[0], 0, left + 0.5 * self.zoom[0] - 0.5],
                [0, self.zoom[1], top + 0.5 * self.zoom[1] - 0.5],
            ]
        )
        patch: Image = np.full((side, side, 3), 64, np.uint8)
        cv2.warpAffine(frame, matrix, (side, side), patch, cv2.INTER_NEAREST, cv2.BORDER_TRANSPARENT)
        if box is not None:
            ax, ay = self.from_frame(box.x, box.y)
            bx, by = self.from_frame(box.x + box.w, box.y + box.h)
            for color, line in _RIMMED:
                cv2.rectangle(patch, (round(ax), round(ay)), (round(bx), round(by)), color, line)
        draw_cross(patch, (side // 2, side // 2), arm=side // 12)
        for color, line in _RIMMED:
            cv2.rectangle(patch, (0, 0), (side - 1, side - 1), color, line)
        square = canvas[self.y : self.y + side, self.x : self.x + side]
        square[:] = patch[: square.shape[0], : square.shape[1]]


def draw_cross(canvas: Image, xy: tuple[int, int], arm: int) -> None:
    """A cross that is seen on any ground and leaves its middle free, in place."""
    x, y = xy
    for color, line in _RIMMED:
        for sign in (-1, 1):
            cv2.line(canvas, (x + sign * 4, y), (x + sign * arm, y), color, line)
            cv2.line(canvas, (x, y + sign * 4), (x, y + sign * arm), color, line)


def _draw_corners(canvas: Image, box: Box) -> None:
    """White angles a little outside a box."""
    unit = max(1.0, min(canvas.shape[:2]) / 480)  # as `draw_targets` has its lines
    gap, arm = round(4 * unit), round(max(6.0, min(12 * unit, min(box.size_wh) / 4)))
    left, top, right, bottom = box.x - gap, box.y - gap, box.x + box.w + gap, box.y + box.h + gap
    for color, line in ((_BLACK, round(unit) + 3), (_WHITE, round(unit) + 1)):
        for x, inward in ((round(left), arm), (round(right), -arm)):
            for y, down in ((round(top), arm), (round(bottom), -arm)):
                cv2.polylines(canvas, [np.array([(x + inward, y), (x, y), (x, y + down)])], False, color, line)


def _in_window(targets: Sequence[SeenTarget], view: View, trails: bool) -> list[SeenTarget]:
    return [
        replace(
            seen,
            result=replace(seen.result, box=view.box_to_window(seen.result.box)),
            trail=tuple(view.to_window(*point) for point in seen.trail) if trails else (),
        )
        for seen in targets
    ]
