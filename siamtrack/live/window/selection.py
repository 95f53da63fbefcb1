"""Drawing a box with the mouse: press, move, release. Nothing here knows a window."""

from __future__ import annotations

from dataclasses import dataclass, replace

from siamtrack.boxes import MIN_SIDE_PX, Box, clip_box
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
    def box(self) -> Box:
        """What it spans, frame pixels, clipped to the frame.

        It covers the window's pixels of both ends whole: so no direction is favoured, and the frame's last pixel can
        be reached.
        """
        (ax, ay), (bx, by) = self.start_xy, self.end_xy
        left, top = self.view.to_frame(min(ax, bx), min(ay, by))
        right, bottom = self.view.to_frame(max(ax, bx) + 1, max(ay, by) + 1)
        return clip_box((left, top, right - left, bottom - top), self.view.frame_wh)


@dataclass(frozen=True)
class Drawn:
    """A box was drawn.

    Attributes:
        box: frame pixels.
        target: name of the target whose box this is to be; None for a new one.
    """

    box: Box
    target: str | None


@dataclass(frozen=True)
class Clicked:
    """The mouse was pressed and let go in one place.

    Attributes:
        point_xy: frame coordinates of it.
    """

    point_xy: tuple[float, float]


@dataclass(frozen=True)
class Refused:
    """Something was drawn that is no box.

    Attributes:
        reason: for the user.
    """

    reason: str


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
        """Wait for a box, of a new target or in place of a target's."""
        self.armed, self.target = True, target

    def press(self, view: View, xy: tuple[int, int]) -> None:
        """The button went down."""
        self.drag = Drag(view, xy, xy)

    def move(self, xy: tuple[int, int]) -> None:
        """The mouse went on, its button up or down."""
        if self.drag is not None:
            self.drag = replace(self.drag, end_xy=xy)

    def release(self, xy: tuple[int, int] | None = None) -> Drawn | Clicked | Refused | None:
        """The button went up, or the box is taken as it is if no point is given.

        Returns:
            What was drawn; None if nothing was. A box that was waited for is waited for still unless it was drawn.
        """
        if self.drag is None:
            return None
        if xy is not None:
            self.move(xy)
        drag, self.drag = self.drag, None
        box = drag.box
        if drag.is_click:
            x, y = drag.start_xy
            return Clicked(drag.view.to_frame(x + 0.5, y + 0.5))
        if min(box.size_wh) < MIN_SIDE_PX:
            return Refused(f"a box of {box.w:.0f} x {box.h:.0f} px is too small; each side needs {MIN_SIDE_PX:.0f} px or more")
        drawn = Drawn(box, self.target)
        self.cancel()
        return drawn

    def cancel(self) -> bool:
        """Give up what is being drawn or waited for; False if that is nothing."""
        was_active = self.active
        self.drag, self.armed, self.target = None, False, None
        return was_active
