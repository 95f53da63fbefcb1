"""Where a frame lies in a window, and which frame pixel is under a window pixel."""

from __future__ import annotations

from dataclasses import dataclass

from siamtrack.boxes import Box

LARGEST_WH = (1280, 720)
"""Size in which a window opens at most: it fits a laptop's screen. Users may pull it larger."""

NARROWEST_PX = 640
"""Width in which a window opens at least: in less, the lines of text take the picture's room."""


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
        width, height = (max(1, min(round(side * factor), room)) for side, room in zip(frame_wh, window_wh, strict=True))
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


def opening_size(frame_wh: tuple[int, int], largest_wh: tuple[int, int] = LARGEST_WH) -> tuple[int, int]:
    """Size of a new window: small frames are enlarged, so that a box can be drawn; large ones are made to fit."""
    shown = View.fit(frame_wh, largest_wh).shown
    return max(shown[2], min(NARROWEST_PX, largest_wh[0])), shown[3]
