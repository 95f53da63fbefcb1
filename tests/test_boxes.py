import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import MIN_SIDE_PX, Box, check_box, clip_box, from_center, iou, parse_box, upright_box

finite = st.floats(-1e4, 1e4)
positive = st.floats(1e-3, 1e4)
boxes = st.builds(Box, finite, finite, positive, positive)


@given(boxes)
def test_centre_and_size_give_the_box_back(box: Box) -> None:
    assert np.allclose(from_center(box.center_xy, box.size_wh), box, atol=1e-6)


@given(boxes)
def test_a_box_overlaps_itself_wholly(box: Box) -> None:
    assert iou(box, box) == pytest.approx(1.0)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_within_bounds(a: Box, b: Box) -> None:
    assert 0 <= iou(a, b) <= 1
    assert iou(a, b) == pytest.approx(float(iou(b, a)))


def test_overlap_of_known_boxes() -> None:
    a = [[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 0, 0]]
    b = [[5, 0, 10, 10], [20, 20, 5, 5], [0, 0, 0, 0]]
    assert iou(a, b).tolist() == pytest.approx([1 / 3, 0, 0])


@given(boxes)
def test_clipped_box_lies_in_the_frame(box: Box) -> None:
    x, y, w, h = clip_box(box, (640, 480))
    assert x >= 0
    assert y >= 0
    assert w >= 0
    assert h >= 0
    assert x + w <= 640
    assert y + h <= 480


@given(boxes)
def test_clipping_twice_changes_nothing(box: Box) -> None:
    once = clip_box(box, (640, 480))
    assert np.allclose(clip_box(once, (640, 480)), once)


@given(st.lists(finite, min_size=4, max_size=4))
def test_a_printed_box_is_read_back(values: list[float]) -> None:
    assert parse_box(",".join(repr(value) for value in values)) == tuple(values)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,nan,4", "1,2,inf,4", "(1,2,3,4", "]1,2,3,4["])
def test_text_that_is_no_box_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not four finite numbers"):
        parse_box(text)


def test_the_forms_in_which_tools_write_a_box_are_read() -> None:
    for text in ("120, 80 64,48", "(120, 80, 64, 48)", "[120 80 64 48]", "120;80;64;48"):
        assert parse_box(text) == (120, 80, 64, 48)
    assert parse_box("120,80,184,128", "xyxy") == (120, 80, 64, 48)
    corners = "130,80, 184,100, 170,128, 120,110"  # turned, as in VOT
    assert parse_box(corners) == parse_box(corners, "xyxy") == (120, 80, 64, 48)
    with pytest.raises(ValueError, match="ends before it begins"):
        parse_box("120,80,64,48", "xyxy")
    with pytest.raises(ValueError, match="'cxcywh' is unknown; give xywh or xyxy"):
        parse_box("1,2,3,4", "cxcywh")
    with pytest.raises(ValueError, match="5 numbers"):
        upright_box([1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((10, 10, 0, 20), "zero or less"),
        ((10, 10, 20, -5), "zero or less"),
        ((700, 10, 20, 20), "outside the 640x480 frame"),
        ((-50, 10, 20, 20), "outside the 640x480 frame"),
        ((10, 10, math.nan, 20), "not finite"),
        ((10, 10, math.inf, 20), "not finite"),
        ((10, 10, 3, 20), "at least 4 px"),
        ((638, 10, 20, 20), "2x20 px inside"),
        ((1, 2, 3), "has 3 numbers"),
        (("a", 1, 2, 3), "not four numbers"),
    ],
)
def test_boxes_that_cannot_be_used_are_refused(box: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_box(box, (640, 480))


def test_a_box_over_the_edge_is_clipped() -> None:
    assert check_box((-10, -10, 30, 40), (640, 480)) == (0, 0, 20, 30)
    assert check_box((0, 0, MIN_SIDE_PX, MIN_SIDE_PX), (640, 480)) == (0, 0, MIN_SIDE_PX, MIN_SIDE_PX)


@pytest.mark.parametrize(
    "box",
    [
        *("5678", b"PPPP", bytearray(b"PPPP"), {20, 30, 40, 50}, frozenset({20, 30, 40, 50}), {20: 0, 30: 0, 40: 0, 50: 0}),
        *(["20", "30", "40", "50"], np.array(["20", "30", "40", "50"]), [1j, 2, 3, 4], None, 5, [[20], 30, 40, 50]),
    ],
    ids=lambda box: type(box).__name__,
)
def test_text_bytes_and_sets_are_no_boxes(box: Any) -> None:
    with pytest.raises(ValueError, match="is not four numbers"):
        check_box(box, (100, 100))


def test_boxes_of_any_length_and_size_are_answered_at_once() -> None:
    with pytest.raises(ValueError, match="has 99 numbers"):
        check_box(itertools.count(), (100, 100))
    with pytest.raises(ValueError, match="not finite"):
        check_box([10**400, 0, 20, 20], (100, 100))
    assert check_box((each for each in (np.float32(20), 30, 40, 50)), (100, 100)) == (20, 30, 40, 50)
    assert check_box(np.array([20, 30, 40, 50]), (100, 100)) == (20, 30, 40, 50)
