import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.tracking.crop import CropWindow, context_side, mean_color

coordinate = st.floats(-500, 2500)
windows = st.builds(CropWindow, st.tuples(coordinate, coordinate), st.floats(8, 2000), st.sampled_from([127, 239, 255]))


@given(windows, coordinate, coordinate)
def test_crop_to_frame_is_the_inverse_of_frame_to_crop(window: CropWindow, x: float, y: float) -> None:
    assert np.allclose(window.to_frame(*window.to_crop(x, y)), (x, y), atol=1e-6)


@given(windows)
def test_the_middle_of_the_crop_is_the_centre_of_the_window(window: CropWindow) -> None:
    assert np.allclose(window.to_frame(window.size / 2, window.size / 2), window.center_xy)


@given(st.integers(70, 200), st.integers(70, 150))
def test_a_window_of_its_own_size_on_the_pixel_grid_copies_pixels(x: int, y: int) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    crop = CropWindow((x + 63.5, y + 63.5), 127, 127).extract(frame, (0, 0, 0))
    copied = frame[y : y + 127, x : x + 127]
    assert (crop[: copied.shape[0], : copied.shape[1]] == copied).all()


@given(st.floats(100, 220), st.floats(80, 160), st.floats(40, 300))
def test_pixels_are_where_the_geometry_says(x: float, y: float, side: float) -> None:
    # A frame that holds its own coordinates: sampled anywhere, it must say where it was sampled.
    columns, rows = np.meshgrid(np.arange(320) + 0.5, np.arange(240) + 0.5)
    frame = np.dstack([columns * 0.75, rows * 0.75, 0 * rows]).round().astype(np.uint8)
    window = CropWindow((x, y), side, 127)
    crop = window.extract(frame, (0, 0, 0))
    u, v = window.to_frame(63.5, 63.5)
    # 8-bit values and OpenCV's 1/32 px grid of weights leave about two thirds of a pixel.
    assert crop[63, 63, 0] / 0.75 == pytest.approx(u, abs=1.5)
    assert crop[63, 63, 1] / 0.75 == pytest.approx(v, abs=1.5)


def test_outside_the_frame_is_the_fill_colour() -> None:
    frame = np.full((100, 100, 3), 200, np.uint8)
    crop = CropWindow((0, 0), 100, 127).extract(frame, (10, 20, 30))
    assert crop[5, 5].tolist() == [10, 20, 30]
    assert crop[120, 120].tolist() == [200, 200, 200]


def test_context_of_a_square_doubles_its_side() -> None:
    assert context_side((40, 40)) == pytest.approx(80)
    assert context_side((30, 60)) == pytest.approx(np.sqrt(75 * 105))


def test_mean_colour_is_by_channel() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    assert mean_color(frame) == pytest.approx(frame.mean(axis=(0, 1)))
