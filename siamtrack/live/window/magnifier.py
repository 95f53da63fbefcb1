"""An enlarged view of what is under the pointer, for targets of a few pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from siamtrack.boxes import Box
from siamtrack.frames import Image
from siamtrack.live.window.view import View

ZOOM = 4.0
"""How much larger than in the window."""

LEAST_PX = 2.0
"""Pixels of a frame pixel at least: of a large frame made to fit, every pixel is to be seen."""

_LEAST_SIDE_PX = 32  # a smaller one shows nothing

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


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
            for color, line in ((_BLACK, 3), (_WHITE, 1)):
                cv2.rectangle(patch, (round(ax), round(ay)), (round(bx), round(by)), color, line)
        draw_cross(patch, (side // 2, side // 2), arm=side // 12)
        cv2.rectangle(patch, (0, 0), (side - 1, side - 1), _BLACK, 3)
        cv2.rectangle(patch, (0, 0), (side - 1, side - 1), _WHITE, 1)
        room = canvas[self.y : self.y + side, self.x : self.x + side]
        room[:] = patch[: room.shape[0], : room.shape[1]]


def draw_cross(canvas: Image, xy: tuple[int, int], arm: int) -> None:
    """A cross that is seen on any ground and leaves its middle free, in place."""
    x, y = xy
    for color, line in ((_BLACK, 3), (_WHITE, 1)):
        for sign in (-1, 1):
            cv2.line(canvas, (x + sign * 4, y), (x + sign * arm, y), color, line)
            cv2.line(canvas, (x, y + sign * 4), (x, y + sign * arm), color, line)
