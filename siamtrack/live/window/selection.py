"""Drawing a box with the mouse: press, move, release. Nothing here knows a window."""

from __future__ import annotations

from dataclasses import dataclass, replace

from siamtrack.boxes import Box, clip_box
from siamtrack.live.window.picture import View

CLICK_PX = 4
"""A press that moved by less than so many window pixels, in both directions, was a click."""


@dataclass(frozen=True)
class Drag:
    """A stroke of the mouse with its button down.

    Attributes:
        view: the view in which it began.
        start_xy, end_xy: window pixels, anywhere.
    """

    view: View
    start_xy: tuple[int, int]
    end_xy: tuple[int, int]

    @property
    def is_click(self) -> bool:
        """Whether the mouse was hardly moved."""
        return max(abs(a - b) for a, b in zip(self.start_xy, self.end_xy, strict=True)) < CLICK_PX

    @property
    def point_xy(self) -> tuple[float, float]:
        """Where it began, frame pixels."""
        return self.view.to_frame(self.start_xy[0] + 0.5, self.start_xy[1] + 0.5)

    @property
    def box(self) -> Box:
        """What it spans, frame pixels, clipped to the frame.

        It covers the window's pixels of both ends whole: so no direction is favoured, and the frame's last pixel can
        be reached.
        """
        (ax, ay), (bx, by) = self.start_xy, self.end_xy
        left, top = self.view.to_frame(min(ax, bx), min(ay, by))
        right, bottom = self.view.to_frame(max(ax, bx) + 1, max(ay, by) + 1)
        return clip_box((left, top, right - left, bottom - top), self.view.frame_wh)


class Selection:
    """What the mouse is drawing.

    Attributes:
        drag: the stroke that is being drawn; None while the button is up.
        armed: whether a box is waited for; then a picture stands still even before the button is pressed.
        target: name of the target whose box is drawn anew; None for a new one.
    """

    def __init__(self) -> None:
        self.drag: Drag | None = None
        self.armed = False
        self.target: str | None = None

    @property
    def active(self) -> bool:
        """Whether a box is being drawn or waited for."""
        return self.armed or self.drag is not None

    def arm(self, target: str | None = None) -> None:
        """Wait for a box, of a new target or in place of a target's, until `cancel`."""
        self.armed, self.target = True, target

    def press(self, view: View, xy: tuple[int, int]) -> None:
        """The button went down."""
        self.drag = Drag(view, xy, xy)

    def move(self, xy: tuple[int, int]) -> None:
        """The mouse went on, its button up or down."""
        if self.drag is not None:
            self.drag = replace(self.drag, end_xy=xy)

    def release(self, xy: tuple[int, int] | None = None) -> Drag | None:
        """The button went up, or the stroke is taken as it is if no point is given; None if there was none."""
        if xy is not None:
            self.move(xy)
        drag, self.drag = self.drag, None
        return drag

    def cancel(self) -> bool:
        """Give up what is being drawn or waited for; False if that is nothing."""
        was_active = self.active
        self.drag, self.armed, self.target = None, False, None
        return was_active
