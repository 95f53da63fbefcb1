import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from siamtrack.tracking.peak import find_peak, find_peak_numpy, hann_window

maps = npst.arrays(
    np.float32, st.tuples(st.sampled_from([1, 3, 5]), st.just(17), st.just(17)), elements=st.floats(-50, 50, width=32)
)


def penalties(count: int) -> np.ndarray:
    values = np.full(count, 0.97, np.float32)
    values[count // 2] = 1
    return values


@given(maps, st.floats(0, 1))
@settings(max_examples=200)
def test_the_kernel_equals_its_numpy_twin(response: np.ndarray, influence: float) -> None:
    window = hann_window(17)
    fast = find_peak(response, penalties(len(response)), window, influence)
    slow = find_peak_numpy(response, penalties(len(response)), window, influence)
    # Ties may be broken either way by the last bit of a sum; then both cells are as good.
    if (fast.scale, round(fast.dx), round(fast.dy)) == (slow.scale, round(slow.dx), round(slow.dy)):
        assert fast.dx == pytest.approx(slow.dx, abs=1e-6)
        assert fast.dy == pytest.approx(slow.dy, abs=1e-6)
        assert (fast.row, fast.column) == (slow.row, slow.column)
    else:
        assert mixed_at(response, fast, window, influence) == pytest.approx(
            mixed_at(response, slow, window, influence), rel=1e-6
        )


def mixed_at(response: np.ndarray, peak: tuple, window: np.ndarray, influence: float) -> float:
    chosen = response[peak.scale].astype(np.float64)
    chosen -= chosen.min()
    total = chosen.sum()
    mixed = (1 - influence) * (chosen / total if total else chosen) + influence * window
    return mixed[round(peak.dy + 8), round(peak.dx + 8)]


def test_random_maps_agree_exactly() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        response = rng.normal(size=(3, 17, 17)).astype(np.float32)
        fast = find_peak(response, penalties(3), hann_window(17), 0.3)
        slow = find_peak_numpy(response, penalties(3), hann_window(17), 0.3)
        assert tuple(fast) == pytest.approx(tuple(slow), abs=1e-9)


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(1.2, 3))
def test_a_smooth_peak_is_found_between_the_cells(dx: float, dy: float, width: float) -> None:
    cells = np.arange(17) - 8
    response = np.exp(-((cells[None, :] - dx) ** 2 + (cells[:, None] - dy) ** 2) / (2 * width**2))
    peak = find_peak(response[None].astype(np.float32), np.ones(1, np.float32), hann_window(17), 0.0)
    assert peak.dx == pytest.approx(dx, abs=0.08)
    assert peak.dy == pytest.approx(dy, abs=0.08)


def test_the_fit_is_as_exact_as_bicubic_upsampling() -> None:
    # The paper upsamples 16 times; the fit must not lose to it on peaks as wide as a trained network's.
    rng = np.random.default_rng(1)
    cells = np.arange(17) - 8
    fit, upsampled = [], []
    for _ in range(200):
        dx, dy = rng.uniform(-4, 4, 2)
        response = np.exp(-((cells[None, :] - dx) ** 2 + (cells[:, None] - dy) ** 2) / (2 * 1.8**2)).astype(np.float32)
        peak = find_peak(response[None], np.ones(1, np.float32), hann_window(17), 0.0)
        fit.append(np.hypot(peak.dx - dx, peak.dy - dy))
        large = cv2.resize(response, (272, 272), interpolation=cv2.INTER_CUBIC)
        row, column = np.unravel_index(large.argmax(), large.shape)
        upsampled.append(np.hypot((column + 0.5) / 16 - 8.5 - dx, (row + 0.5) / 16 - 8.5 - dy))
    assert np.mean(fit) <= np.mean(upsampled)


def test_the_scale_penalty_holds_the_present_scale_even_when_all_responses_are_negative() -> None:
    response = np.full((3, 17, 17), -9.0, np.float32)
    response[:, 8, 8] = [-2.9, -3.0, -3.0]
    assert find_peak(response, penalties(3), hann_window(17), 0.3).scale == 1
    response[0, 8, 8] = -1.0
    assert find_peak(response, penalties(3), hann_window(17), 0.3).scale == 0


def test_the_window_prefers_the_nearer_of_two_equal_peaks() -> None:
    response = np.zeros((1, 17, 17), np.float32)
    response[0, 8, 10] = response[0, 2, 2] = 1.0
    peak = find_peak(response, np.ones(1, np.float32), hann_window(17), 0.3)
    assert (round(peak.dx), round(peak.dy)) == (2, 0)


def test_a_flat_response_stays_where_it_is() -> None:
    peak = find_peak(np.zeros((3, 17, 17), np.float32), penalties(3), hann_window(17), 0.3)
    assert (peak.scale, peak.dx, peak.dy) == (0, 0, 0) or (peak.scale, peak.dx, peak.dy) == (1, 0, 0)


def test_the_window_sums_to_one_and_forbids_no_cell() -> None:
    window = hann_window(17)
    assert window.sum() == pytest.approx(1, rel=1e-5)
    assert window.min() > 0
