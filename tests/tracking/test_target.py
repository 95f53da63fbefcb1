from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.locator import Sighting, View
from siamtrack.tracking.lost_search import PATIENCE, LostSearch
from siamtrack.tracking.result import State
from siamtrack.tracking.state import DOUBT_FRAMES, Phase
from siamtrack.tracking.target import Target

FRAME = np.zeros((240, 320, 3), np.uint8)
U, L = State.UNCERTAIN, State.LOST


def sighting(xy: tuple[float, float], value: float = 0.0, growth_wh: tuple[float, float] = (1, 1)) -> Sighting:
    return Sighting(xy, growth_wh, value, 0.0)


def test_the_search_side_stays_within_its_limits() -> None:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig(search_side_min=0.9, search_side_max=1.1))
    first = target.search_side
    for growth, limit in ((1.5, 1.1), (0.5, 0.9)):
        for _ in range(10):
            target.follow([sighting((130, 100), growth_wh=(growth, growth))])
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
        looks = len(target.search_views(FRAME))
        result = target.follow([sighting((x, y), value, (wider, higher))] * looks)
        assert result.box.x >= 0
        assert result.box.y >= 0
        assert 1 - 1e-9 <= result.box.w <= 320 - result.box.x + 1e-6
        assert 1 - 1e-9 <= result.box.h <= 240 - result.box.y + 1e-6
        assert 0 <= result.score <= 1


def test_the_state_follows_the_score() -> None:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig(tracking_score=0.5, lost_score=0.2, redetect=False))
    states = [target.follow([sighting((130, 100), value)]).state for value in (0.1, -0.1, -3.0, -3.0, -3.0)]
    assert states == [State.TRACKING, *[State.UNCERTAIN] * 3, State.LOST]
    assert target.first.state is State.TRACKING


@pytest.mark.parametrize(("redetect", "lost"), [(False, 255), (True, 191)])  # with it, tiles see what is further away
def test_the_search_region_grows_with_the_motion_and_not_with_a_doubt(redetect: bool, lost: int) -> None:
    config = TrackerConfig(search_size=223, search_sizes=(191, 223, 255), redetect=redetect)
    target = Target(FRAME, (100, 80, 60, 40), config)  # its exemplar's square is 100 px: a step of 10 px is one of 13 in a crop
    sizes, x = [], 130.0
    for step, value in (
        (0, 1.0),
        (0, -1.0),
        (10, 1.0),
        (40, 1.0),
        (0, 1.0),
        (0, 1.0),
        (0, 1.0),
        (0, -9.0),
        (0, -9.0),
        (0, -9.0),
    ):
        x += step
        result = target.follow([sighting((x, 100), value)])
        sizes.append((target.search_views(FRAME)[0].size, result.state))
    t, u = State.TRACKING, State.UNCERTAIN
    expected = [(191, t), (191, u), (223, t), *[(255, t)] * 3, (191, t), *[(191, u)] * 2, (lost, State.LOST)]
    assert sizes == expected


def beside(xy: tuple[float, float], other_xy: tuple[float, float], value: float = 9.0) -> Sighting:
    """The target at one place, and a look-alike at another."""
    return replace(sighting(xy, value), others=(replace(sighting(other_xy, value), height=0.9),))


@pytest.mark.parametrize(("follow", "expected"), [(True, (130, 100)), (False, (180, 100))])
def test_a_look_alike_does_not_get_the_box_where_rivals_are_followed(follow: bool, expected: tuple[float, float]) -> None:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig(scale_search="box", follow_rivals=follow))
    for _ in range(6):
        target.search_views(FRAME)
        target.follow([beside((130, 100), (180, 100))])
    insight = target.insight
    assert [box.center_xy for box in insight.rivals] == ([pytest.approx((180, 100))] if follow else [])
    assert [box.center_xy for box in insight.regions] == [(130, 100)]
    assert insight.regions[0].w == pytest.approx(target.search_side)
    assert target.follow([beside((180, 100), (130, 100))]).box.center_xy == pytest.approx(expected)


def test_rivals_are_forgotten_at_a_cut_and_while_the_target_is_looked_for() -> None:
    def known(cut: bool, value: float) -> int:
        target = Target(FRAME, (100, 80, 60, 40), TrackerConfig(scale_search="box", follow_rivals=True, lost_frames=2))
        for _ in range(6):
            target.follow([beside((130, 100), (180, 100))])
        for _ in range(3):
            target.follow([beside((130, 100), (180, 100), value)], cut)
            cut = False
        return len(target.insight.rivals)

    assert (known(False, 9.0), known(False, LOST)) == (1, 0)
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig(scale_search="box", follow_rivals=True))
    target.follow([beside((130, 100), (180, 100))])
    target.follow([beside((130, 100), (180, 100))], cut=True)
    assert target.insight.rivals == ()


def test_a_frame_of_another_size_is_refused() -> None:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig())
    with pytest.raises(ValueError, match="frame is 200x240, the first one was 320x240"):
        target.search_views(FRAME[:, :200])


LOST = -9.0
"""A value whose score is next to nothing."""
SURE = 9.0


def lost_target(**settings: Any) -> Target:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig(lost_frames=2, refind_frames=3, **settings))
    for _ in range(2):
        target.follow([sighting((140, 110), SURE, (1.1, 1.1))])
    for _ in range(2):
        target.follow([sighting((145, 115), LOST, (1.5, 1.5))])
    return target


def test_a_lost_target_keeps_the_size_that_it_was_last_surely_seen_with() -> None:
    target = lost_target()
    for _ in range(5):
        here, _ = target.search_views(FRAME)
        assert here.size_wh == pytest.approx((60 * 1.21, 40 * 1.21))
        assert target.follow([sighting((145, 115), LOST, (1.5, 1.5)), sighting((20, 20), LOST)]).state is State.LOST


def test_a_lost_target_is_looked_for_all_over_the_frame_and_awaited_where_it_was_seen() -> None:
    target = lost_target()
    seen = []
    for i in range(60):
        here, there = target.search_views(FRAME)
        assert here.center_xy == ((145, 115) if i < PATIENCE else (140, 110))
        assert (here.window_influence, there.window_influence) == (target.config.window_influence, 0)
        assert there.side == here.side
        seen += [here.center_xy, there.center_xy]
        target.follow([sighting((145, 115), LOST), sighting((0, 0), LOST)])
    for corner in ((0, 0), (320, 0), (0, 240), (320, 240)):
        reach = target.search_side * (1 - 127 / 255) / 2
        assert any(max(abs(x - corner[0]), abs(y - corner[1])) <= reach for x, y in seen)


@pytest.mark.parametrize("sizes", [(191, 223, 255), (191, 223), (255,)])
def test_a_lost_target_costs_at_most_twice_a_tracked_one(sizes: tuple[int, ...]) -> None:
    target = lost_target(search_size=sizes[-1], search_sizes=sizes)
    (tracked,) = Target(FRAME, (100, 80, 60, 40), target.config).search_views(FRAME)
    pixels = [sum(view.size**2 for view in search(target)) for _ in range(60)]
    assert max(pixels) > tracked.size**2  # it is looked for elsewhere
    assert sum(pixels) / len(pixels) <= 2 * tracked.size**2


def search(target: Target) -> list[View]:
    """The views of the next frame, in which nothing is seen."""
    views = target.search_views(FRAME)
    assert target.follow([sighting((145, 115), LOST)] * len(views)).state is State.LOST
    return views


def test_tiles_take_the_largest_crop_and_the_place_of_the_loss_the_smallest() -> None:
    target = lost_target(search_size=223, search_sizes=(191, 223, 255))
    seen = [search(target) for _ in range(6)]
    assert [[view.size for view in views] for views in seen] == [[191, 255], [191]] * 3
    for here, there in seen[::2]:
        assert there.side / here.side == pytest.approx(255 / 191)  # a pixel of the frame is as large in both
    assert len({there.center_xy for _, there in seen[::2]}) == 3


def test_after_a_cut_it_is_awaited_there_at_once() -> None:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig())
    target.follow([sighting((140, 110), SURE)])
    assert target.follow([sighting((200, 150), LOST)], cut=True).state is State.LOST
    here, _ = target.search_views(FRAME)
    assert here.center_xy == (140, 110)


@pytest.mark.parametrize(
    ("value", "elsewhere", "state"),
    [(SURE, False, State.TRACKING), (-0.5, False, State.LOST), (SURE, True, State.LOST)],
)
def test_a_second_cut_brings_back_what_is_surely_seen_where_it_was_lost(value: float, elsewhere: bool, state: State) -> None:
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig())
    target.follow([sighting((140, 110), SURE)])
    target.follow([sighting((200, 150), LOST)], cut=True)
    for _ in range(3):
        target.search_views(FRAME)
        target.follow([sighting((140, 110), LOST)] * 2)
    here, there = sighting((140, 110), LOST if elsewhere else value), sighting((250, 60), value if elsewhere else LOST)
    assert target.follow([here, there], cut=True).state is state


def test_a_find_elsewhere_is_gone_to_at_once_and_claimed_when_it_has_held() -> None:
    target = lost_target()
    first = target.follow([sighting((145, 115), LOST), sighting((250, 60), SURE)])
    assert first.state is State.LOST
    assert first.box.center_xy == pytest.approx((250, 60))
    for expected in (State.LOST, State.TRACKING):
        (here,) = target.search_views(FRAME)
        assert here.center_xy == (250, 60)
        assert target.follow([sighting((250, 60), SURE)]).state is expected
    assert len(target.search_views(FRAME)) == 1


def test_a_loss_that_is_taken_back_ends_the_search() -> None:
    target = lost_target(tracking_score=0.9, doubt_score=0.9)
    for _ in range(3):
        here, *there = target.search_views(FRAME)
        result = target.follow([sighting(here.center_xy, 0.5), *(sighting((20, 20), LOST) for _ in there)])
    assert result.state is State.UNCERTAIN
    (here,) = target.search_views(FRAME)
    assert here.center_xy == result.box.center_xy


@pytest.mark.parametrize(("frames_unseen", "cut", "state"), [(0, False, U), (PATIENCE, False, L), (0, True, L)])
def test_a_target_that_never_went_is_no_longer_called_lost(frames_unseen: int, cut: bool, state: State) -> None:
    target = lost_target(lost_score=0.2, refind_slack=0.0)
    if cut:
        target = Target(FRAME, (100, 80, 60, 40), target.config)
        target.follow([sighting((145, 115), SURE)])
        target.follow([sighting((145, 115), LOST)], cut=True)
    changed = -1.0  # scores 0.27: the target has changed, and is no find
    for value in [LOST] * frames_unseen + [changed] * DOUBT_FRAMES:
        here, *there = target.search_views(FRAME)
        result = target.follow([sighting(here.center_xy, value), *(sighting((20, 20), LOST) for _ in there)])
    assert result.state is state
    assert (len(target.search_views(FRAME)) == 1) == (state is U), "who is not lost is not looked for elsewhere"


def test_a_find_that_does_not_hold_is_dropped_and_the_sweep_goes_on() -> None:
    target = lost_target()
    target.follow([sighting((145, 115), LOST), sighting((250, 60), SURE)])
    assert target.follow([sighting((250, 60), LOST)]).state is State.LOST
    assert len(target.search_views(FRAME)) == 2


def test_what_is_seen_elsewhere_does_not_count_below_the_threshold() -> None:
    target = lost_target(refind_slack=99.0, refind_score=0.9)
    result = target.follow([sighting((145, 115), LOST), sighting((250, 60), 1.0)])
    assert result.box.center_xy == pytest.approx((145, 115))


@pytest.mark.parametrize(
    ("usual", "value", "elsewhere", "where_lost"),
    [
        (SURE, SURE - 2, State.LOST, State.TRACKING),
        (SURE, SURE - 0.5, State.TRACKING, State.TRACKING),
        (1.0, 0.5, State.TRACKING, State.TRACKING),
        (1.0, -1.5, State.LOST, State.LOST),
    ],
)
def test_how_well_a_target_was_seen_says_what_is_enough_to_claim_it_again(
    usual: float, value: float, elsewhere: State, where_lost: State
) -> None:
    config = TrackerConfig(tracking_score=0.4, doubt_score=0.4, refind_slack=1.0)
    for place, expected in (((250, 60), elsewhere), ((130, 100), where_lost)):
        target = Target(FRAME, (100, 80, 60, 40), config)
        for score in [usual] * 20 + [LOST] * (PATIENCE + 4):
            target.follow([sighting((130, 100), score)] * len(target.search_views(FRAME)))
        for _ in range(3):
            here, *there = target.search_views(FRAME)
            seen = sighting(place, value)
            result = target.follow(
                [seen if here.center_xy == place else sighting(here.center_xy, LOST), *(seen for _ in there)]
            )
        assert result.state is expected


@pytest.mark.parametrize(("refind_score", "found"), [(0.0, True), (1.0, False)])
def test_thresholds_may_be_nought_and_one(refind_score: float, found: bool) -> None:
    scores = {"lost_score": 0.0, "doubt_score": 0.0, "tracking_score": 0.0} if found else {}
    target = Target(FRAME, (100, 80, 60, 40), TrackerConfig(refind_score=refind_score, refind_slack=99.0, **scores))
    target.follow([sighting((130, 100), SURE)])
    target._phase, target._search = Phase(State.LOST), LostSearch((130, 100), target.frame_wh, 60, (255,), cut=False)
    target._search.left = True
    states = [target.follow([sighting((130, 100), SURE)]).state for _ in range(3)]
    assert (states[-1] is State.TRACKING) == found


def test_a_target_that_others_resemble_is_not_left_for_them() -> None:
    target = lost_target(refind_odds=10.0, refind_slack=99.0)
    stay = target.follow([sighting((145, 115), 0.5), sighting((250, 60), 2.0)])
    assert stay.box.center_xy == pytest.approx((145, 115))
    leave = target.follow([sighting((145, 115), -0.5), sighting((250, 60), 2.0)])
    assert leave.box.center_xy == pytest.approx((250, 60))


def test_without_redetection_a_lost_target_is_followed_as_before() -> None:
    target = lost_target(redetect=False)
    (here,) = target.search_views(FRAME)
    assert here.size_wh == pytest.approx((60 * 1.21 * 2.25, 40 * 1.21 * 2.25))
