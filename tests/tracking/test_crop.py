import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.crop import SearchRegion, context_side, mean_color

# Frames that hold their own coordinates, in units of 8 px: sampled anywhere, they say where they were sampled.
COLUMNS, ROWS = np.meshgrid(np.arange(1920) + 0.5, np.arange(1440) + 0.5)
LARGE = np.dstack([COLUMNS / 8, ROWS / 8, 0 * ROWS]).round().astype(np.uint8)

coordinate = st.floats(-500, 2500)
windows = st.builds(SearchRegion, st.tuples(coordinate, coordinate), st.floats(8, 2000), st.sampled_from([127, 239, 255]))


@given(windows, coordinate, coordinate)
def test_crop_to_frame_is_the_inverse_of_frame_to_crop(window: SearchRegion, x: float, y: float) -> None:
    assert np.allclose(window.to_frame(*window.to_crop(x, y)), (x, y), atol=1e-6)


@given(windows)
def test_the_middle_of_the_crop_is_the_centre_of_the_window(window: SearchRegion) -> None:
    assert np.allclose(window.to_frame(window.size / 2, window.size / 2), window.center_xy)


@given(st.integers(70, 200), st.integers(70, 150))
def test_a_window_of_its_own_size_on_the_pixel_grid_copies_pixels(x: int, y: int) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    crop = SearchRegion((x + 63.5, y + 63.5), 127, 127).extract(frame, (0, 0, 0))
    copied = frame[y : y + 127, x : x + 127]
    assert (crop[: copied.shape[0], : copied.shape[1]] == copied).all()


@given(st.floats(100, 220), st.floats(80, 160), st.floats(40, 300))
def test_pixels_are_where_the_geometry_says(x: float, y: float, side: float) -> None:
    # A frame that holds its own coordinates: sampled anywhere, it must say where it was sampled.
    columns, rows = np.meshgrid(np.arange(320) + 0.5, np.arange(240) + 0.5)
    frame = np.dstack([columns * 0.75, rows * 0.75, 0 * rows]).round().astype(np.uint8)
    window = SearchRegion((x, y), side, 127)
    crop = window.extract(frame, (0, 0, 0))
    u, v = window.to_frame(63.5, 63.5)
    # 8-bit values and OpenCV's 1/32 px grid of weights leave about two thirds of a pixel.
    assert crop[63, 63, 0] / 0.75 == pytest.approx(u, abs=1.5)
    assert crop[63, 63, 1] / 0.75 == pytest.approx(v, abs=1.5)


@given(st.floats(500, 1400), st.floats(400, 1000), st.floats(300, 1500))
def test_pixels_are_where_the_geometry_says_when_the_frame_is_reduced_first(x: float, y: float, side: float) -> None:
    window = SearchRegion((x, y), side, 127)
    crop = window.extract(LARGE, (0, 0, 0))
    u, v = window.to_frame(63.5, 63.5)
    assert float(crop[63, 63, 0]) * 8 == pytest.approx(u, abs=8)
    assert float(crop[63, 63, 1]) * 8 == pytest.approx(v, abs=8)


def test_a_large_window_averages_what_a_bilinear_warp_would_skip() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    crop = SearchRegion((500, 500), 900, 127).extract(noise, (0, 0, 0))
    assert crop.std() < 20  # single pixels of this noise have 74
    assert crop.mean() == pytest.approx(127.5, abs=2)


@given(windows)
def test_no_window_is_too_odd_to_be_cut(window: SearchRegion) -> None:
    frame = np.full((240, 320, 3), 200, np.uint8)
    crop = window.extract(frame, (10, 20, 30))
    assert crop.shape == (window.size, window.size, 3)
    x, y = window.to_frame(window.size / 2, window.size / 2)
    if not (-2 * window.side < x < 320 + 2 * window.side and -2 * window.side < y < 240 + 2 * window.side):
        assert (crop == [10, 20, 30]).all()


def test_outside_the_frame_is_the_fill_colour() -> None:
    frame = np.full((100, 100, 3), 200, np.uint8)
    crop = SearchRegion((0, 0), 100, 127).extract(frame, (10, 20, 30))
    assert crop[5, 5].tolist() == [10, 20, 30]
    assert crop[120, 120].tolist() == [200, 200, 200]


def test_context_of_a_square_doubles_its_side() -> None:
    assert context_side((40, 40)) == pytest.approx(80)
    assert context_side((30, 60)) == pytest.approx(np.sqrt(75 * 105))


def test_mean_colour_is_by_channel() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    assert mean_color(frame) == pytest.approx(frame.mean(axis=(0, 1)))
