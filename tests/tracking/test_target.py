from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.frames import Image
from siamtrack.tracking import target as module
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.decode import Candidate
from siamtrack.tracking.network import Floats, Response, Search
from siamtrack.tracking.redetection import PATIENCE, Redetection
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.state import DOUBT_FRAMES, LOST_FRAMES, Phase
from siamtrack.tracking.target import Target

FRAME = np.zeros((240, 320, 3), np.uint8)
U, L = State.UNCERTAIN, State.LOST


class Blind:
    """A network that sees nothing: targets are told what was seen."""

    padded = False

    def embed_exemplar(self, crop: Image) -> tuple[Floats, None]:
        return np.ones((2, 6, 6), np.float32), None

    def respond(self, image: Image, searches: Sequence[Search]) -> list[Response]:
        raise AssertionError("a target asks for no response")


def target_of(config: TrackerConfig) -> Target:
    return Target(FRAME, (100, 80, 60, 40), config, Blind())


def seen(xy: tuple[float, float], logit: float = 0.0, scale_wh: tuple[float, float] = (1, 1)) -> Candidate:
    return Candidate(xy, scale_wh, logit, 0.0)


def step(target: Target, candidates: Sequence[Candidate], cut: bool = False) -> TrackResult:
    """What a tracker does with the candidates of a frame."""
    return target.judge(target.follow(target.search_regions(), candidates), cut)


def side_of(target: Target) -> float:
    return target.search_regions()[0].side


def test_the_search_side_stays_within_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIDE_LIMITS", (0.9, 1.1))
    target = target_of(TrackerConfig())
    first = side_of(target)
    for change, limit in ((1.5, 1.1), (0.5, 0.9)):
        for _ in range(10):
            step(target, [seen((130, 100), scale_wh=(change, change))])
        assert side_of(target) == pytest.approx(limit * first)


@given(
    st.lists(
        st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000), st.floats(0.05, 20), st.floats(0.05, 20), st.floats(-99, 99)),
        max_size=20,
    )
)
def test_whatever_is_seen_the_box_stays_in_the_frame(frames: list[tuple[float, float, float, float, float]]) -> None:
    target = target_of(TrackerConfig())
    for x, y, wider, higher, value in frames:
        looks = len(target.search_regions())
        result = step(target, [seen((x, y), value, (wider, higher))] * looks)
        assert result.box.x >= 0
        assert result.box.y >= 0
        assert 1 - 1e-9 <= result.box.w <= 320 - result.box.x + 1e-6
        assert 1 - 1e-9 <= result.box.h <= 240 - result.box.y + 1e-6
        assert 0 <= result.score <= 1


def test_the_state_follows_the_score() -> None:
    target = target_of(TrackerConfig(tracking_score=0.5, lost_score=0.2, redetect=False))
    states = [step(target, [seen((130, 100), value)]).state for value in (0.1, -0.1, -3.0, -3.0, -3.0)]
    assert states == [State.TRACKING, *[State.UNCERTAIN] * 3, State.LOST]
    assert target.first.state is State.TRACKING


@pytest.mark.parametrize(("redetect", "lost"), [(False, 255), (True, 191)])  # with it, tiles see what is further away
def test_the_search_region_grows_with_the_motion_and_not_with_a_doubt(redetect: bool, lost: int) -> None:
    config = TrackerConfig(search_size=223, search_sizes=(191, 223, 255), redetect=redetect)
    target = target_of(config)  # its exemplar's square is 100 px: a stride of 10 px is one of 13 in a crop
    sizes, x = [], 130.0
    for stride, value in (
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
        x += stride
        result = step(target, [seen((x, 100), value)])
        sizes.append((target.search_regions()[0].size, result.state))
    t, u = State.TRACKING, State.UNCERTAIN
    expected = [(191, t), (191, u), (223, t), *[(255, t)] * 3, (191, t), *[(191, u)] * 2, (lost, State.LOST)]
    assert sizes == expected


LOST = -9.0
"""A value whose score is next to nothing."""
SURE = 9.0


def lost_target(**settings: Any) -> Target:
    target = target_of(TrackerConfig(**settings))
    for _ in range(2):
        step(target, [seen((140, 110), SURE, (1.1, 1.1))])
    for _ in range(LOST_FRAMES):
        step(target, [seen((145, 115), LOST, (1.5, 1.5))])
    return target


def test_a_lost_target_keeps_the_size_that_it_was_last_surely_seen_with() -> None:
    target = lost_target()
    for _ in range(5):
        assert len(target.search_regions()) == 2
        assert target.size_wh == pytest.approx((60 * 1.21, 40 * 1.21))
        assert step(target, [seen((145, 115), LOST, (1.5, 1.5)), seen((20, 20), LOST)]).state is State.LOST


def test_a_lost_target_is_looked_for_all_over_the_frame_and_awaited_where_it_was_seen() -> None:
    target = lost_target()
    places = []
    for i in range(60):
        here, there = target.search_regions()
        assert here.center_xy == ((145, 115) if i < PATIENCE else (140, 110))
        assert there.side == here.side
        places += [here.center_xy, there.center_xy]
        step(target, [seen((145, 115), LOST), seen((0, 0), LOST)])
    for corner in ((0, 0), (320, 0), (0, 240), (320, 240)):
        reach = here.side * (1 - 127 / 255) / 2
        assert any(max(abs(x - corner[0]), abs(y - corner[1])) <= reach for x, y in places)


@pytest.mark.parametrize("sizes", [(191, 223, 255), (191, 223), (255,)])
def test_a_lost_target_costs_at_most_twice_a_tracked_one(sizes: tuple[int, ...]) -> None:
    config = TrackerConfig(search_size=sizes[-1], search_sizes=sizes)
    target = lost_target(search_size=sizes[-1], search_sizes=sizes)
    (tracked,) = target_of(config).search_regions()
    pixels = [sum(region.size**2 for region in search(target)) for _ in range(60)]
    assert max(pixels) > tracked.size**2  # it is looked for elsewhere
    assert sum(pixels) / len(pixels) <= 2 * tracked.size**2


def search(target: Target) -> list[SearchRegion]:
    """The regions of the next frame, in which nothing is seen."""
    regions = target.search_regions()
    assert step(target, [seen((145, 115), LOST)] * len(regions)).state is State.LOST
    return regions


def test_tiles_take_the_largest_crop_and_the_place_of_the_loss_the_smallest() -> None:
    target = lost_target(search_size=223, search_sizes=(191, 223, 255))
    found = [search(target) for _ in range(6)]
    assert [[region.size for region in regions] for regions in found] == [[191, 255], [191]] * 3
    for here, there in found[::2]:
        assert there.side / here.side == pytest.approx(255 / 191)  # a pixel of the frame is as large in both
    assert len({there.center_xy for _, there in found[::2]}) == 3


def test_after_a_cut_it_is_awaited_there_at_once() -> None:
    target = target_of(TrackerConfig())
    step(target, [seen((140, 110), SURE)])
    assert step(target, [seen((200, 150), LOST)], cut=True).state is State.LOST
    here, _ = target.search_regions()
    assert here.center_xy == (140, 110)


@pytest.mark.parametrize(
    ("value", "elsewhere", "state"),
    [(SURE, False, State.TRACKING), (-0.5, False, State.LOST), (SURE, True, State.LOST)],
)
def test_a_second_cut_brings_back_what_is_surely_seen_where_it_was_lost(value: float, elsewhere: bool, state: State) -> None:
    target = target_of(TrackerConfig())
    step(target, [seen((140, 110), SURE)])
    step(target, [seen((200, 150), LOST)], cut=True)
    for _ in range(3):
        target.search_regions()
        step(target, [seen((140, 110), LOST)] * 2)
    here, there = seen((140, 110), LOST if elsewhere else value), seen((250, 60), value if elsewhere else LOST)
    assert step(target, [here, there], cut=True).state is state


def test_a_find_elsewhere_is_gone_to_at_once_and_claimed_when_it_has_held() -> None:
    target = lost_target()
    first = step(target, [seen((145, 115), LOST), seen((250, 60), SURE)])
    assert first.state is State.LOST
    assert first.box.center_xy == pytest.approx((250, 60))
    for expected in (State.LOST, State.TRACKING):
        (here,) = target.search_regions()
        assert here.center_xy == (250, 60)
        assert step(target, [seen((250, 60), SURE)]).state is expected
    assert len(target.search_regions()) == 1


def test_a_loss_that_is_taken_back_ends_the_search() -> None:
    target = lost_target(tracking_score=0.9, doubt_score=0.9)
    for _ in range(3):
        here, *there = target.search_regions()
        result = step(target, [seen(here.center_xy, 0.5), *(seen((20, 20), LOST) for _ in there)])
    assert result.state is State.UNCERTAIN
    (here,) = target.search_regions()
    assert here.center_xy == result.box.center_xy


@pytest.mark.parametrize(("frames_unseen", "cut", "state"), [(0, False, U), (PATIENCE, False, L), (0, True, L)])
def test_a_target_that_never_went_is_no_longer_called_lost(frames_unseen: int, cut: bool, state: State) -> None:
    target = lost_target(lost_score=0.2, redetect_slack=0.0)
    if cut:
        target = target_of(TrackerConfig(lost_score=0.2, redetect_slack=0.0))
        step(target, [seen((145, 115), SURE)])
        step(target, [seen((145, 115), LOST)], cut=True)
    changed = -1.0  # scores 0.27: the target has changed, and is no find
    for value in [LOST] * frames_unseen + [changed] * DOUBT_FRAMES:
        here, *there = target.search_regions()
        result = step(target, [seen(here.center_xy, value), *(seen((20, 20), LOST) for _ in there)])
    assert result.state is state
    assert (len(target.search_regions()) == 1) == (state is U), "who is not lost is not looked for elsewhere"


def test_a_find_that_does_not_hold_is_dropped_and_the_tiled_search_goes_on() -> None:
    target = lost_target()
    step(target, [seen((145, 115), LOST), seen((250, 60), SURE)])
    assert step(target, [seen((250, 60), LOST)]).state is State.LOST
    assert len(target.search_regions()) == 2


def test_what_is_seen_elsewhere_does_not_count_below_the_threshold() -> None:
    target = lost_target(redetect_slack=99.0, redetect_score=0.9)
    result = step(target, [seen((145, 115), LOST), seen((250, 60), 1.0)])
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
    config = TrackerConfig(tracking_score=0.4, doubt_score=0.4, redetect_slack=1.0)
    for place, expected in (((250, 60), elsewhere), ((130, 100), where_lost)):
        target = target_of(config)
        for score in [usual] * 20 + [LOST] * (PATIENCE + 4):
            step(target, [seen((130, 100), score)] * len(target.search_regions()))
        for _ in range(3):
            here, *there = target.search_regions()
            found = seen(place, value)
            around = found if here.center_xy == place else seen(here.center_xy, LOST)
            result = step(target, [around, *(found for _ in there)])
        assert result.state is expected


@pytest.mark.parametrize(("redetect_score", "found"), [(0.0, True), (1.0, False)])
def test_thresholds_may_be_nought_and_one(redetect_score: float, found: bool) -> None:
    scores = {"lost_score": 0.0, "doubt_score": 0.0, "tracking_score": 0.0} if found else {}
    target = target_of(TrackerConfig(redetect_score=redetect_score, redetect_slack=99.0, **scores))
    step(target, [seen((130, 100), SURE)])
    target._phase, target._redetection = Phase(State.LOST), Redetection((130, 100), target.frame_wh, 60, (255,), cut=False)
    target._redetection.left_place = True
    states = [step(target, [seen((130, 100), SURE)]).state for _ in range(3)]
    assert (states[-1] is State.TRACKING) == found


def test_a_target_with_distractors_is_not_left_for_them() -> None:
    target = lost_target(redetect_slack=99.0)
    stay = step(target, [seen((145, 115), 0.5), seen((250, 60), 2.0)])
    assert stay.box.center_xy == pytest.approx((145, 115))
    leave = step(target, [seen((145, 115), -0.5), seen((250, 60), 2.0)])
    assert leave.box.center_xy == pytest.approx((250, 60))


def test_without_redetection_a_lost_target_is_followed_as_before() -> None:
    target = lost_target(redetect=False)
    assert len(target.search_regions()) == 1
    assert target.size_wh == pytest.approx((60 * 1.21 * 1.5**LOST_FRAMES, 40 * 1.21 * 1.5**LOST_FRAMES))
