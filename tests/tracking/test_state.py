from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.result import State
from siamtrack.tracking.settings import TrackerConfig
from siamtrack.tracking.state import Phase, next_phase

CONFIG = TrackerConfig(tracking_score=0.7, doubt_score=0.5, lost_score=0.3, lost_frames=2, refind_frames=3)
T, U, L = State.TRACKING, State.UNCERTAIN, State.LOST


def states(*scores: float, phase: Phase | None = None) -> list[State]:
    phase, seen = phase or Phase(), []
    for score in scores:
        phase = next_phase(phase, score, CONFIG, convincing=score >= 0.8)
        seen.append(phase.state)
    return seen


def test_tracking_is_kept_down_to_doubt_and_regained_higher_up() -> None:
    assert states(0.6, 0.5, 0.49, 0.6, 0.69, 0.7, 0.6) == [T, T, U, U, U, T, T]


def test_one_low_score_is_not_a_loss() -> None:
    assert states(0.1, 0.4, 0.1, 0.6, 0.1, 0.1, 0.1) == [U, U, U, U, U, L, L]


def test_a_low_score_after_a_cut_is_a_loss_at_once() -> None:
    assert next_phase(Phase(), 0.1, CONFIG, cut=True).state is L
    assert next_phase(Phase(), 0.9, CONFIG, cut=True).state is T


def test_a_target_that_a_cut_brings_back_is_found_at_once_if_it_is_seen_well() -> None:
    assert next_phase(Phase(L), 0.9, CONFIG, cut=True, convincing=True).state is T
    assert next_phase(Phase(L), 0.6, CONFIG, cut=True, convincing=False).state is L


def test_a_find_must_hold() -> None:
    lost = Phase(L)
    assert states(0.8, 0.9, 0.79, 0.9, 0.9, 0.8, 0.6, phase=lost) == [L, L, L, L, L, T, T]


@given(st.lists(st.floats(0, 1), max_size=40))
def test_tracking_is_never_said_below_doubt_and_lost_never_of_a_single_frame(scores: list[float]) -> None:
    phase, low = Phase(), 0
    for score in scores:
        before, phase = phase, next_phase(phase, score, CONFIG)
        low = low + 1 if score < CONFIG.lost_score else 0
        assert phase.state is not T or score >= CONFIG.doubt_score
        if before.state is not L:
            assert (phase.state is L) == (low >= CONFIG.lost_frames)
        if phase.state is L or before.state is L:
            low = 0
