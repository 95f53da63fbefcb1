"""The window of `siamtrack track`: a box is drawn on a frame, then frames are shown while they are tracked."""

from __future__ import annotations

from collections.abc import Callable

from siamtrack.boxes import Box
from siamtrack.frames import Image
from siamtrack.live.window.hud import Status, layout
from siamtrack.live.window.keys import Action, action_of
from siamtrack.live.window.picture import View, fitted, opening_size
from siamtrack.live.window.screen import KeyPress, Pointer, Screen, screen_size
from siamtrack.live.window.selection import Drag, Selection

_WAIT_S = 0.02  # short enough for the box to keep up with the mouse
_ENDS = (Action.QUIT, Action.GIVE_UP)


class TrackWindow:
    """Opens with the first frame, as large as the screen allows.

    Where no window can be opened, OpenCV may abort the whole process: ask `siamtrack.machine.require_display` first.

    Args:
        open_screen: opens a window of a title and a size.
    """

    def __init__(self, open_screen: Callable[[str, tuple[int, int]], Screen] = Screen) -> None:
        self._open_screen = open_screen
        self._screen: Screen | None = None

    def ask_box(self, image: Image, stopped: Callable[[], bool] = lambda: False) -> Box:
        """Let the user drag a box over a frame; to let go takes it.

        Args:
            image: the frame. stopped: asked all the time; True ends the asking.

        Raises:
            KeyboardInterrupt: stopped.
            ValueError: the user gave up or closed the window.
        """
        screen, asking = self._opened(image), _Asking(image)
        while not stopped():
            view = View.fit((image.shape[1], image.shape[0]), screen.size_wh)
            screen.show(asking.picture(view))
            for event in screen.events(_WAIT_S):
                box = asking.handle(event, view)
                if box is not None:
                    return box
            if asking.given_up or screen.closed:
                raise ValueError("no box was drawn; drag one over the target in the window, or give --box X,Y,W,H")
        raise KeyboardInterrupt

    def show(self, image: Image) -> bool:
        """Show a frame. Returns False once the user pressed q or Esc, or closed the window."""
        screen = self._opened(image)
        screen.show(fitted(image, View.fit((image.shape[1], image.shape[0]), screen.size_wh)))
        pressed = [action_of(event.code) for event in screen.events(0.0) if isinstance(event, KeyPress)]
        return not screen.closed and not any(action in _ENDS for action in pressed)

    def close(self) -> None:
        """Close it, if it is open."""
        if self._screen is not None:
            self._screen.close()

    def _opened(self, image: Image) -> Screen:
        if self._screen is None:
            size_wh = opening_size((image.shape[1], image.shape[0]), screen_size())
            self._screen = self._open_screen("siamtrack track", size_wh)
        return self._screen


class _Asking:
    """A box that is being drawn on a frame; it knows no window."""

    def __init__(self, image: Image) -> None:
        self.given_up = False
        self._image = image
        self._selection = Selection()
        self._pointer: tuple[int, int] | None = None
        self._notice = ""
        self._ground: tuple[View, Image] | None = None

    def handle(self, event: KeyPress | Pointer, view: View) -> Box | None:
        """Carry out what the user did; the box, once it is drawn."""
        selection = self._selection
        if isinstance(event, KeyPress):
            action = action_of(event.code)
            if action is Action.TAKE:
                return self._taken(selection.release())
            self.given_up = action is Action.QUIT or (action is Action.GIVE_UP and not selection.cancel())
            return None
        self._pointer = (event.x, event.y)
        if event.kind == "press":
            self._notice = ""
        return self._taken(selection.handle(event, view))

    def picture(self, view: View) -> Image:
        """What the window shows."""
        if self._ground is None or self._ground[0] != view:
            self._ground = view, fitted(self._image, view)
        canvas = self._ground[1].copy()
        hint = self._selection.hint or "drag a box over the target; Esc: give up"
        labels = layout(Status(notice=self._notice, hint=hint), view.window_wh)
        self._selection.draw(canvas, self._image, view, labels, self._pointer)
        return canvas

    def _taken(self, drag: Drag | None) -> Box | None:
        if drag is None:
            return None
        self._notice = drag.problem
        return None if drag.problem else drag.box
