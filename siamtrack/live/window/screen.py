"""A window of the screen through OpenCV. Nothing else of the live tracker calls OpenCV's windows."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import cv2

from siamtrack.frames import Image


@dataclass(frozen=True)
class KeyPress:
    """A key went down.

    Attributes:
        code: as the backend reports it; `siamtrack.live.window.keys` reads it.
    """

    code: int


@dataclass(frozen=True)
class Pointer:
    """The mouse did something.

    Attributes:
        kind: `press` and `release` of its left button; `zoom` if the window magnifies itself and with it the picture.
        x, y: pixel of the picture that is shown; while a button is held, it may lie outside.
    """

    kind: Literal["press", "move", "release", "zoom"]
    x: int
    y: int


class Screen:
    """A window of OpenCV's highgui, that shows pictures pixel for pixel and tells what the user does in it.

    Where no window can be opened, OpenCV may abort the whole process: ask `siamtrack.machine.require_display` first.

    Args:
        title: of the window; no two windows may share one.
        size_wh: in which it opens.
    """

    def __init__(self, title: str, size_wh: tuple[int, int]) -> None:
        self._title, self._size_wh = title, size_wh
        self._pointer: list[KeyPress | Pointer] = []
        self._down_at: tuple[int, int] | None = None  # the mouse, while its button is down
        self._zooms = cv2.currentUIFramework().startswith("QT")
        # Without WINDOW_GUI_NORMAL, Qt adds a toolbar, a status line, and a menu under the right button.
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(title, *size_wh)
        cv2.setMouseCallback(title, self._on_mouse)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Size that a picture should have now: users resize windows."""
        _, _, width, height = cv2.getWindowImageRect(self._title)
        # Some backends tell nothing useful before the first picture.
        if width > 0 and height > 0:
            self._size_wh = (width, height)
        return self._size_wh

    @property
    def closed(self) -> bool:
        """Whether the user closed it. Showing a picture would open it again."""
        return self._property(cv2.WND_PROP_VISIBLE) < 1

    def show(self, picture: Image) -> None:
        """Show a picture; `events` brings it to the screen."""
        cv2.imshow(self._title, picture)

    def events(self, wait_s: float) -> list[KeyPress | Pointer]:
        """What happened since the last call; waits for so long for something to happen. The mouse comes before a key, which
        ends the waiting."""
        code = cv2.waitKeyEx(max(1, round(1000 * wait_s)))
        happened, self._pointer = self._pointer, []
        return [*happened, KeyPress(code)] if code != -1 else happened

    def toggle_full_screen(self) -> None:
        """Fill the screen, or stop filling it."""
        full = self._property(cv2.WND_PROP_FULLSCREEN) == cv2.WINDOW_FULLSCREEN
        cv2.setWindowProperty(self._title, cv2.WND_PROP_FULLSCREEN, cv2.WINDOW_NORMAL if full else cv2.WINDOW_FULLSCREEN)

    def close(self) -> None:
        """Take it from the screen. May be called twice."""
        if self._property(cv2.WND_PROP_AUTOSIZE) >= 0:
            cv2.destroyWindow(self._title)
            cv2.waitKey(1)  # some backends need a moment to do so

    def _property(self, which: int) -> float:
        """A property of the window; -1 if there is no window any more."""
        try:
            return cv2.getWindowProperty(self._title, which)
        except cv2.error:  # Qt raises instead of answering once the last window is gone
            return -1.0

    def _on_mouse(self, event: int, x: int, y: int, flags: int, parameter: Any) -> None:
        # Only noted: an exception in a callback of OpenCV's would be printed and lost.
        if event in (cv2.EVENT_LBUTTONDOWN, cv2.EVENT_LBUTTONDBLCLK):  # Windows has only the latter for a second press
            self._down_at = (x, y)
            self._pointer.append(Pointer("press", x, y))
        elif event == cv2.EVENT_LBUTTONUP:
            self._release(x, y)
        elif event == cv2.EVENT_MOUSEMOVE:
            if self._down_at is not None and not flags & cv2.EVENT_FLAG_LBUTTON:
                self._release(*self._down_at)  # it went up unseen, such as over a menu
            elif self._down_at is not None:
                self._down_at = (x, y)
            self._pointer.append(Pointer("move", x, y))
        elif event == cv2.EVENT_MOUSEWHEEL and self._zooms:
            self._pointer.append(Pointer("zoom", x, y))

    def _release(self, x: int, y: int) -> None:
        self._down_at = None
        self._pointer.append(Pointer("release", x, y))


def screen_size() -> tuple[int, int] | None:
    """Width and height of the main screen, asked of the system, because OpenCV does not tell; None if it does not say."""
    with suppress(OSError, AttributeError, TypeError):
        if sys.platform == "win32":
            user = ctypes.windll.user32
            return user.GetSystemMetrics(0), user.GetSystemMetrics(1)
        if sys.platform == "darwin":
            graphics = ctypes.CDLL(ctypes.util.find_library("CoreGraphics"))
            main = graphics.CGMainDisplayID()
            return graphics.CGDisplayPixelsWide(main), graphics.CGDisplayPixelsHigh(main)
        x11 = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so.6")
        x11.XOpenDisplay.restype = ctypes.c_void_p
        display = ctypes.c_void_p(x11.XOpenDisplay(None))
        if display:
            size = (
                x11.XDisplayWidth(display, x11.XDefaultScreen(display)),
                x11.XDisplayHeight(display, x11.XDefaultScreen(display)),
            )
            x11.XCloseDisplay(display)
            return size
    return None
