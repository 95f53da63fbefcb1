from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import cv2
import decode_reference as reference
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from siamtrack.tracking import decode
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.decode import Decoder, box_at, find_cell, find_peak, find_peak_upsampled, hann_window, peak_margin
from siamtrack.tracking.network import BoxMaps, Response

WINDOW, FINE = hann_window(17), hann_window(16 * 17)
NONE = np.ones(1, np.float32)
"""The penalty of one scale alone."""

stacks = npst.arrays(
    np.float32, st.tuples(st.sampled_from([1, 3, 5]), st.just(17), st.just(17)), elements=st.floats(-50, 50, width=32)
)


def penalties(count: int) -> np.ndarray:
    values = np.full(count, 0.97, np.float32)
    values[count // 2] = 1
    return values


@given(stacks, st.floats(0, 1))
@settings(max_examples=200)
def test_the_peak_is_the_references(response: np.ndarray, influence: float) -> None:
    fast = find_peak(response, penalties(len(response)), WINDOW, influence, False)
    slow = reference.find_peak(response, penalties(len(response)), WINDOW, influence)
    # Ties may be broken either way by the last bit of a sum; then both cells are as good.
    if fast[:3] == slow[:3]:
        assert fast == pytest.approx(slow, abs=1e-6)
    else:
        assert mixed_at(response, fast, influence) == pytest.approx(mixed_at(response, slow, influence), rel=1e-6)


def mixed_at(response: np.ndarray, peak: tuple[int, int, int, float, float], influence: float) -> float:
    chosen = response[peak[0]].astype(np.float64)
    chosen -= chosen.min()
    total = chosen.sum()
    mixed = (1 - influence) * (chosen / total if total else chosen) + influence * WINDOW
    return float(mixed[peak[1], peak[2]])


def test_peaks_of_random_maps_agree_exactly() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        response = rng.normal(size=(3, 17, 17)).astype(np.float32)
        fast = find_peak(response, penalties(3), WINDOW, 0.3, False)
        slow = reference.find_peak(response, penalties(3), WINDOW, 0.3)
        assert fast == pytest.approx(slow, abs=1e-9)


PEAKS: tuple[Literal["parabola", "bicubic"], ...] = ("parabola", "bicubic")


def bump(dx: float, dy: float, width: float) -> np.ndarray:
    cells = np.arange(17) - 8
    return np.exp(-((cells[None, :] - dx) ** 2 + (cells[:, None] - dy) ** 2) / (2 * width**2)).astype(np.float32)


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(1.2, 3))
def test_a_smooth_peak_is_found_between_the_cells(dx: float, dy: float, width: float) -> None:
    found = find_peak(bump(dx, dy, width)[None], NONE, WINDOW, 0.0, False)
    assert found[3:] == pytest.approx((dx, dy), abs=0.08)


def test_the_fit_is_as_exact_as_bicubic_upsampling() -> None:
    # The paper upsamples 16 times; the fit must not lose to it on peaks as wide as a trained network's.
    rng = np.random.default_rng(1)
    fit, upsampled = [], []
    for _ in range(200):
        dx, dy = rng.uniform(-4, 4, 2)
        response = bump(dx, dy, 1.8)
        *_, x, y = find_peak(response[None], NONE, WINDOW, 0.0, False)
        fit.append(np.hypot(x - dx, y - dy))
        large = cv2.resize(response, (272, 272), interpolation=cv2.INTER_CUBIC)
        row, column = np.unravel_index(large.argmax(), large.shape)
        upsampled.append(np.hypot((column + 0.5) / 16 - 8.5 - dx, (row + 0.5) / 16 - 8.5 - dy))
    assert np.mean(fit) <= np.mean(upsampled)


def test_the_scale_penalty_holds_the_present_scale_even_when_all_responses_are_negative() -> None:
    response = np.full((3, 17, 17), -9.0, np.float32)
    response[:, 8, 8] = [-2.9, -3.0, -3.0]
    assert find_peak(response, penalties(3), WINDOW, 0.3, False)[0] == 1
    response[0, 8, 8] = -1.0
    assert find_peak(response, penalties(3), WINDOW, 0.3, False)[0] == 0


def test_raw_responses_are_penalised_as_they_are() -> None:
    response = np.full((3, 17, 17), -90.0, np.float32)
    response[:, 8, 8] = [10.1, 10.0, 10.0]
    for find, window in ((find_peak, WINDOW), (find_peak_upsampled, FINE)):
        assert find(response, penalties(3), window, 0.3, False)[0] == 1
        response[0, 8, 8] = 10.35
        assert [find(response, penalties(3), window, 0.3, raw)[0] for raw in (False, True)] == [1, 0]
        response[0, 8, 8] = 10.1


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(1.2, 3))
@example(0.0, 1.1328125, 3.0)
def test_an_upsampled_peak_is_as_exact_as_its_interpolation(dx: float, dy: float, width: float) -> None:
    # Half a place of the fine map, and what bicubic interpolation bends: it draws the top of a wide peak towards a cell.
    found = find_peak_upsampled(bump(dx, dy, width)[None], NONE, FINE, 0.0, True)
    assert found[3:] == pytest.approx((dx, dy), abs=1 / 32 + 0.05 * width)
    assert found[1:3] == (round(found[4] + 8), round(found[3] + 8))


def test_an_upsampled_map_that_is_not_finite_has_no_peak() -> None:
    response = np.zeros((3, 17, 17), np.float32)
    response[1, 2, 3] = np.inf
    assert np.isnan(find_peak_upsampled(response, penalties(3), FINE, 0.3, True)[3:]).all()


def test_the_window_prefers_the_nearer_of_two_equal_peaks() -> None:
    response = np.zeros((1, 17, 17), np.float32)
    response[0, 8, 10] = response[0, 2, 2] = 1.0
    assert find_peak(response, NONE, WINDOW, 0.3, False)[1:3] == (8, 10)


def test_a_flat_response_stays_where_it_is() -> None:
    assert find_peak(np.zeros((3, 17, 17), np.float32), penalties(3), WINDOW, 0.3, False)[1:] == (8, 8, 0, 0)


def test_the_window_sums_to_one_and_forbids_no_cell() -> None:
    assert WINDOW.sum() == pytest.approx(1, rel=1e-5)
    assert WINDOW.min() > 0


def response(row: int, column: int, sides: tuple[float, float, float, float], at: float = 6.0) -> Response:
    """One cell that is sure, all others sure of nothing."""
    target = np.full((17, 17), -16.0, np.float32)
    target[row, column] = at
    distances = np.broadcast_to(np.array(sides, np.float32)[:, None, None], (4, 17, 17)).copy()
    return Response(target.copy(), BoxMaps(target, np.full((17, 17), 3.0, np.float32), distances))


def best_box(seen: Response, known_wh: tuple[float, float], influence: float, size_penalty: float) -> tuple[float, ...]:
    """x, y, w, h and trust of the chosen cell."""
    assert seen.boxes is not None
    cell = find_cell(seen.response, seen.boxes.distances, *known_wh, WINDOW, influence, size_penalty)
    return box_at(*seen.boxes, *known_wh, *cell, size_penalty)  # type: ignore[no-any-return]


@given(st.integers(1, 15), st.integers(1, 15), st.tuples(*[st.floats(4, 90)] * 4))
def test_a_box_is_the_cells_own_where_its_neighbours_are_sure_of_nothing(
    row: int, column: int, sides: tuple[float, float, float, float]
) -> None:
    left, top, right, bottom = sides
    x, y, w, h, _ = best_box(response(row, column, sides, 9.0), (60, 60), 0.0, 0.0)
    assert (w, h) == pytest.approx((left + right, top + bottom), rel=1e-5)
    assert (x, y) == pytest.approx(((column - 8) * 8 + (right - left) / 2, (row - 8) * 8 + (bottom - top) / 2), abs=0.02)


def test_neighbours_that_agree_change_nothing_and_others_by_their_score() -> None:
    cells = 8.0 * (np.arange(17) - 8)
    to_left, to_top = np.broadcast_to(cells[None, :] + 30, (17, 17)), np.broadcast_to(cells[:, None] + 20, (17, 17))
    agree = np.stack([to_left, to_top, 60 - to_left, 40 - to_top]).astype(np.float32)
    target = np.full((17, 17), -8.0, np.float32)
    target[7:10, 7:10] = 2.0
    target[8, 8] = 3.0
    seen = Response(target, BoxMaps(target, np.zeros((17, 17), np.float32), agree))
    assert best_box(seen, (60, 40), 0.0, 0.0)[:4] == pytest.approx((0, 0, 60, 40), abs=1e-4)
    agree[2, 8, 9] += 9.0
    assert 60 < best_box(seen, (60, 40), 0.0, 0.0)[2] < 63


def test_a_change_of_size_or_shape_is_doubted() -> None:
    same = best_box(response(8, 8, (30, 30, 30, 30)), (60, 60), 0.0, 0.2)
    larger = best_box(response(8, 8, (60, 60, 60, 60)), (60, 60), 0.0, 0.2)
    turned = best_box(response(8, 8, (60, 15, 60, 15)), (60, 60), 0.0, 0.2)
    assert same[4] > larger[4]
    assert same[4] > turned[4]


def test_the_window_prefers_the_middle_among_equals() -> None:
    two = response(8, 14, (30, 30, 30, 30))
    two.response[8, 9] = 5.9
    assert best_box(two, (60, 60), 0.0, 0.0)[0] == pytest.approx(48)
    assert best_box(two, (60, 60), 0.3, 0.0)[0] == pytest.approx(8)


@pytest.mark.parametrize("size", [5, 13, 17])
@pytest.mark.parametrize("spread", [0.5, 6.0, 40.0])
def test_boxes_of_random_maps_are_the_references(size: int, spread: float) -> None:
    rng = np.random.default_rng(int(size + 100 * spread))
    for _ in range(50):
        correlation, target, quality = (rng.normal(0, spread, (size, size)).astype(np.float32) for _ in range(3))
        distances = rng.uniform(5, 90, (4, size, size)).astype(np.float32)
        of_cell = (correlation, distances, 60.0, 40.0, hann_window(size), 0.3, 0.1)
        cell = find_cell(*of_cell)
        assert cell == reference.find_cell(*of_cell)
        for row, column in (cell, rng.integers(0, size, 2).tolist()):
            of_box = (target, quality, distances, 60.0, 40.0, row, column, 0.1)
            assert box_at(*of_box) == pytest.approx(reference.box_at(*of_box), rel=1e-9, abs=1e-9)


maps = st.integers(5, 19).flatmap(lambda n: npst.arrays(np.float32, (n, n), elements=st.floats(-30, 30, width=32)))


@given(maps)
def test_the_margin_is_the_references(response: np.ndarray) -> None:
    row, column = divmod(int(response.argmax()), response.shape[1])
    assert peak_margin(response, row, column) == reference.peak_margin(response, row, column)


def test_a_distractor_closes_the_margin_and_a_shoulder_does_not() -> None:
    lone = np.random.default_rng(0).normal(size=(13, 13)).astype(np.float32)
    lone[4, 4] = 12.0
    distractor, shoulder = lone.copy(), lone.copy()
    distractor[4, 9], shoulder[4, 5] = 11.5, 11.5
    assert peak_margin(distractor, 4, 4) == pytest.approx(0.5)
    assert peak_margin(shoulder, 4, 4) == peak_margin(lone, 4, 4) > 8


def test_a_map_without_sidelobes_has_no_margin() -> None:
    assert peak_margin(np.eye(5, dtype=np.float32), 2, 2) == 0


def test_a_box_candidate_is_in_frame_pixels_and_follows_its_box_as_far_as_it_is_trusted() -> None:
    decoder = Decoder(TrackerConfig(scale_damping=0.5, size_penalty=0.0), has_boxes=True)
    region = SearchRegion((200.0, 100.0), 510.0, 255)  # two frame pixels a crop pixel
    seen = response(8, 10, (30, 20, 30, 20), 9.0)  # a box of 60 x 40 crop pixels, 16 to the right of the middle
    candidate = decoder.decode(region, [seen], (80.0, 80.0), 0.0)
    assert candidate.center_xy == pytest.approx((232, 100), abs=0.05)
    trust = 0.99987661 * 0.95257413
    assert candidate.scale_wh == pytest.approx((1 + 0.5 * trust * (120 / 80 - 1), 1.0), abs=1e-3)
    assert candidate.logit == pytest.approx(9.0)
    assert candidate.margin == pytest.approx(25.0)
    assert candidate.quality == pytest.approx(3.0)
    assert candidate.aspects == pytest.approx((1.0, 60 / 40))


def test_a_box_is_found_by_cells_whatever_peaks_between_them_are_found_by() -> None:
    rng = np.random.default_rng(0)
    target, quality, correlation = (rng.normal(0, 3, (17, 17)).astype(np.float32) for _ in range(3))
    seen = Response(correlation, BoxMaps(target, quality, rng.uniform(5, 90, (4, 17, 17)).astype(np.float32)))
    region = SearchRegion((200.0, 100.0), 510.0, 255)
    found = [Decoder(TrackerConfig(peaks=peaks), has_boxes=True).decode(region, [seen], (80.0, 80.0), 0.9) for peaks in PEAKS]
    assert found[0] == found[1]


def test_a_scale_candidate_is_in_frame_pixels_and_follows_its_scale_by_the_damping() -> None:
    decoder = Decoder(TrackerConfig(scale_step=1.1, scale_damping=0.5), has_boxes=False)
    region = SearchRegion((200.0, 100.0), 510.0, 255)
    assert [crop.side for crop in decoder.crops(region)] == pytest.approx([510 / 1.1, 510, 510 * 1.1])
    given = [Response(height * bump(2, -1, 1.8), None) for height in (0.5, 0.5, 1.0)]
    candidate = decoder.decode(region, given, (60.0, 40.0), 0.0)
    assert candidate.aspects == (1.5, 1.5), "its shape is never another"
    assert candidate.center_xy == pytest.approx((200 + 32 * 1.1, 100 - 16 * 1.1), abs=0.5)
    assert candidate.scale_wh == pytest.approx((1.05, 1.05))
    assert candidate.logit == pytest.approx(1.0)


CODE = """
import numpy as np
from siamtrack.tracking.decode import hann_window
from siamtrack.tracking.decode import find_peak
print(find_peak(np.zeros((1, 17, 17), np.float32), np.ones(1, np.float32), hann_window(17), 0.3, False)[0])
"""


@pytest.mark.parametrize("writable", [True, False])
def test_machine_code_is_kept_in_the_users_cache_and_never_in_the_package(writable: bool, tmp_path: Path) -> None:
    home, package = tmp_path / "home", Path(decode.__file__).parent
    if writable:
        home.mkdir()
    else:
        home.write_text("a file where a folder should be")
    before = set(package.rglob("*.nb[ci]"))
    hidden = ("NUMBA_CACHE_DIR", "SIAMTRACK_CACHE", "XDG_CACHE_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in hidden} | {"HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "0"
    assert set(package.rglob("*.nb[ci]")) == before
    if writable:
        assert list((home / ".cache/siamtrack").rglob("*.nbc"))
