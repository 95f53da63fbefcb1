"""Drawing a box with the mouse: press, move, release, and how that looks. Nothing here knows a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from siamtrack.boxes import MIN_SIDE_PX, Box, clip_box
from siamtrack.frames import Image
from siamtrack.live.window.hud import Label, draw_hud, margins
from siamtrack.live.window.picture import Magnifier, View, draw_box, draw_cross
from siamtrack.live.window.screen import Pointer

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

    @property
    def problem(self) -> str:
        """Why its box cannot be taken, in one line; "" if it can."""
        if self.is_click:
            return "press, drag and let go to draw a box"
        if min(self.box.size_wh) >= MIN_SIDE_PX:
            return ""
        return f"a box of {self.box.w:.0f} x {self.box.h:.0f} px is too small; each side needs {MIN_SIDE_PX:.0f} px or more"


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

    @property
    def box(self) -> Box | None:
        """What is being drawn, frame pixels; None as long as that is nothing."""
        return self.drag.box if self.drag is not None and not self.drag.is_click else None

    @property
    def hint(self) -> str:
        """How large it is, and what can be done with it; "" as long as it is nothing."""
        box = self.box
        return f"{box.w:.0f} x {box.h:.0f} px; let go: take it, Esc: give up" if box is not None else ""

    def arm(self, target: str | None = None) -> None:
        """Wait for a box, of a new target or in place of a target's, until `cancel`."""
        self.armed, self.target = True, target

    def handle(self, event: Pointer, view: View) -> Drag | None:
        """The mouse did something, in a view; the stroke, if it has ended with that."""
        at = (event.x, event.y)
        if event.kind == "press":
            self.drag = Drag(view, at, at)
        elif event.kind != "zoom" and self.drag is not None:
            self.drag = replace(self.drag, end_xy=at)
        return self.release() if event.kind == "release" else None

    def release(self) -> Drag | None:
        """Take the stroke as it is; None if there is none."""
        drag, self.drag = self.drag, None
        return drag

    def cancel(self) -> bool:
        """Give up what is being drawn or waited for; False if that is nothing."""
        was_active = self.active
        self.drag, self.armed, self.target = None, False, None
        return was_active

    def draw(
        self, canvas: Image, frame: Image, view: View, labels: Sequence[Label], pointer_xy: tuple[int, int] | None
    ) -> None:
        """Draw the box on the window's picture, in place, the lines of text over it, and what helps to place its corners.

        Args:
            canvas: the window's picture. frame: what it shows. view: of the window. labels: lines of text.
            pointer_xy: window pixel under the mouse; None if no box is expected.
        """
        box = self.box
        if box is not None:
            draw_box(canvas, view.box_to_window(box))
        draw_hud(canvas, labels)
        if pointer_xy is not None:
            if box is None:
                draw_cross(canvas, pointer_xy, arm=24)  # to find the corner to begin at
            Magnifier.place(view, pointer_xy, margins(labels, view.window_wh)).draw(canvas, frame, box)
