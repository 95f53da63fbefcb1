from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.result import State
from siamtrack.tracking.state import DOUBT_FRAMES, LOST_FRAMES, Phase, next_phase

CONFIG = TrackerConfig(tracking_score=0.7, doubt_score=0.5, lost_score=0.3)
T, U, L = State.TRACKING, State.UNCERTAIN, State.LOST


def states(*scores: float, phase: Phase | None = None) -> list[State]:
    phase, seen = phase or Phase(), []
    for score in scores:
        phase = next_phase(phase, score, CONFIG, score < CONFIG.lost_score, confirms=score >= 0.8)
        seen.append(phase.state)
    return seen


def test_tracking_is_kept_down_to_doubt_and_regained_higher_up() -> None:
    assert states(0.6, 0.5, 0.49, 0.6, 0.69, 0.7, 0.6) == [T, T, U, U, U, T, T]


def test_a_target_that_is_missing_is_in_doubt_whatever_the_frames_before_say() -> None:
    phase = next_phase(Phase(), 0.9, CONFIG, missing=True)
    assert (phase.state, phase.missing_frames) == (U, 1)
    assert next_phase(Phase(U, sure_frames=2, tentative=True), 0.9, CONFIG, missing=True).sure_frames == 0


def test_one_low_score_is_not_a_loss() -> None:
    assert states(0.1, 0.4, 0.1, 0.1, 0.6, 0.1, 0.1, 0.1, 0.1) == [U, U, U, U, U, U, U, L, L]


def test_a_low_score_after_a_cut_is_a_loss_at_once() -> None:
    assert next_phase(Phase(), 0.1, CONFIG, True, cut=True).state is L
    assert next_phase(Phase(), 0.9, CONFIG, False, cut=True).state is T


def test_a_target_that_a_cut_brings_back_is_found_at_once_if_it_is_seen_well() -> None:
    assert next_phase(Phase(L), 0.9, CONFIG, False, cut=True, confirms=True).state is T
    assert next_phase(Phase(L), 0.6, CONFIG, False, cut=True, confirms=False).state is L


def test_a_find_must_hold() -> None:
    lost = Phase(L)
    assert states(0.8, 0.9, 0.79, 0.9, 0.9, 0.8, 0.6, phase=lost) == [L, L, L, L, L, T, T]


def test_a_find_that_is_in_doubt_is_claimed_once_it_is_sure_for_a_while() -> None:
    tentative = states(0.8, 0.8, 0.65, 0.9, 0.9, 0.9, 0.4, phase=Phase(L, confirming_frames=1))
    assert tentative == [L, U, U, U, U, T, U], "the third sure frame in a row claims it; after that doubt is doubt again"
    assert states(0.9, 0.9, phase=Phase(U)) == [T, T], "a target that was never LOST needs one sure frame"


def test_a_cut_claims_nothing_for_a_find_that_is_in_doubt() -> None:
    assert next_phase(Phase(U, tentative=True), 0.9, CONFIG, False, cut=True).state is U


def test_a_find_in_doubt_is_lost_as_any_other_target() -> None:
    assert states(0.8, 0.8, 0.65, 0.1, 0.1, 0.1, phase=Phase(L, confirming_frames=1)) == [L, U, U, U, U, L]


def test_a_target_that_never_went_is_in_doubt_again_once_it_is_seen_on_the_average() -> None:
    scores = [0.1, 0.5] * (DOUBT_FRAMES // 2)  # 0.3 on the average, which is lost_score
    assert states(*scores, phase=Phase(L)) == [L] * (DOUBT_FRAMES - 1) + [U]
    assert states(*[score - 0.01 for score in scores], phase=Phase(L))[-1] is L, "a little less is not enough"


def test_what_is_seen_elsewhere_does_not_say_that_a_target_never_went() -> None:
    phase = Phase(L)
    for frame in range(3 * DOUBT_FRAMES):
        phase = next_phase(phase, 0.6, CONFIG, False, in_place=frame < DOUBT_FRAMES - 1)
    assert phase.state is L


@given(st.lists(st.floats(0, 1), max_size=40))
def test_tracking_is_never_said_below_doubt_and_lost_never_of_a_single_frame(scores: list[float]) -> None:
    phase, low = Phase(), 0
    for score in scores:
        before, phase = phase, next_phase(phase, score, CONFIG, score < CONFIG.lost_score)
        low = low + 1 if score < CONFIG.lost_score else 0
        assert phase.state is not T or score >= CONFIG.doubt_score
        if before.state is not L:
            assert (phase.state is L) == (low >= LOST_FRAMES)
        if phase.state is L or before.state is L:
            low = 0
