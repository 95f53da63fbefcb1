"""What the window's adapter makes of OpenCV's mouse events; a real window is in `test_live_window_on_screen.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import pytest

import siamtrack.live
from siamtrack.live.window.screen import KeyPress, Pointer, Screen

LEFT = cv2.EVENT_FLAG_LBUTTON


class Highgui:
    """OpenCV's windows, played."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, framework: str = "QT5") -> None:
        self.mouse: Any = None
        self.code = -1
        self.rect = (0, 0, -1, -1)
        self.properties = {cv2.WND_PROP_VISIBLE: 1.0, cv2.WND_PROP_AUTOSIZE: 0.0, cv2.WND_PROP_FULLSCREEN: 0.0}
        self.gone = False
        monkeypatch.setattr(cv2, "currentUIFramework", lambda: framework)
        monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
        monkeypatch.setattr(cv2, "resizeWindow", lambda *_: None)
        monkeypatch.setattr(cv2, "setMouseCallback", lambda _, callback: setattr(self, "mouse", callback))
        monkeypatch.setattr(cv2, "getWindowImageRect", lambda _: self.rect)
        monkeypatch.setattr(cv2, "getWindowProperty", self._property)
        monkeypatch.setattr(cv2, "setWindowProperty", lambda _, which, value: self.properties.update({which: value}))
        monkeypatch.setattr(cv2, "waitKeyEx", lambda _: self.code)
        monkeypatch.setattr(cv2, "waitKey", lambda _: self.code)
        monkeypatch.setattr(cv2, "destroyWindow", lambda _: setattr(self, "gone", True))

    def _property(self, _: str, which: int) -> float:
        if self.gone:
            raise cv2.error("NULL guiReceiver (please create a window)")
        return self.properties[which]

    def do(self, *events: tuple[int, int, int, int]) -> None:
        for event in events:
            self.mouse(*event, None)


@pytest.fixture
def highgui(monkeypatch: pytest.MonkeyPatch) -> Highgui:
    return Highgui(monkeypatch)


@pytest.fixture
def screen(highgui: Highgui) -> Screen:
    return Screen("a title", (640, 480))


def test_events_come_in_order_and_once(highgui: Highgui, screen: Screen) -> None:
    highgui.do(
        (cv2.EVENT_MOUSEMOVE, 5, 6, 0),
        (cv2.EVENT_LBUTTONDOWN, 5, 6, LEFT),
        (cv2.EVENT_MOUSEMOVE, 7, 8, LEFT),
        (cv2.EVENT_LBUTTONUP, 9, 9, 0),
        (cv2.EVENT_RBUTTONDOWN, 1, 1, 0),
    )
    highgui.code = ord("a")
    kinds = ["move", "press", "move", "release"]
    places = [(5, 6), (5, 6), (7, 8), (9, 9)]
    expected = [Pointer(kind, *at) for kind, at in zip(kinds, places, strict=True)]  # type: ignore[arg-type]
    assert screen.events(0) == [*expected, KeyPress(ord("a"))]
    highgui.code = -1
    assert screen.events(0) == []


def test_a_second_press_counts_though_windows_calls_it_a_double_click(highgui: Highgui, screen: Screen) -> None:
    highgui.do((cv2.EVENT_LBUTTONDBLCLK, 3, 4, LEFT), (cv2.EVENT_LBUTTONUP, 3, 4, LEFT))
    assert screen.events(0) == [Pointer("press", 3, 4), Pointer("release", 3, 4)]


def test_a_button_that_went_up_unseen_went_up_where_it_was_seen_last(highgui: Highgui, screen: Screen) -> None:
    highgui.do(
        (cv2.EVENT_LBUTTONDOWN, 10, 10, LEFT),
        (cv2.EVENT_MOUSEMOVE, 50, 60, LEFT),
        (cv2.EVENT_MOUSEMOVE, 300, 300, 0),
        (cv2.EVENT_MOUSEMOVE, 310, 300, 0),
    )
    assert screen.events(0)[2:] == [Pointer("release", 50, 60), Pointer("move", 300, 300), Pointer("move", 310, 300)]


@pytest.mark.parametrize(("framework", "told"), [("QT5", True), ("QT6", True), ("GTK3", False), ("WIN32", False)])
def test_only_qt_enlarges_its_window_by_the_wheel(monkeypatch: pytest.MonkeyPatch, framework: str, told: bool) -> None:
    highgui = Highgui(monkeypatch, framework)
    screen = Screen("a title", (640, 480))
    highgui.do((cv2.EVENT_MOUSEWHEEL, 3, 4, 0))
    assert (screen.events(0) == [Pointer("zoom", 3, 4)]) is told


def test_its_size_is_the_windows_as_soon_as_that_is_known(highgui: Highgui, screen: Screen) -> None:
    assert screen.size_wh == (640, 480)
    highgui.rect = (10, 20, 300, 200)
    assert screen.size_wh == (300, 200)


def test_full_screen_and_back(highgui: Highgui, screen: Screen) -> None:
    screen.toggle_full_screen()
    assert highgui.properties[cv2.WND_PROP_FULLSCREEN] == cv2.WINDOW_FULLSCREEN
    screen.toggle_full_screen()
    assert highgui.properties[cv2.WND_PROP_FULLSCREEN] == cv2.WINDOW_NORMAL


def test_closed_is_closed_though_qt_raises_when_asked(highgui: Highgui, screen: Screen) -> None:
    assert not screen.closed
    screen.close()
    assert highgui.gone
    assert screen.closed
    screen.close()


def test_nothing_else_of_the_live_tracker_calls_opencvs_windows() -> None:
    calls = ("namedWindow", "imshow", "waitKey", "setMouseCallback", "getWindow", "destroy", "pollKey", "selectROI")
    folder = Path(siamtrack.live.__file__).parent
    users = {path.name for path in folder.rglob("*.py") if any(f"cv2.{call}" in path.read_text() for call in calls)}
    assert users == {"screen.py"}
