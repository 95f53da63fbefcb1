from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from siamtrack.tracking.locator import View
from siamtrack.tracking.lost_search import PATIENCE, LostSearch

HERE = View(np.zeros((240, 320, 3), np.uint8), (200.0, 150.0), (30.0, 30.0), 120.0, (0.0, 0.0, 0.0), 0.3, 223)


def search(cut: bool = False, sizes: tuple[int, ...] = (223,)) -> LostSearch:
    return LostSearch((40.0, 60.0), (320, 240), 60.0, sizes, cut)


def test_one_look_where_the_target_was_lost_and_one_elsewhere() -> None:
    one = search()
    here, there = one.views(HERE)
    assert here is HERE
    assert there.center_xy != HERE.center_xy
    assert (there.side, there.size, there.size_wh) == (HERE.side, HERE.size, HERE.size_wh)
    assert there.window_influence == 0  # anywhere in a tile is as likely
    assert one.views(HERE)[1].center_xy != there.center_xy


@pytest.mark.parametrize(("sizes", "every"), [((191, 255), 2), ((191, 223), 2), ((159, 255), 3), ((255, 255), 1)])
def test_tiles_are_as_far_apart_as_the_budget_wants_it(sizes: tuple[int, int], every: int) -> None:
    one, view = search(sizes=sizes), replace(HERE, side=HERE.side * sizes[0] / HERE.size, size=sizes[0])
    looks = [one.views(view) for _ in range(12)]
    assert [len(views) for views in looks] == [2, *[1] * (every - 1)] * (12 // every)
    for here, there in (views for views in looks if len(views) == 2):
        assert (here.size, there.size) == sizes
        assert there.side / there.size == pytest.approx(here.side / here.size)


def test_without_a_sign_the_target_is_awaited_where_it_was_last_seen() -> None:
    one = search()
    for _ in range(PATIENCE):
        assert one.views(HERE)[0] is HERE
        one.note(sign=False)
    assert one.views(HERE)[0].center_xy == (40, 60)
    assert not one.in_place
    one.note(sign=True)  # waiting has begun: a doubt in between does not end it
    assert one.views(HERE)[0].center_xy == (40, 60)


def test_a_sign_renews_the_patience() -> None:
    one = search()
    for i in range(3 * PATIENCE):
        one.note(sign=i % (PATIENCE - 1) == 0)
    assert not one.awaited


@pytest.mark.parametrize("cut", [True, False])
def test_after_a_cut_there_is_nothing_to_wait_for(cut: bool) -> None:
    assert search(cut).awaited == cut
    assert search(cut).in_place != cut


def test_what_was_found_elsewhere_is_not_in_place() -> None:
    one = search()
    one.left = True
    assert not one.in_place
