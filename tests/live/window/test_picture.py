from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import rendered_frame

from siamtrack.boxes import Box
from siamtrack.live.capture import Captured
from siamtrack.live.scene import Scene
from siamtrack.live.window.picture import (
    LARGEST_WH,
    NARROWEST_PX,
    ZOOM,
    Magnifier,
    View,
    draw_box,
    draw_cross,
    draw_scene,
    opening_size,
    target_at,
)
from siamtrack.tracking.result import State, TrackResult
from siamtrack.video.overlay import SeenTarget, color_of

SIDES = st.integers(1, 4000)
VIEW = View.fit((320, 240), (960, 720))


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
    assert opening_size((320, 240), None) == (960, 720)
    assert opening_size((3840, 2160), None) == LARGEST_WH
    assert opening_size((1280, 720), None) == (1280, 720)
    assert opening_size((360, 640), None) == (NARROWEST_PX, 720)  # a phone's portrait leaves room for the lines
    width, height = opening_size((1280, 720), screen_wh=(1024, 600))
    assert width < 1024
    assert height <= 0.9 * 600
    assert opening_size((1280, 720), screen_wh=(3840, 2160)) == (1280, 720)


def seen(number: int, box: Box, trail: tuple[tuple[float, float], ...] = ()) -> SeenTarget:
    return SeenTarget(f"target-{number}", number, TrackResult(box, 0.9, State.TRACKING), trail)


def scene(*targets: SeenTarget, gray: int | None = None) -> Scene:
    image = rendered_frame(0)[0] if gray is None else np.full((240, 320, 3), gray, np.uint8)
    return Scene(Captured(0, 0.0, image, 0.0), targets, 0.0, 0.0, False, "")


@pytest.mark.parametrize("window_wh", [(960, 720), (1280, 720), (160, 120), (300, 700)])
def test_it_has_the_windows_size_and_bars_where_the_frame_does_not_reach(window_wh: tuple[int, int]) -> None:
    shown = scene(gray=200)
    before = shown.frame.image.copy()
    view = View.fit((320, 240), window_wh)
    picture = draw_scene(shown, view)
    assert picture.shape == (window_wh[1], window_wh[0], 3)
    x, y, w, h = view.shown
    assert (picture[y : y + h, x : x + w] == 200).all()
    assert int((picture == 200).all(axis=2).sum()) == w * h
    assert (shown.frame.image == before).all()


def test_targets_are_drawn_where_the_window_shows_them() -> None:
    view = View.fit((320, 240), (1280, 720))
    picture = draw_scene(scene(seen(2, Box(100, 80, 40, 30)), gray=128), view)
    for x, y in ((100, 95), (140, 95), (120, 110)):
        across, down = (round(value) for value in view.to_window(x, y))
        assert picture[down, across].tolist() == list(color_of(2))


def test_trails_can_be_left_out_and_the_selected_target_is_marked() -> None:
    view = View.fit((320, 240), (960, 720))
    shown = scene(seen(1, Box(100, 80, 40, 30), ((10.0, 200.0), (60.0, 200.0))), gray=128)
    with_trail, without = draw_scene(shown, view), draw_scene(shown, view, trails=False)
    assert (with_trail[600, 30:180] != 128).any()
    assert (without[600, 30:180] == 128).all()
    selected = draw_scene(shown, view, "target-1")
    outside = np.s_[80 * 3 - 7 : 80 * 3 - 3, 140 * 3 - 5 : 140 * 3 + 8]
    assert (selected[outside] == 255).all(axis=2).any()
    assert not (with_trail[outside] == 255).all(axis=2).any()


def test_a_box_being_drawn_is_seen_on_black_and_on_white() -> None:
    for ground in (0, 255):
        canvas = np.full((100, 100, 3), ground, np.uint8)
        draw_box(canvas, Box(20, 30, 41, 31))
        draw_cross(canvas, (50, 50), arm=24)
        assert {0, 255} <= set(np.unique(canvas))
        # The line lies on the box's own outermost pixels.
        assert all((canvas[y, x] == 255).all() for y, x in ((30, 40), (60, 40), (45, 20), (45, 60)))


def test_a_click_means_the_smallest_of_the_boxes_that_it_is_in() -> None:
    large, small = seen(1, Box(0, 0, 200, 200)), seen(2, Box(50, 50, 20, 20))
    assert target_at([small, large], (60, 60)) is small
    assert target_at([large, small], (60, 60)) is small
    assert target_at([large, small], (70, 60)) is large
    assert target_at([large, small], (300, 60)) is None


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
