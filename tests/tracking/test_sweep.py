from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.sweep import NEIGHBOURHOOD, Sweep

frames = st.tuples(st.integers(16, 2000), st.integers(16, 2000))


@given(frames, st.floats(0, 1), st.floats(0, 1), st.floats(40, 900), st.floats(0, 1), st.floats(0, 1))
def test_every_place_of_the_frame_is_seen(
    frame_wh: tuple[int, int], ax: float, ay: float, reach: float, px: float, py: float
) -> None:
    sweep = Sweep((ax * frame_wh[0], ay * frame_wh[1]), frame_wh, reach)
    x, y = px * frame_wh[0], py * frame_wh[1]
    assert any(max(abs(x - tx), abs(y - ty)) <= reach / 2 + 1e-6 for tx, ty in sweep.tiles)
    assert all(0 <= tx <= frame_wh[0] and 0 <= ty <= frame_wh[1] for tx, ty in sweep.tiles)
    assert len(set(sweep.tiles)) == len(sweep.tiles)


def test_a_sweep_begins_where_the_target_was_seen_and_goes_outwards() -> None:
    sweep = Sweep((100.0, 80.0), (640, 360), 60.0)
    first = [sweep.next() for _ in range(NEIGHBOURHOOD)]
    assert first[0] == (100.0, 80.0)
    assert all(math.dist(xy, first[0]) < 60 * 1.5 for xy in first)
    whole = [sweep.next() for _ in sweep.tiles]
    assert whole == sweep.tiles
    assert [sweep.next() for _ in range(NEIGHBOURHOOD)] == first


def test_a_frame_of_one_tile_is_looked_at_again_and_again() -> None:
    sweep = Sweep((20.0, 20.0), (40, 40), 100.0)
    assert [sweep.next() for _ in range(5)] == [(20.0, 20.0)] * 5
