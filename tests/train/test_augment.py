from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from siamtrack.train.augment import AugmentConfig, PairChoice, view
from siamtrack.train.crops import CROP_SIZE, CropStore

NOTHING = ("shift_px", "scale", "aspect", "flip", "brightness", "contrast", "color", "gray", "blur", "motion_blur", "jpeg")
STILL = AugmentConfig(**dict.fromkeys(NOTHING, 0.0), occlusion=0.0)  # type: ignore[arg-type]


def test_a_view_without_augmentation_is_the_middle_of_the_crop(stores: list[CropStore]) -> None:
    rng = np.random.default_rng(0)
    crop = stores[0].crop(0)
    image, center, _ = view(crop, stores[0].target_wh(0), 224, STILL, PairChoice(False, False), rng)
    assert center == (112, 112)
    middle = slice(CROP_SIZE // 2 - 112, CROP_SIZE // 2 + 112)
    assert (image == crop[middle, middle]).all()
    mirrored, _, _ = view(crop, stores[0].target_wh(0), 224, STILL, PairChoice(True, False), rng)
    assert (mirrored == image[:, ::-1]).all()


def test_a_shifted_view_says_where_the_target_went(stores: list[CropStore]) -> None:
    crop = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    middle = slice(CROP_SIZE // 2 - 4, CROP_SIZE // 2 + 4)
    crop[middle, middle] = 255
    for seed in range(10):
        rng = np.random.default_rng(seed)
        config = replace(STILL, shift_px=30.0, scale=0.1, aspect=0.1)
        image, center, _ = view(crop, np.array([60, 60], np.float32), 223, config, PairChoice(bool(seed % 2), False), rng)
        rows, columns = np.nonzero(image[..., 0] > 127)
        assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx(center, abs=0.7)


def test_a_turned_view_bounds_a_turned_ellipse() -> None:
    crop = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    middle = CROP_SIZE / 2 - 0.5
    cv2.ellipse(crop, ((middle, middle), (90.0, 30.0), 0.0), (255, 255, 255), -1, cv2.LINE_AA)
    heights = set()
    for seed in range(10):
        config = replace(STILL, rotate_deg=45.0, scale=0.2, aspect=0.2, shift_px=10.0)
        choice = PairChoice(bool(seed % 2), False)
        image, center, size = view(crop, np.array([90, 30], np.float32), 223, config, choice, np.random.default_rng(seed))
        rows, columns = np.nonzero(image[..., 0] > 127)
        assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == pytest.approx(size, abs=2.5)
        assert ((columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2) == pytest.approx(center, abs=1.2)
        heights.add(round(size[1]))
    assert max(heights) > 1.5 * min(heights)  # it does turn


def test_every_augmentation_changes_the_picture(stores: list[CropStore]) -> None:
    plain, *_ = view(stores[0].crop(0), stores[0].target_wh(0), 223, STILL, PairChoice(False, False), np.random.default_rng(0))
    names = [
        "brightness",
        "contrast",
        "color",
        "blur",
        "motion_blur",
        "jpeg",
        "occlusion",
        "scale",
        "aspect",
        "rotate_deg",
        "shift_px",
    ]
    strengths = {"brightness": 30.0, "contrast": 0.3, "color": 0.2, "rotate_deg": 20.0, "shift_px": 20.0}
    for name in names:
        config = replace(STILL, **{name: strengths.get(name, 1.0)})
        image, _, _ = view(
            stores[0].crop(0), stores[0].target_wh(0), 223, config, PairChoice(False, False), np.random.default_rng(3)
        )
        assert (image != plain).any(), name
    gray, *_ = view(stores[0].crop(0), stores[0].target_wh(0), 223, STILL, PairChoice(False, True), np.random.default_rng(0))
    assert (gray[..., 0] == gray[..., 2]).all()
