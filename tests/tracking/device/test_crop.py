from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.device.crop import PART, cut_crops, sum_table
from siamtrack.tracking.device.sampling import FIELDS, Sampling

FILL = (10.4, 120.5, 240.7)
RNG = np.random.default_rng(3)
FRAME = cv2.resize(RNG.integers(0, 256, (15, 20, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
NOISE = RNG.integers(0, 256, (240, 320, 3), np.uint8)
# Rounding. OpenCV 4 moves pixels by up to 1/64 px besides, which at the frame's edge is 1/32 of 255 for two axes.
LIMIT = 1 if int(cv2.__version__.split(".")[0]) >= 5 else 9

windows = st.builds(
    SearchRegion, st.tuples(st.floats(-150, 470), st.floats(-150, 390)), st.floats(8, 1500), st.sampled_from([127, 159])
)


def rows_of(frame: np.ndarray, *cut: SearchRegion) -> torch.Tensor:
    return torch.tensor([Sampling.of(window, (frame.shape[1], frame.shape[0]), FILL) for window in cut], dtype=torch.float64)


def cut(frame: np.ndarray, *cut: SearchRegion, averaged: bool = True) -> np.ndarray:
    image = torch.from_numpy(frame)
    return cut_crops(image, rows_of(frame, *cut), cut[0].size, sum_table(image) if averaged else None).numpy()


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one.astype(int) - other)


@settings(max_examples=15)
@given(windows)
def test_a_crop_is_the_windows_own(window: SearchRegion) -> None:
    for frame in (FRAME, NOISE):
        (found,) = cut(frame, window)
        apart = difference(found, window.extract(frame, FILL))
        assert apart.max() <= LIMIT
        assert apart.mean() < 0.1  # of blocks of 4 x 4 OpenCV rounds halves to even


@settings(max_examples=6)
@given(st.tuples(st.floats(0, 320), st.floats(0, 240)), st.floats(30, 250))
def test_without_a_table_the_same_comes_out_for_windows_that_need_none(center_xy: tuple[float, float], side: float) -> None:
    window = SearchRegion(center_xy, side, 127)
    assert (cut(FRAME, window, averaged=False) == cut(FRAME, window)).all() == (side < 254)


def test_a_crop_is_the_same_alone_and_among_others() -> None:
    several = [SearchRegion((20.0 * i, 15.0 * i), 60.0 + 40 * i, 31) for i in range(PART + 3)]
    together = cut(FRAME, *several)
    assert all((cut(FRAME, window)[0] == crop).all() for window, crop in zip(several, together, strict=True))


def test_pixels_on_the_grid_are_copied() -> None:
    (crop,) = cut(NOISE, SearchRegion((120 + 63.5, 90 + 63.5), 127, 127), averaged=False)
    assert (crop == NOISE[90:217, 120:247]).all()


@pytest.mark.parametrize("center_xy", [(-4000.0, 50.0), (300.0, 9000.0)])
@pytest.mark.parametrize("side", [100.0, 900.0])
def test_outside_of_the_frame_is_the_fill_colour(center_xy: tuple[float, float], side: float) -> None:
    window = SearchRegion(center_xy, side, 127)
    assert (cut(FRAME, window) == window.extract(FRAME, FILL)).all()
    assert (cut(FRAME, window)[0, 0, 0] == [10, 120, 241]).all()


def test_sums_may_wrap_around() -> None:
    frame = np.full((2100, 4200, 3), 255, np.uint8)  # 2.25e9 in all, more than int32 holds
    (crop,) = cut(frame, SearchRegion((3600, 1500), 1100, 31))
    assert (crop == 255).all()


def test_other_frames_and_rows_are_refused() -> None:
    image, rows = torch.from_numpy(FRAME), rows_of(FRAME, SearchRegion((9, 9), 9, 127))
    with pytest.raises(ValueError, match=r"torch.float32 \(240, 320, 3\); it must be torch.uint8"):
        cut_crops(image.float(), rows, 127)
    with pytest.raises(ValueError, match=r"torch.uint8 \(240, 320\); it must"):
        cut_crops(image[..., 0], rows, 127)
    with pytest.raises(ValueError, match=rf"must be torch.float64 \(N, {FIELDS}\)"):
        cut_crops(image, rows.float(), 127)
