from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.locator import Sighting
from siamtrack.tracking.result import State
from siamtrack.tracking.settings import TrackerConfig
from siamtrack.tracking.target import Target

FRAME = np.zeros((240, 320, 3), np.uint8)


def test_the_search_side_stays_within_its_limits() -> None:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig(search_side_min=0.9, search_side_max=1.1))
    first = target.search_side
    for growth, limit in ((1.5, 1.1), (0.5, 0.9)):
        for _ in range(10):
            target.follow(Sighting((130, 100), (growth, growth), 0.0))
        assert target.search_side == pytest.approx(limit * first)


@given(
    st.lists(
        st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000), st.floats(0.05, 20), st.floats(0.05, 20), st.floats(-99, 99)),
        max_size=20,
    )
)
def test_whatever_is_seen_the_box_stays_in_the_frame(seen: list[tuple[float, float, float, float, float]]) -> None:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig())
    for x, y, wider, higher, value in seen:
        result = target.follow(Sighting((x, y), (wider, higher), value))
        assert result.box.x >= 0
        assert result.box.y >= 0
        assert 1 - 1e-9 <= result.box.w <= 320 - result.box.x + 1e-6
        assert 1 - 1e-9 <= result.box.h <= 240 - result.box.y + 1e-6
        assert 0 <= result.score <= 1


def test_the_state_follows_the_score() -> None:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig(tracking_score=0.5, lost_score=0.2))
    states = [target.follow(Sighting((130, 100), (1, 1), value)).state for value in (0.1, -0.1, -3.0)]
    assert states == [State.TRACKING, State.UNCERTAIN, State.LOST]
    assert target.first.state is State.TRACKING


def test_a_frame_of_another_size_is_refused() -> None:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig())
    with pytest.raises(ValueError, match="frame is 200x240, the first one was 320x240"):
        target.search_view(FRAME[:, :200])
