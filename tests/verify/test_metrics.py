import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.verify.metrics import FLATTEST, Calibration, calibrate, roc, sample_pairs

# Small whole numbers, so that ties are many.
tied_pairs = (
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=40)
    .filter(lambda rows: len({same for _, same in rows}) == 2)
    .map(lambda rows: (np.array([value for value, _ in rows], float), np.array([same for _, same in rows])))
)


def gaussians(apart: float, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Distances of same pairs about 0 and of different ones about `apart`, both with standard deviation 1."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(0, 1, count), rng.normal(apart, 1, count)]), np.arange(2 * count) < count


def phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


# ---- ROC


@given(tied_pairs)
def test_every_point_is_what_counting_gives(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    distances, same = pairs
    found = roc(distances, same)
    assert found.thresholds.tolist() == [-np.inf, *sorted(set(distances.tolist()))]
    assert found.false_accept.tolist() == [(distances[~same] <= t).mean() for t in found.thresholds]
    assert found.true_accept.tolist() == [(distances[same] <= t).mean() for t in found.thresholds]
    assert (found.same_pairs, found.different_pairs) == (same.sum(), (~same).sum())
    assert (found.false_accept[0], found.true_accept[0], found.false_accept[-1], found.true_accept[-1]) == (0, 0, 1, 1)


@given(tied_pairs)
def test_the_area_is_the_share_of_rightly_ordered_pairs_of_pairs(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    distances, same = pairs
    near, far = distances[same][:, None], distances[~same][None]
    assert roc(distances, same).auc == pytest.approx(((near < far) + 0.5 * (near == far)).mean(), abs=1e-12)


@given(tied_pairs)
def test_the_equal_error_rate_lies_where_the_curve_meets_the_falling_diagonal(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    found = roc(*pairs)
    rate, threshold = found.eer()
    # On the curve through the points, at (rate, 1 - rate): along the diagonal both coordinates are monotone.
    x = found.false_accept + found.true_accept
    assert rate == pytest.approx(np.interp(1, x, found.false_accept), abs=1e-9)
    assert 1 - rate == pytest.approx(np.interp(1, x, found.true_accept), abs=1e-9)
    # Below its threshold fewer different pairs are accepted than same ones refused, above it at least as many.
    excess = x - 1
    below, above = found.thresholds < threshold - 1e-9, found.thresholds > threshold + 1e-9
    assert (excess[below] <= 1e-12).all()
    assert (excess[above] > 0).all()


@given(tied_pairs, st.integers(1, 60))
def test_a_threshold_never_exceeds_the_wanted_rate_and_the_next_one_does(
    pairs: tuple[np.ndarray, np.ndarray], parts: int
) -> None:
    distances, same = pairs
    found, rate, different = roc(distances, same), 1 / parts, distances[~same]
    if len(different) < parts:
        with pytest.raises(ValueError, match=rf"^{len(different)} different pairs .* it takes {parts} or more"):
            found.threshold_at(rate)
        return
    threshold = found.threshold_at(rate)
    assert (different <= threshold).mean() <= rate
    larger = distances[distances > threshold]
    if larger.size:
        assert (different <= larger.min()).mean() > rate
    assert found.true_accept_at(rate) == (distances[same] <= threshold).mean()


def test_perfect_reversed_and_no_separation() -> None:
    same = np.array([True, True, False, False])
    perfect = roc([1, 2, 6, 7], same)
    assert (perfect.auc, perfect.eer(), perfect.threshold_at(0.5), perfect.true_accept_at(0.5)) == (1, (0, 4), 6, 1)
    reversed_ = roc([6, 7, 1, 2], same)
    assert (reversed_.auc, reversed_.eer()) == (0, (1, 4))
    assert reversed_.true_accept_at(0.5) == 0
    alike = roc([3, 3, 3, 3], same)
    assert (alike.auc, alike.eer()) == (0.5, (0.5, 3))
    assert alike.threshold_at(0.5) == -np.inf


def test_two_gaussians_have_the_error_rates_of_the_closed_form() -> None:
    found = roc(*gaussians(2.0, 200_000))
    rate, threshold = found.eer()
    assert rate == pytest.approx(phi(-1), abs=2e-3)
    assert threshold == pytest.approx(1, abs=0.01)
    assert found.auc == pytest.approx(phi(2 / math.sqrt(2)), abs=2e-3)
    # Accepted wrongly: below z standard deviations left of 2; rightly: below the same threshold.
    assert found.threshold_at(0.01) == pytest.approx(2 - 2.3263, abs=0.03)
    assert found.true_accept_at(0.01) == pytest.approx(phi(2 - 2.3263), abs=0.01)


def test_rates_whose_reciprocal_rounds_are_not_refused() -> None:
    for count in range(1, 300):
        found = roc(np.arange(count + 1), np.arange(count + 1) == 0)
        assert found.threshold_at(1 / count) == 1


def test_what_cannot_be_measured_is_refused_with_the_numbers() -> None:
    found = roc(np.arange(20), np.arange(20) < 10)
    with pytest.raises(ValueError, match=r"10 different pairs .* of 0\.001: it takes 1000 or more"):
        found.threshold_at(0.001)
    with pytest.raises(ValueError, match="10 different pairs"):
        found.true_accept_at(0.001)
    for rate in (0, -0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="must be above 0"):
            found.threshold_at(rate)


@pytest.mark.parametrize("use", [roc, calibrate])
def test_pairs_that_do_not_make_sense_are_refused(use: object) -> None:
    for distances, same, message in (
        ([1, np.nan], [True, False], "1 of 2 distances are NaN"),
        ([1, np.inf], [True, False], "1 of 2 distances are NaN or infinite"),
        ([1, 2], [True, True], "2 same and 0 different"),
        ([1, 2], [False, False], "0 same and 2 different"),
        ([], [], "0 same and 0 different"),
        ([1, 2, 3], [True, False], r"\(3,\) and same \(2,\)"),
        ([[1, 2]], [[True, False]], r"\(1, 2\)"),
        ([1, 2], [1, 0], "type int64"),
    ):
        with pytest.raises(ValueError, match=message):
            use(distances, same)  # type: ignore[operator]


# ---- calibration


def smoothed_loss(slope: float, midpoint: float, distances: np.ndarray, same: np.ndarray) -> float:
    """The definition, written out: mean cross-entropy of each kind against Platt's targets."""
    total = 0.0
    for kind, target in ((True, (same.sum() + 1) / (same.sum() + 2)), (False, 1 / ((~same).sum() + 2))):
        logit = slope * (midpoint - distances[same == kind])
        total += 0.5 * float(np.mean(np.logaddexp(0, logit) - target * logit))
    return total


def test_the_fit_is_the_minimum_that_a_general_optimiser_finds() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(3)
    for same_count, different_count, apart, scale in ((30, 30, 1.0, 1.0), (10, 400, 2.0, 0.01), (200, 5, 3.0, 1e4)):
        distances = scale * np.concatenate([rng.normal(5, 1, same_count), rng.normal(5 + apart, 2, different_count)])
        same = np.arange(len(distances)) < same_count
        found = calibrate(distances, same)
        best = optimize.minimize(
            lambda x, d=distances, s=same, u=scale: smoothed_loss(x[0] / u, x[1] * u, d, s), [1.0, 5.0], tol=1e-12
        )
        assert found.slope * scale == pytest.approx(best.x[0], rel=1e-3)
        assert found.midpoint / scale == pytest.approx(best.x[1], rel=1e-3)
        assert smoothed_loss(found.slope, found.midpoint, distances, same) <= best.fun + 1e-9


def test_two_gaussians_give_the_logistic_of_the_closed_form_whatever_their_numbers() -> None:
    distances, same = gaussians(2.0, 50_000)
    kept = same | (np.arange(len(same)) % 10 == 0)
    for chosen in (np.ones_like(same), kept):
        found = calibrate(distances[chosen], same[chosen])
        assert found.slope == pytest.approx(2, abs=0.05)
        assert found.midpoint == pytest.approx(1, abs=0.03)


@given(tied_pairs, st.sampled_from([1e-200, 1e-6, 1.0, 1e6]), st.sampled_from([0.0, 7.0]))
def test_the_calibration_is_finite_and_falls_whatever_the_distances(
    pairs: tuple[np.ndarray, np.ndarray], unit: float, shift: float
) -> None:
    distances = unit * (pairs[0] + shift)
    found = calibrate(distances, pairs[1])
    assert 0 < found.slope < math.inf
    assert math.isfinite(found.midpoint)
    line = found.probability(np.linspace(distances.min() - unit, distances.max() + unit, 50))
    assert ((line >= 0) & (line <= 1)).all()
    assert (np.diff(line) <= 0).all()
    again = calibrate(distances, pairs[1])
    assert (again.slope, again.midpoint) == (found.slope, found.midpoint)


@pytest.mark.parametrize("count", [1, 5, 100, 100_000])
def test_separable_pairs_get_a_finite_slope_that_grows_with_their_number(count: int) -> None:
    same = np.arange(2 * count) < count
    found = calibrate(np.where(same, 1.0, 3.0), same)
    # Two distances alone are fitted exactly: each gets its smoothed target.
    assert found.midpoint == pytest.approx(2)
    assert found.probability(1.0) == pytest.approx((count + 1) / (count + 2), rel=1e-6)
    assert found.probability(3.0) == pytest.approx(1 / (count + 2), rel=1e-6)


def test_far_apart_kinds_and_one_far_outlier_do_not_break_the_fit() -> None:
    distances, same = gaussians(50.0, 5000)
    assert 20 < calibrate(distances, same).midpoint < 30
    distances[-1] = 1000  # a hundred times as far out as all others
    found = calibrate(distances, same)
    assert found.probability(0.0) > 0.99
    assert found.probability(50.0) < 0.01


def test_distances_that_do_not_separate_give_even_chances() -> None:
    distances, same = gaussians(2.0, 200)
    for wrong in (-distances, np.full(400, 0.3), np.full(400, 0.1) + 1e-17 * distances):
        found = calibrate(wrong, same)
        assert found.slope > 0
        assert found.probability(wrong) == pytest.approx(np.full(400, 0.5), abs=0.01)
    constant = calibrate(np.full(400, 0.3), same)
    assert (constant.slope, constant.midpoint) == pytest.approx((FLATTEST, 0.3))


@pytest.mark.filterwarnings("error")
def test_probabilities_neither_overflow_nor_lose_their_tail() -> None:
    found = Calibration(2.0, 1.0)
    assert found.probability(1.0) == 0.5
    assert found.probability(np.array([[-1e308, 1e308], [-np.inf, np.inf]])).tolist() == [[1, 0], [1, 0]]
    assert Calibration(1e300, 0.0).probability(1e300) == 0
    assert found.probability(101.0) == pytest.approx(math.exp(-200), rel=1e-12)
    assert math.isnan(found.probability(math.nan))


def test_a_calibration_that_does_not_fall_is_refused() -> None:
    for slope, midpoint in ((0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan)):
        with pytest.raises(ValueError, match="the slope above 0"):
            Calibration(slope, midpoint)


# ---- pairs


@given(st.lists(st.integers(-3, 6), min_size=1, max_size=30), st.integers(2, 200), st.integers(0, 10))
@settings(max_examples=200)
def test_sampled_pairs_are_right_balanced_and_never_twice(labels: list[int], count: int, seed: int) -> None:
    classes = np.array(labels)
    every = list(itertools.combinations(range(len(classes)), 2))
    same_total = sum(labels[i] == labels[j] for i, j in every)
    wanted = min(count // 2, same_total, len(every) - same_total)
    if not wanted:
        with pytest.raises(ValueError, match=f"make {same_total} same pairs and {len(every) - same_total} different"):
            sample_pairs(classes, count, np.random.default_rng(seed))
        return
    first, second, same = sample_pairs(classes, count, np.random.default_rng(seed))
    assert (first.dtype, second.dtype, same.dtype) == (np.int64, np.int64, np.bool_)
    assert (len(first), len(second), len(same), same.sum()) == (2 * wanted, 2 * wanted, 2 * wanted, wanted)
    assert (first < second).all()
    assert ((classes[first] == classes[second]) == same).all()
    assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == 2 * wanted
    again = sample_pairs(classes, count, np.random.default_rng(seed))
    assert all((a == b).all() for a, b in zip(again, (first, second, same), strict=True))


def test_same_pairs_are_drawn_evenly_and_different_ones_evenly_over_classes() -> None:
    # One class of 400 items and four of 10: by items nearly every different pair would have one of the big class.
    classes = np.repeat(np.arange(5), [400, 10, 10, 10, 10])
    first, second, same = sample_pairs(classes, 400, np.random.default_rng(0))
    big = ((classes[first] == 0) | (classes[second] == 0))[~same]
    assert big.mean() == pytest.approx(4 / 10, abs=0.12)
    whole = sample_pairs(classes, 400_000, np.random.default_rng(0))
    assert whole[2].sum() == 16_600  # the different pairs are fewer than the same ones
    evenly = np.zeros((6, 6))
    for seed in range(600):
        first, second, same = sample_pairs([0, 0, 0, 0, 1, 1], 4, np.random.default_rng(seed))
        evenly[first, second] += 1
    # 7 same pairs and 8 different ones, two of each drawn 600 times.
    low, high = np.triu_indices(6, 1)
    expected = np.where((low < 4) == (high < 4), 1200 / 7, 1200 / 8)
    assert evenly[low, high] == pytest.approx(expected, abs=45)  # four standard deviations


def test_pairs_of_small_classes_come_as_often_as_those_of_large_ones() -> None:
    # Classes of 1, 1 and 30 items: the pair of the two single ones has a third of the weight.
    classes = np.array([0, 1] + [2] * 30)
    found = []
    for seed in range(400):
        first, second, same = sample_pairs(classes, 6, np.random.default_rng(seed))
        found.append((first[~same][0], second[~same][0]) == (0, 1))
    assert np.mean(found) == pytest.approx(1 / 3, abs=0.08)


def test_too_few_items_for_pairs_are_refused() -> None:
    rng = np.random.default_rng(0)
    for classes, count, message in (
        ([0, 0, 1], 1, "count 1"),
        ([[0, 0, 1]], 4, r"\(1, 3\)"),
        ([], 4, "0 items of 0 classes"),
        ([0, 0, 0], 4, "3 same pairs and 0 different"),
        ([0, 1, 2], 4, "0 same pairs and 3 different"),
    ):
        with pytest.raises(ValueError, match=message):
            sample_pairs(classes, count, rng)
