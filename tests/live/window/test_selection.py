from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import MIN_SIDE_PX
from siamtrack.live.window.picture import View
from siamtrack.live.window.screen import Pointer
from siamtrack.live.window.selection import CLICK_PX, Drag, Selection

VIEW = View.fit((320, 240), (960, 720))
"""Three window pixels to a frame pixel."""


def do(selection: Selection, kind: str, at: tuple[int, int], view: View = VIEW) -> Drag | None:
    return selection.handle(Pointer(kind, *at), view)  # type: ignore[arg-type]


def stroke(selection: Selection, *points: tuple[int, int], view: View = VIEW) -> Drag:
    do(selection, "press", points[0], view)
    for point in points[1:]:
        do(selection, "move", point, view)
    drag = do(selection, "release", points[-1], view)
    assert drag is not None
    return drag


A, B = (30, 60), (119, 209)


@pytest.mark.parametrize(("start", "end"), [(A, B), (B, A), ((A[0], B[1]), (B[0], A[1])), ((B[0], A[1]), (A[0], B[1]))])
def test_every_direction_draws_the_same_box(start: tuple[int, int], end: tuple[int, int]) -> None:
    drag = stroke(Selection(), start, (500, 500), end)
    assert (drag.is_click, drag.box) == (False, (10, 20, 30, 50))


@given(*[st.integers(-300, 1500)] * 4)
def test_a_box_lies_in_the_frame_and_direction_is_nothing_to_it(ax: int, ay: int, bx: int, by: int) -> None:
    there, back = (stroke(Selection(), *points) for points in (((ax, ay), (bx, by)), ((bx, by), (ax, ay))))
    assert (there.is_click, there.box) == (back.is_click, back.box)
    x, y, w, h = there.box
    assert w >= 0
    assert h >= 0
    if min(w, h) >= MIN_SIDE_PX:
        assert 0 <= x <= x + w <= 320
        assert 0 <= y <= y + h <= 240


def test_dragged_beyond_the_edges_it_is_the_whole_frame() -> None:
    assert stroke(Selection(), (-20, -9), (2000, 900)).box == (0, 0, 320, 240)
    assert stroke(Selection(), (0, 0), (959, 719)).box == (0, 0, 320, 240)


def test_beside_the_picture_counts_as_its_edge() -> None:
    view = View.fit((320, 240), (1280, 720))  # bars of 160 to the left and right
    assert stroke(Selection(), (0, 300), (190 - 1, 600 - 1), view=view).box == (0, 100, 10, 100)
    assert stroke(Selection(), (10, 10), (150, 300), view=view).box.w < MIN_SIDE_PX


def test_of_a_frame_made_to_fit_boxes_are_in_its_own_pixels() -> None:
    view = View.fit((3840, 2160), (1280, 720))
    assert stroke(Selection(), (100, 100), (199, 149), view=view).box == (300, 300, 300, 150)


def test_a_press_without_a_drag_is_a_click() -> None:
    drag = stroke(Selection(), (30, 60))
    assert drag.is_click
    assert drag.point_xy == (30.5 / 3, 60.5 / 3)
    assert stroke(Selection(), (30, 60), (30 + CLICK_PX - 1, 60)).is_click
    assert not stroke(Selection(), (30, 60), (30 + CLICK_PX, 60)).is_click


def test_waiting_ends_only_when_it_is_given_up() -> None:
    selection = Selection()
    assert not selection.active
    selection.arm("target-2")
    assert selection.active
    stroke(selection, A, B)
    assert (selection.active, selection.target) == (True, "target-2")
    assert selection.cancel()
    assert (selection.active, selection.target) == (False, None)
    assert not selection.cancel()


def test_enter_takes_what_is_drawn_so_far_and_the_button_goes_up_for_nothing() -> None:
    selection = Selection()
    do(selection, "press", A)
    do(selection, "move", B)
    drag = selection.release()
    assert drag is not None
    assert drag.box == (10, 20, 30, 50)
    do(selection, "move", (400, 400))
    assert do(selection, "release", (400, 400)) is None


def test_a_cancelled_stroke_gives_nothing() -> None:
    selection = Selection()
    do(selection, "press", A)
    do(selection, "move", B)
    assert selection.cancel()
    assert do(selection, "release", B) is None


def test_moving_without_a_press_draws_nothing() -> None:
    selection = Selection()
    do(selection, "move", A)
    assert selection.drag is None
    assert do(selection, "release", B) is None
