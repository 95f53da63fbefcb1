"""The window of `siamtrack track`, with a screen and a user that are made up."""

from __future__ import annotations

import numpy as np
import pytest
from screens import FakeScreen

from siamtrack.live.window.screen import KeyPress, Pointer
from siamtrack.live.window.track_window import TrackWindow

FRAME = np.full((240, 320, 3), 90, np.uint8)
ENTER, ESC = 13, 27


def window(*events: KeyPress | Pointer) -> tuple[TrackWindow, FakeScreen]:
    """A window of twice the frame's size whose user does what is listed, and then closes it."""
    screen = FakeScreen(iter([*([event] for event in events), None]), (640, 480))
    return TrackWindow(screen), screen  # type: ignore[arg-type]


def drag(*points: tuple[int, int]) -> list[Pointer]:
    return [Pointer("press", *points[0]), *(Pointer("move", *point) for point in points[1:])]


DRAWN = drag((120, 160), (160, 200), (199, 259))


@pytest.mark.parametrize("last", [Pointer("release", 199, 259), KeyPress(ENTER)])
def test_letting_go_takes_the_box(last: KeyPress | Pointer) -> None:
    opened, screen = window(*DRAWN, last)
    assert opened.ask_box(FRAME) == (60, 80, 40, 50)
    assert all(picture.shape == (480, 640, 3) for picture in screen.pictures)
    assert np.ptp(screen.pictures[0][:400]) == 0  # the frame alone, but for the words below it
    assert (screen.pictures[-1][160:260, 120:200] != 90).any()


def test_what_is_too_small_or_given_up_is_asked_for_again() -> None:
    click = [Pointer("press", 50, 50), Pointer("release", 50, 50)]
    small = [*drag((100, 100), (200, 103)), Pointer("release", 200, 103)]
    opened, _ = window(*click, *small, *drag((0, 0), (90, 90)), KeyPress(ESC), *DRAWN, Pointer("release", 199, 259))
    assert opened.ask_box(FRAME) == (60, 80, 40, 50)


@pytest.mark.parametrize("events", [[], [KeyPress(ESC)], [KeyPress(ord("q"))], DRAWN])
def test_a_user_who_gives_up_or_closes_it_is_told_what_to_do(events: list[KeyPress | Pointer]) -> None:
    with pytest.raises(ValueError, match=r"no box was drawn; drag one over the target in the window, or give --box"):
        window(*events)[0].ask_box(FRAME)


def test_a_signal_ends_the_asking() -> None:
    with pytest.raises(KeyboardInterrupt):
        window(*DRAWN)[0].ask_box(FRAME, lambda: True)


def test_frames_are_shown_until_the_user_has_enough() -> None:
    opened, screen = window(Pointer("move", 1, 1), KeyPress(ord("q")))
    assert opened.show(FRAME)
    assert not opened.show(FRAME)
    assert screen.pictures[0].shape == (480, 640, 3)
    assert not window()[0].show(FRAME)
