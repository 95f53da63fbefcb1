from __future__ import annotations

import math

import pytest

from siamtrack.tracking.confidence import SCORE_DROP, SCORE_WEIGHT, Confidence, log_odds, shape_change, sigmoid
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.decode import Candidate


def test_a_logit_weighs_what_was_seen() -> None:
    confidence = Confidence(TrackerConfig(score_weights=(0.5, 0.25, 2.0, -3.0), score_offset=-1.0), 1.0)
    assert confidence.logit(Candidate((0, 0), (1, 1), 4.0, 8.0, 1.5)) == pytest.approx(2 + 2 + 3 - 1)
    assert confidence.logit(Candidate((0, 0), (1, 1), 4.0, 8.0, 1.5, (1.0, math.exp(0.25)))) == pytest.approx(6 - 3 * 0.5)


@pytest.mark.parametrize("factor", [1.7, 1 / 1.7])
def test_a_shape_has_changed_as_far_as_the_target_or_the_box_that_is_seen(factor: float) -> None:
    known, seen = (Candidate((0, 0), (1, 1), 0, 0, 0, each) for each in ((0.4 * factor, 0.4), (0.4, 0.4 * factor)))
    assert shape_change(known, 0.4) == shape_change(seen, 0.4) == pytest.approx(math.sqrt(math.log(1.7)))
    assert shape_change(Candidate((0, 0), (1, 1), 0, 0, 0, (0.4, 0.4)), 0.4) == 0


def test_the_score_takes_a_share_of_each_frame_and_begins_anew_where_the_last_ones_say_nothing() -> None:
    confidence = Confidence(TrackerConfig(tracking_score=0.8), 1.0)
    first = confidence.score(-2.0, afresh=False)
    assert log_odds(first) == pytest.approx((1 - SCORE_WEIGHT) * log_odds(0.8) - 2 * SCORE_WEIGHT)
    assert confidence.score(-2.0, afresh=False) < first
    assert confidence.score(1.5, afresh=True) == pytest.approx(sigmoid(1.5))


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_extreme_thresholds_leave_the_score_finite(threshold: float) -> None:
    confidence = Confidence(TrackerConfig(tracking_score=1.0, doubt_score=threshold, lost_score=threshold), 1.0)
    confidence.note(2.0)
    assert confidence.mean_logit == pytest.approx(2.0)
    assert 0 < confidence.score(2.0, afresh=False) < 1
    lowest = Confidence(TrackerConfig(tracking_score=0.0, doubt_score=0.0, lost_score=0.0), 1.0)
    lowest.note(2.0)
    assert lowest.mean_logit == pytest.approx(2.0)


def test_a_target_is_missing_where_it_scores_low_and_far_below_its_mean() -> None:
    confidence = Confidence(TrackerConfig(tracking_score=0.9, doubt_score=0.8, lost_score=0.5), 1.0)
    confidence.note(1.0)
    assert confidence.is_missing(1.0 - SCORE_DROP - 0.01)
    assert not confidence.is_missing(1.0 - SCORE_DROP + 0.01), "it always looked like that"
    confidence.note(50.0)
    assert not confidence.is_missing(0.1), "far below its mean, and still likelier than not"


def test_over_a_cut_a_target_is_kept_only_if_it_is_seen_as_well_as_a_lost_one_must_be() -> None:
    confidence = Confidence(TrackerConfig(tracking_score=0.85, doubt_score=0.8, lost_score=0.42), 1.0)
    black = 0.0  # log-odds that a black frame was seen to have
    assert not confidence.is_missing(black)
    assert confidence.is_missing(black, cut=True)
    assert confidence.is_missing(confidence.stay_logit - 0.01, cut=True)
    assert not confidence.is_missing(confidence.stay_logit, cut=True)
