"""Screens for tests of windows: a virtual one with a mouse and a keyboard, and one that is played."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from siamtrack.live.window.screen import KeyPress, Pointer

needs_screen = pytest.mark.skipif(
    not all(map(shutil.which, ("Xvfb", "xdotool"))),
    reason="needs Xvfb and xdotool (Debian: apt-get install xvfb xdotool); .ci/run has them",
)


@contextmanager
def virtual_screen() -> Iterator[dict[str, str]]:
    """The environment of a virtual screen of 1280x800."""
    read, write = os.pipe()
    server = subprocess.Popen(
        # Without -noreset it begins anew whenever its last window is closed, and refuses whoever comes meanwhile.
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as stream:
            number = stream.readline().strip()
        assert number, "Xvfb did not start"
        yield {**os.environ, "DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
    finally:
        server.terminate()
        server.wait(timeout=10)


def xdotool(screen: dict[str, str], *arguments: object) -> str:
    """What xdotool prints."""
    command = ["xdotool", *map(str, arguments)]
    return subprocess.run(command, env=screen, capture_output=True, text=True, check=False, timeout=20).stdout.strip()


class _ClientMessage(ctypes.Structure):
    """XClientMessageEvent of Xlib.h, as long as an XEvent."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("rest", ctypes.c_long * 24),
    )


def close_window(screen: dict[str, str], window: int) -> None:
    """Do what a window manager does when its cross is clicked; xdotool has learned that only lately."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype, x11.XInternAtom.restype = ctypes.c_void_p, ctypes.c_ulong
    display = ctypes.c_void_p(x11.XOpenDisplay(screen["DISPLAY"].encode()))
    atoms = [x11.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")]
    event = _ClientMessage(type=33, window=window, message_type=atoms[0], format=32)
    event.data[0] = atoms[1]
    x11.XSendEvent(display, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(event))
    x11.XCloseDisplay(display)  # sends what is waiting


Events = list[KeyPress | Pointer]
User = Iterator[Events | None]
"""What happens while a window waits, round by round; None closes it."""


class FakeScreen:
    """A `Screen` that shows nothing, and is used by a user who is a generator.

    Args:
        user: see above. size_wh: what a window gets, whatever it asks for; None: what it asks for.
    """

    def __init__(self, user: User, size_wh: tuple[int, int] | None = None) -> None:
        self.user, self._given_wh = user, size_wh
        self.size_wh = (0, 0)
        self.closed = False
        self.gone = False
        self.pictures: list[np.ndarray] = []

    def __call__(self, title: str, size_wh: tuple[int, int]) -> FakeScreen:
        self.size_wh = self._given_wh or size_wh
        return self

    def show(self, picture: np.ndarray) -> None:
        assert not self.closed
        self.pictures.append(picture)

    def events(self, wait_s: float) -> Events:
        time.sleep(wait_s / 10)
        happened = next(self.user)
        self.closed = happened is None
        return happened or []

    def toggle_full_screen(self) -> None: ...

    def close(self) -> None:
        self.gone = True
