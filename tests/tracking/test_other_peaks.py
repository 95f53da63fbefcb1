from __future__ import annotations

import numpy as np
import pytest

from siamtrack.tracking.other_peaks import APART, COUNT, SHARE, other_peaks, other_peaks_numpy


def bumps(*cells: tuple[int, int, float], size: int = 17) -> np.ndarray:
    """A response with a peak at each `(row, column, height)`, a little above nothing elsewhere."""
    rows, columns = np.mgrid[:size, :size]
    each = [height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 3.0) for y, x, height in cells]
    return np.max(each, axis=0).astype(np.float32) - 9


def test_second_peaks_are_listed_highest_first() -> None:
    found = other_peaks(bumps((8, 8, 10), (3, 8, 7), (8, 14, 9), (15, 2, 2)), 8, 8)
    assert [peak[:2] for peak in found] == [(8, 14), (3, 8)]
    assert found[0][2] == pytest.approx(0.9, abs=0.03)


def test_a_peak_alone_has_no_rivals_and_its_flank_is_none() -> None:
    assert other_peaks(bumps((8, 8, 10)), 8, 8) == []
    assert other_peaks(bumps((8, 8, 10), (8, 8 + APART - 1, 9.9)), 8, 8) == []
    assert other_peaks(np.zeros((17, 17), np.float32), 8, 8) == []


def test_a_rival_is_seen_where_it_enters() -> None:
    ((row, column, _),) = other_peaks(bumps((8, 8, 10), (8, 16, 8)), 8, 8)
    assert (row, column) == (8, 16)


@pytest.mark.parametrize("size", [5, 9, 13, 17])
def test_the_kernel_equals_its_numpy_twin(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(50):
        response = rng.normal(0, 3, (size, size)).astype(np.float32)
        row, column = (int(value) for value in rng.integers(0, size, 2))
        if rng.random() < 0.5:
            row, column = divmod(int(response.argmax()), size)
        fast, slow = other_peaks(response, row, column), other_peaks_numpy(response, row, column)
        assert [peak[:2] for peak in fast] == [peak[:2] for peak in slow]
        assert [peak[2] for peak in fast] == pytest.approx([peak[2] for peak in slow], rel=1e-9)
        assert len(fast) <= COUNT
        assert all(max(abs(y - row), abs(x - column)) >= APART and height >= SHARE for y, x, height in fast)
