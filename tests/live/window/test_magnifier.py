from __future__ import annotations

import numpy as np
import pytest

from siamtrack.boxes import Box
from siamtrack.live.window.magnifier import ZOOM, Magnifier
from siamtrack.live.window.view import View

VIEW = View.fit((320, 240), (960, 720))


@pytest.mark.parametrize("at", [(10, 10), (950, 10), (10, 700), (950, 700), (480, 360), (470, 350)])
def test_it_keeps_away_from_the_pointer_and_from_the_lines(at: tuple[int, int]) -> None:
    lens = Magnifier.place(VIEW, at, (40, 60))
    assert not (lens.x <= at[0] < lens.x + lens.side and lens.y <= at[1] < lens.y + lens.side)
    assert lens.x >= 0
    assert lens.x + lens.side <= 960
    assert lens.y >= 40
    assert lens.y + lens.side <= 720 - 60


def test_it_is_larger_than_the_window_shows_and_than_the_frame() -> None:
    assert Magnifier.place(VIEW, (5, 5)).zoom == pytest.approx((3 * ZOOM, 3 * ZOOM))
    of_4k = Magnifier.place(View.fit((3840, 2160), (1280, 720)), (5, 5))
    assert of_4k.zoom[0] >= 2 - 1e-9
    assert of_4k.zoom[0] >= ZOOM / 3 - 1e-9


def test_a_frame_pixel_is_drawn_where_it_says() -> None:
    frame = np.zeros((240, 320, 3), np.uint8)
    frame[103, 204] = 255
    canvas = np.zeros((720, 960, 3), np.uint8)
    lens = Magnifier.place(VIEW, (206 * 3, 101 * 3))
    lens.draw(canvas, frame, None)
    left, top = lens.from_frame(204, 103)
    right, bottom = lens.from_frame(205, 104)
    inset = canvas[lens.y : lens.y + lens.side, lens.x : lens.x + lens.side]
    # Pixel i covers [i, i + 1), enlarged too; half a pixel is what whole pixels cannot say.
    assert (inset[round(top) + 1 : round(bottom) - 1, round(left) + 1 : round(right) - 1] == 255).all()
    for row, column in ((round(top) - 2, round(left) + 3), (round(bottom) + 1, round(left) + 3)):
        assert (inset[row, column] == 0).all()
    for row, column in ((round(top) + 3, round(left) - 2), (round(top) + 3, round(right) + 1)):
        assert (inset[row, column] == 0).all()


def test_the_box_has_its_edges_in_it() -> None:
    canvas = np.zeros((720, 960, 3), np.uint8)
    lens = Magnifier.place(VIEW, (300, 300))
    lens.draw(canvas, np.full((240, 320, 3), 90, np.uint8), Box(95, 96, 100, 100))
    left, top = (round(value) for value in lens.from_frame(95, 96))
    inset = canvas[lens.y : lens.y + lens.side, lens.x : lens.x + lens.side]
    assert (inset[lens.side // 4 * 3, left] == 255).all()
    assert (inset[top, lens.side // 4 * 3] == 255).all()


def test_beyond_the_frame_it_is_gray() -> None:
    canvas = np.zeros((720, 960, 3), np.uint8)
    lens = Magnifier.place(VIEW, (0, 0))
    lens.draw(canvas, np.full((240, 320, 3), 255, np.uint8), None)
    assert canvas[lens.y + lens.side // 4, lens.x + lens.side // 4].tolist() == [64, 64, 64]


@pytest.mark.parametrize("window_wh", [(1, 1), (10, 400), (60, 60)])
def test_a_window_without_room_is_no_error(window_wh: tuple[int, int]) -> None:
    canvas = np.zeros((window_wh[1], window_wh[0], 3), np.uint8)
    view = View.fit((320, 240), window_wh)
    Magnifier.place(view, (0, 0), (30, 30)).draw(canvas, np.zeros((240, 320, 3), np.uint8), None)
