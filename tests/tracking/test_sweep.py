from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.sweep import NEAR, Sweep

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


def test_the_tiles_around_take_turns_with_the_others_from_near_to_far() -> None:
    last_xy = (100.0, 80.0)
    sweep = Sweep(last_xy, (640, 360), 60.0)
    looks = [sweep.next() for _ in range(2 * len(sweep.tiles))]
    assert sweep.tiles[0] == last_xy
    assert last_xy not in looks
    assert looks[: 2 * NEAR : 2] == sweep.tiles[1 : NEAR + 1] == looks[2 * NEAR : 4 * NEAR : 2]
    assert looks[1 : 2 * len(sweep.tiles[NEAR + 1 :]) : 2] == sweep.tiles[NEAR + 1 :]
    assert all(math.dist(xy, last_xy) < 60 * 1.5 for xy in looks[::2])


def test_small_frames_have_few_tiles() -> None:
    alone = Sweep((20.0, 20.0), (40, 40), 100.0)
    assert [alone.next() for _ in range(3)] == [(20.0, 20.0)] * 3
    pair = Sweep((20.0, 20.0), (40, 140), 100.0)
    assert [pair.next() for _ in range(3)] == [(20.0, 120.0)] * 3
