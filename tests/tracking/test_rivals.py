from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.rivals import (
    APART,
    COUNT,
    HIDDEN,
    KNOWN,
    SHARE,
    UNSEEN,
    Peak,
    Rivals,
    other_peaks,
    other_peaks_numpy,
)

SIZE = 60.0
"""Of the target, frame pixels."""


def bumps(*cells: tuple[int, int, float], size: int = 17) -> np.ndarray:
    """A response with a peak at each `(row, column, height)`, a little above nothing elsewhere."""
    rows, columns = np.mgrid[:size, :size]
    each = [height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 3.0) for y, x, height in cells]
    return np.max(each, axis=0).astype(np.float32) - 9


def test_second_peaks_are_listed_highest_first() -> None:
    found = other_peaks(bumps((8, 8, 10), (3, 8, 7), (8, 14, 9), (15, 2, 2)), 8, 8)
    assert [peak[:2] for peak in found] == [(8, 14), (3, 8)]
    assert found[0][2] == pytest.approx(0.9, abs=0.03)


def test_a_peak_alone_has_no_rivals_and_its_flank_is_none() -> None:
    assert other_peaks(bumps((8, 8, 10)), 8, 8) == []
    assert other_peaks(bumps((8, 8, 10), (8, 8 + APART - 1, 9.9)), 8, 8) == []
    assert other_peaks(np.zeros((17, 17), np.float32), 8, 8) == []


def test_a_rival_is_seen_where_it_enters() -> None:
    ((row, column, _),) = other_peaks(bumps((8, 8, 10), (8, 16, 8)), 8, 8)
    assert (row, column) == (8, 16)


@pytest.mark.parametrize("size", [5, 9, 13, 17])
def test_the_kernel_equals_its_numpy_twin(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(50):
        response = rng.normal(0, 3, (size, size)).astype(np.float32)
        row, column = (int(value) for value in rng.integers(0, size, 2))
        if rng.random() < 0.5:
            row, column = divmod(int(response.argmax()), size)
        fast, slow = other_peaks(response, row, column), other_peaks_numpy(response, row, column)
        assert [peak[:2] for peak in fast] == [peak[:2] for peak in slow]
        assert [peak[2] for peak in fast] == pytest.approx([peak[2] for peak in slow], rel=1e-9)
        assert len(fast) <= COUNT
        assert all(max(abs(y - row), abs(x - column)) >= APART and height >= SHARE for y, x, height in fast)


@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(-500, 500)), max_size=30))
def test_without_rivals_nothing_changes(places: list[tuple[float, float]]) -> None:
    rivals = Rivals()
    assert [rivals.follow(Peak(place), [], SIZE) for place in places] == [None] * len(places)
    assert rivals.known == []


@given(
    st.lists(
        st.tuples(st.tuples(st.floats(-200, 200), st.floats(-200, 200)), st.floats(SHARE, 2)), min_size=KNOWN, max_size=KNOWN
    )
)
def test_what_was_seen_in_too_few_frames_changes_nothing(seen: list[tuple[tuple[float, float], float]]) -> None:
    rivals = Rivals()
    assert [rivals.follow(Peak((0, 0)), [Peak(*each)], SIZE) for each in seen] == [None] * KNOWN


@given(st.floats(0.5, 3), st.floats(0, 6.28), st.floats(-30, 30), st.floats(-30, 30))
def test_one_that_keeps_its_distance_changes_nothing(apart: float, angle: float, dx: float, dy: float) -> None:
    rivals, beside = Rivals(), SIZE * apart * np.array([np.cos(angle), np.sin(angle)])
    for frame in range(30):
        here = np.array([dx, dy]) * frame
        assert rivals.follow(Peak(tuple(here)), [Peak(tuple(here + beside))], SIZE) is None
    assert rivals.known[0].age == 30


def crossing(speed: float, camera: tuple[float, float], angle: float, stolen: bool) -> list[tuple[int | None, bool]]:
    """A target that stands and a twin that passes it, from one size away to the other side, under a moving camera.

    While they are nearer than 0.4 sizes there is one peak. Behind it the higher one is the twin's (`stolen`) or the target's.

    Returns:
        For every frame what was said, and whether the chosen peak was the twin's.
    """
    rivals, along = Rivals(), SIZE * np.array([np.cos(angle), np.sin(angle)])
    said = []
    for frame in range(int(1.9 / speed)):
        offset = 1 - speed * frame
        target = np.array(camera) * frame
        twin = target + offset * along
        taken = stolen and offset < 0 and not any(index is not None for index, _ in said)
        chosen, other = (twin, target) if taken else (target, twin)
        others = [Peak(tuple(other), 0.9)] if abs(offset) > 0.4 else []
        said.append((rivals.follow(Peak(tuple(chosen)), others, SIZE), taken and bool(others)))
    return said


SPEED = st.floats(0.05, 0.15)
CAMERA = st.tuples(st.floats(-20, 20), st.floats(-20, 20))
ANGLE = st.floats(0, 6.28)


@given(SPEED, CAMERA, ANGLE)
def test_a_twin_that_crosses_is_told_from_the_target(speed: float, camera: tuple[float, float], angle: float) -> None:
    said = crossing(speed, camera, angle, stolen=True)
    assert 0 in [index for index, _ in said]
    assert all((index is not None) == mistaken for index, mistaken in said)


@given(SPEED, CAMERA, ANGLE)
def test_a_twin_that_steals_nothing_changes_nothing(speed: float, camera: tuple[float, float], angle: float) -> None:
    assert all(index is None for index, _ in crossing(speed, camera, angle, stolen=False))


def test_a_jump_to_a_known_rival_is_taken_back_and_one_to_a_weak_peak_is_not() -> None:
    for height, expected in ((0.8, 0), (0.3, None)):
        rivals = Rivals()
        for _ in range(5):
            rivals.follow(Peak((0, 0)), [Peak((50, 0), 0.9)], SIZE)
        assert rivals.follow(Peak((50, 0)), [Peak((0, 0), height)], SIZE) == expected


def test_one_rival_going_while_another_comes_is_no_jump() -> None:
    rivals = Rivals()
    for _ in range(5):
        rivals.follow(Peak((0, 0)), [Peak((50, 0), 0.9)], SIZE)
    assert rivals.follow(Peak((0, 0)), [Peak((-50, 0), 0.9)], SIZE) is None


def test_a_rival_that_is_not_seen_is_forgotten_sooner_where_it_should_be_seen() -> None:
    for x, frames in ((60.0, UNSEEN), (30.0, HIDDEN)):
        rivals = Rivals()
        for _ in range(KNOWN):
            rivals.follow(Peak((0, 0)), [Peak((x, 0), 0.9)], SIZE)
        for _ in range(frames):
            rivals.follow(Peak((0, 0)), [], SIZE)
        assert len(rivals.known) == 1
        rivals.follow(Peak((0, 0)), [], SIZE)
        assert rivals.known == []
