from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.offer import Offer, choose_cell, choose_cell_numpy, offer_at, offer_at_numpy
from siamtrack.tracking.peak import hann_window
from siamtrack.tracking.runtimes.runtime import BoxResponse

WINDOW = hann_window(17)


def best_offer(
    found: BoxResponse, size_wh: tuple[float, float], window: np.ndarray, influence: float, size_penalty: float, reach: int = 1
) -> Offer:
    """The chosen cell's, as the tracker reads it."""
    return offer_at(found, size_wh, choose_cell(found, size_wh, window, influence, size_penalty), size_penalty, reach)


def response(row: int, column: int, sides: tuple[float, float, float, float], at: float = 6.0) -> BoxResponse:
    """One cell that is sure, all others sure of nothing."""
    target = np.full((17, 17), -8.0, np.float32)
    target[row, column] = at
    distances = np.broadcast_to(np.array(sides, np.float32)[:, None, None], (4, 17, 17)).copy()
    return BoxResponse(target.copy(), target, np.full((17, 17), 3.0, np.float32), distances)


@given(st.integers(0, 16), st.integers(0, 16), st.tuples(*[st.floats(4, 90)] * 4))
def test_an_offer_is_the_cells_own_box(row: int, column: int, sides: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = sides
    offer = best_offer(response(row, column, sides), (60, 60), WINDOW, 0.0, 0.0, reach=0)
    assert (offer.w, offer.h) == pytest.approx((left + right, top + bottom), rel=1e-5)
    assert offer.x == pytest.approx((column - 8) * 8 + (right - left) / 2, abs=1e-3)
    assert offer.y == pytest.approx((row - 8) * 8 + (bottom - top) / 2, abs=1e-3)
    assert offer.value == pytest.approx(np.log(1 / (1 / (0.99752738 * 0.95257413) - 1)), rel=1e-3)


def test_neighbours_that_agree_change_nothing_and_others_by_their_score() -> None:
    cells = 8.0 * (np.arange(17) - 8)
    agree = np.stack(
        [
            np.broadcast_to(cells[None, :] + 30, (17, 17)),
            np.broadcast_to(cells[:, None] + 20, (17, 17)),
            np.broadcast_to(30 - cells[None, :], (17, 17)),
            np.broadcast_to(20 - cells[:, None], (17, 17)),
        ]
    ).astype(np.float32)
    target = np.full((17, 17), -8.0, np.float32)
    target[7:10, 7:10] = 2.0
    target[8, 8] = 3.0
    found = BoxResponse(target, target, np.zeros((17, 17), np.float32), agree)
    offer = best_offer(found, (60, 40), WINDOW, 0.0, 0.0)
    assert (offer.x, offer.y) == pytest.approx((0, 0), abs=1e-4)
    assert (offer.w, offer.h) == pytest.approx((60, 40), abs=1e-4)
    agree[2, 8, 9] += 9.0
    wider = best_offer(found, (60, 40), WINDOW, 0.0, 0.0)
    assert 60 < wider.w < 63


def test_a_change_of_size_or_shape_is_doubted() -> None:
    same = best_offer(response(8, 8, (30, 30, 30, 30)), (60, 60), WINDOW, 0.0, 0.2)
    larger = best_offer(response(8, 8, (60, 60, 60, 60)), (60, 60), WINDOW, 0.0, 0.2)
    turned = best_offer(response(8, 8, (60, 15, 60, 15)), (60, 60), WINDOW, 0.0, 0.2)
    assert same.trust > larger.trust
    assert same.trust > turned.trust
    assert larger.value == pytest.approx(same.value)  # the score says who it is, not how large


def test_the_window_prefers_the_middle_among_equals() -> None:
    two = response(8, 14, (30, 30, 30, 30))
    two.response[8, 9] = 5.9
    assert best_offer(two, (60, 60), WINDOW, 0.0, 0.0).x == pytest.approx(48)
    assert best_offer(two, (60, 60), WINDOW, 0.3, 0.0).x == pytest.approx(8)


@pytest.mark.parametrize("size", [5, 13, 17])
@pytest.mark.parametrize("spread", [0.5, 6.0, 40.0])
@pytest.mark.parametrize("reach", [0, 1, 2])
def test_the_kernel_equals_its_numpy_twin(size: int, spread: float, reach: int) -> None:
    rng = np.random.default_rng(int(size + 100 * spread + reach))
    for _ in range(50):
        maps = [rng.normal(0, spread, (size, size)).astype(np.float32) for _ in range(3)]
        found = BoxResponse(*maps, rng.uniform(5, 90, (4, size, size)).astype(np.float32))
        size_wh, window = (60, 40), hann_window(size)
        cell = choose_cell(found, size_wh, window, 0.3, 0.1)
        assert cell == choose_cell_numpy(found, size_wh, window, 0.3, 0.1)
        for each in (cell, tuple(rng.integers(0, size, 2).tolist())):
            fast, slow = (read(found, size_wh, each, 0.1, reach) for read in (offer_at, offer_at_numpy))
            assert fast == pytest.approx(slow, rel=1e-9, abs=1e-9)
