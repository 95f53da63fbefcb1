from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.live.window.view import LARGEST_WH, NARROWEST_PX, View, opening_size

SIDES = st.integers(1, 4000)


@given(SIDES, SIDES, SIDES, SIDES, st.floats(-100, 4000), st.floats(-100, 4000))
def test_to_the_frame_and_back_is_the_same_point(width: int, height: int, across: int, down: int, x: float, y: float) -> None:
    view = View.fit((width, height), (across, down))
    assert view.to_window(*view.to_frame(x, y)) == pytest.approx((x, y), abs=1e-6)


@given(SIDES, SIDES, SIDES, SIDES)
def test_the_picture_lies_in_the_window_and_touches_it(width: int, height: int, across: int, down: int) -> None:
    x, y, w, h = View.fit((width, height), (across, down)).shown
    assert x >= 0
    assert y >= 0
    assert x + w <= across
    assert y + h <= down
    assert w == across or h == down
    assert abs(across - w - 2 * x) <= 1
    assert abs(down - h - 2 * y) <= 1


@given(SIDES, SIDES, SIDES, SIDES)
def test_corners_of_the_picture_are_corners_of_the_frame(width: int, height: int, across: int, down: int) -> None:
    view = View.fit((width, height), (across, down))
    x, y, w, h = view.shown
    assert view.to_frame(x, y) == (0, 0)
    assert view.to_frame(x + w, y + h) == pytest.approx((width, height))
    assert view.box_to_window(Box(0, 0, width, height)) == pytest.approx((x, y, w, h))


@pytest.mark.parametrize("window_wh", [(960, 720), (1000, 500), (200, 600), (1279, 719)])
def test_a_window_pixel_shows_the_frame_pixel_that_it_is_mapped_to(window_wh: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    view = View.fit((32, 24), window_wh)
    x, y, w, h = view.shown
    shown = cv2.resize(frame, (w, h), interpolation=cv2.INTER_NEAREST_EXACT)
    for at in ((x, y), (x + w - 1, y + h - 1), (x + w // 3, y + h // 5)):
        across, down = (int(value) for value in view.to_frame(at[0] + 0.5, at[1] + 0.5))
        assert shown[at[1] - y, at[0] - x].tolist() == frame[down, across].tolist()


def test_small_frames_open_large_and_large_ones_fit() -> None:
    assert opening_size((320, 240)) == (960, 720)
    assert opening_size((3840, 2160)) == LARGEST_WH
    assert opening_size((1280, 720)) == (1280, 720)
    assert opening_size((360, 640)) == (NARROWEST_PX, 720)  # a phone's portrait leaves room for the lines
    assert opening_size((320, 240), largest_wh=(500, 400)) == (500, 375)
