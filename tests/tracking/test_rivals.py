from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.locator import Pair, Sighting
from siamtrack.tracking.other_peaks import SHARE
from siamtrack.tracking.rivals import HIDDEN, KNOWN, UNSEEN, Rivals

SIZE = 60.0
"""Of the target, frame pixels."""


def seen(chosen: Pair, *others: tuple[Pair, float]) -> Sighting:
    """A frame's peaks: the chosen one's place, then place and height of the others."""
    return Sighting(chosen, (1, 1), 0.0, 0.0, others=tuple(Sighting(xy, (1, 1), 0.0, 0.0, height) for xy, height in others))


@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(-500, 500)), max_size=30))
def test_without_rivals_nothing_changes(places: list[Pair]) -> None:
    rivals = Rivals()
    assert [rivals.follow(seen(place), SIZE).center_xy for place in places] == places
    assert rivals.known == []


PLACE = st.tuples(st.floats(-200, 200), st.floats(-200, 200))


@given(st.lists(st.tuples(PLACE, st.floats(SHARE, 2)), min_size=KNOWN, max_size=KNOWN))
def test_what_was_seen_in_too_few_frames_changes_nothing(others: list[tuple[Pair, float]]) -> None:
    rivals = Rivals()
    assert [rivals.follow(seen((0, 0), other), SIZE).center_xy for other in others] == [(0, 0)] * KNOWN


@given(st.floats(0.5, 3), st.floats(0, 6.28), st.floats(-30, 30), st.floats(-30, 30))
def test_one_that_keeps_its_distance_changes_nothing(apart: float, angle: float, dx: float, dy: float) -> None:
    rivals, beside = Rivals(), SIZE * apart * np.array([np.cos(angle), np.sin(angle)])
    for frame in range(30):
        here = np.array([dx, dy]) * frame
        assert rivals.follow(seen(tuple(here), (tuple(here + beside), 1.0)), SIZE).center_xy == tuple(here)
    assert rivals.known[0].age == 30


def crossing(speed: float, camera: Pair, angle: float, stolen: bool) -> tuple[bool, bool]:
    """A target that stands and a twin that passes it, from one size away to the other side, under a moving camera.

    While they are nearer than 0.4 sizes there is one peak. Behind it the higher one is the twin's (`stolen`) or the
    target's, until the box has been taken back.

    Returns:
        Whether the box was ever taken back, and whether it was always at the target's own peak.
    """
    rivals, along = Rivals(), SIZE * np.array([np.cos(angle), np.sin(angle)])
    taken_back, right = False, True
    for frame in range(int(1.9 / speed)):
        offset = 1 - speed * frame
        target = np.array(camera) * frame
        twin = target + offset * along
        taken = stolen and offset < 0 and not taken_back
        chosen, other = (twin, target) if taken else (target, twin)
        two = abs(offset) > 0.4
        found = rivals.follow(seen(tuple(chosen), *([(tuple(other), 0.9)] if two else [])), SIZE).center_xy
        taken_back = taken_back or found != tuple(chosen)
        right = right and (found == tuple(target) or not two)
    return taken_back, right


SPEED = st.floats(0.05, 0.15)
CAMERA = st.tuples(st.floats(-20, 20), st.floats(-20, 20))
ANGLE = st.floats(0, 6.28)


@given(SPEED, CAMERA, ANGLE)
def test_a_twin_that_crosses_is_told_from_the_target(speed: float, camera: Pair, angle: float) -> None:
    assert crossing(speed, camera, angle, stolen=True) == (True, True)


@given(SPEED, CAMERA, ANGLE)
def test_a_twin_that_steals_nothing_changes_nothing(speed: float, camera: Pair, angle: float) -> None:
    assert crossing(speed, camera, angle, stolen=False) == (False, True)


@pytest.mark.parametrize(("height", "expected"), [(0.8, (0, 0)), (0.3, (50, 0))])
def test_a_jump_to_a_known_rival_is_taken_back_and_one_to_a_weak_peak_is_not(height: float, expected: Pair) -> None:
    rivals = Rivals()
    for _ in range(5):
        rivals.follow(seen((0, 0), ((50, 0), 0.9)), SIZE)
    assert rivals.follow(seen((50, 0), ((0, 0), height)), SIZE).center_xy == expected


def test_one_rival_going_while_another_comes_is_no_jump() -> None:
    rivals = Rivals()
    for _ in range(5):
        rivals.follow(seen((0, 0), ((50, 0), 0.9)), SIZE)
    assert rivals.follow(seen((0, 0), ((-50, 0), 0.9)), SIZE).center_xy == (0, 0)


@pytest.mark.parametrize(("x", "frames"), [(60.0, UNSEEN), (30.0, HIDDEN)])
def test_a_rival_that_is_not_seen_is_forgotten_sooner_where_it_should_be_seen(x: float, frames: int) -> None:
    rivals = Rivals()
    for _ in range(KNOWN):
        rivals.follow(seen((0, 0), ((x, 0), 0.9)), SIZE)
    for _ in range(frames):
        rivals.follow(seen((0, 0)), SIZE)
    assert len(rivals.known) == 1
    rivals.follow(seen((0, 0)), SIZE)
    assert rivals.known == []
