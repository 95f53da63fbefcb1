from __future__ import annotations

import numpy as np
import pytest
from rendered import rendered_frame

from siamtrack.boxes import Box
from siamtrack.live.capture import Captured
from siamtrack.live.session import Scene
from siamtrack.live.window.picture import draw_aim, draw_box, draw_scene, target_at
from siamtrack.live.window.view import View
from siamtrack.tracking.result import State, TrackResult
from siamtrack.video.overlay import SeenTarget, color_of


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
        draw_aim(canvas, (50, 50))
        assert {0, 255} <= set(np.unique(canvas))
        # The line lies on the box's own outermost pixels.
        assert all((canvas[y, x] == 255).all() for y, x in ((30, 40), (60, 40), (45, 20), (45, 60)))


def test_a_click_means_the_smallest_of_the_boxes_that_it_is_in() -> None:
    large, small = seen(1, Box(0, 0, 200, 200)), seen(2, Box(50, 50, 20, 20))
    assert target_at([small, large], (60, 60)) is small
    assert target_at([large, small], (60, 60)) is small
    assert target_at([large, small], (70, 60)) is large
    assert target_at([large, small], (300, 60)) is None
