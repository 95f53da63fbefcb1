from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.redetection import NEAR_TILES, PATIENCE, Redetection, Tiles

frames = st.tuples(st.integers(16, 2000), st.integers(16, 2000))


@given(frames, st.floats(0, 1), st.floats(0, 1), st.floats(40, 900), st.floats(0, 1), st.floats(0, 1))
def test_every_place_of_the_frame_is_seen(
    frame_wh: tuple[int, int], ax: float, ay: float, reach: float, px: float, py: float
) -> None:
    tiles = Tiles((ax * frame_wh[0], ay * frame_wh[1]), frame_wh, reach)
    x, y = px * frame_wh[0], py * frame_wh[1]
    assert any(max(abs(x - tx), abs(y - ty)) <= reach / 2 + 1e-6 for tx, ty in tiles.centers)
    assert all(0 <= tx <= frame_wh[0] and 0 <= ty <= frame_wh[1] for tx, ty in tiles.centers)
    assert len(set(tiles.centers)) == len(tiles.centers)


def test_the_tiles_around_take_turns_with_the_others_from_near_to_far() -> None:
    last_xy = (100.0, 80.0)
    tiles = Tiles(last_xy, (640, 360), 60.0)
    turns = [tiles.at(turn) for turn in range(2 * len(tiles.centers))]
    assert tiles.centers[0] == last_xy
    assert last_xy not in turns
    assert turns[: 2 * NEAR_TILES : 2] == tiles.centers[1 : NEAR_TILES + 1] == turns[2 * NEAR_TILES : 4 * NEAR_TILES : 2]
    assert turns[1 : 2 * len(tiles.centers[NEAR_TILES + 1 :]) : 2] == tiles.centers[NEAR_TILES + 1 :]
    assert all(math.dist(xy, last_xy) < 60 * 1.5 for xy in turns[::2])


def test_tiles_equally_far_away_go_row_by_row_whatever_rounding_says() -> None:
    def steps(x: float) -> list[tuple[int, int]]:
        tiles = Tiles((x, 119.4219), (640, 360), 54.217)
        return [(round((tx - x) / 54.217), round((ty - 119.4219) / 54.217)) for tx, ty in tiles.centers]

    expected = steps(398.0917)
    assert expected[1:9] == [(0, -1), (-1, 0), (1, 0), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)]
    assert all(steps(398.0917 + k * 2**-44) == expected for k in range(-20, 21))


def test_small_frames_have_few_tiles() -> None:
    alone = Tiles((20.0, 20.0), (40, 40), 100.0)
    assert [alone.at(turn) for turn in range(3)] == [(20.0, 20.0)] * 3
    pair = Tiles((20.0, 20.0), (40, 140), 100.0)
    assert [pair.at(turn) for turn in range(3)] == [(20.0, 120.0)] * 3


HERE = SearchRegion((200.0, 150.0), 120.0, 223)


def redetection(cut: bool = False, sizes: tuple[int, ...] = (223,)) -> Redetection:
    return Redetection((40.0, 60.0), (320, 240), 60.0, sizes, cut)


def test_one_region_where_the_target_was_lost_and_one_elsewhere() -> None:
    one = redetection()
    here, there = one.regions(HERE)
    assert here is HERE
    assert there.center_xy != HERE.center_xy
    assert (there.side, there.size) == (HERE.side, HERE.size)
    assert one.regions(HERE) == [here, there]  # until they were searched: the network may fail
    one.searched()
    assert one.regions(HERE)[1].center_xy != there.center_xy


@pytest.mark.parametrize(("sizes", "every"), [((191, 255), 2), ((191, 223), 2), ((159, 255), 3), ((255, 255), 1)])
def test_tiles_are_as_far_apart_as_the_budget_wants_it(sizes: tuple[int, int], every: int) -> None:
    one, region = redetection(sizes=sizes), replace(HERE, side=HERE.side * sizes[0] / HERE.size, size=sizes[0])
    turns = []
    for _ in range(12):
        turns.append(one.regions(region))
        one.searched()
    assert [len(regions) for regions in turns] == [2, *[1] * (every - 1)] * (12 // every)
    for here, there in (regions for regions in turns if len(regions) == 2):
        assert (here.size, there.size) == sizes
        assert there.side / there.size == pytest.approx(here.side / here.size)


def test_without_a_sign_the_target_is_awaited_where_it_was_last_seen() -> None:
    one = redetection()
    for _ in range(PATIENCE):
        assert one.regions(HERE)[0] is HERE
        one.note(sign=False)
    assert one.regions(HERE)[0].center_xy == (40, 60)
    assert not one.in_place
    one.note(sign=True)  # waiting has begun: a doubt in between does not end it
    assert one.regions(HERE)[0].center_xy == (40, 60)


def test_a_sign_renews_the_patience() -> None:
    one = redetection()
    for i in range(3 * PATIENCE):
        one.note(sign=i % (PATIENCE - 1) == 0)
    assert not one.awaited


@pytest.mark.parametrize("cut", [True, False])
def test_after_a_cut_there_is_nothing_to_wait_for(cut: bool) -> None:
    assert redetection(cut).awaited == cut
    assert redetection(cut).in_place != cut


def test_what_was_found_elsewhere_is_not_in_place() -> None:
    one = redetection()
    one.left_place = True
    assert not one.in_place
