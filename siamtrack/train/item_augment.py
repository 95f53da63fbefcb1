"""What happens to an item between two looks at it: small turns, shifts, changes of light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.train.verifier_recipe import ItemAugmentConfig


def augment_picture(picture: NDArray[np.uint8], config: ItemAugmentConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A changed copy of a square picture (S, S, C); what comes in from outside repeats its border."""
    size, channels = picture.shape[0], picture.shape[2]
    angle = np.deg2rad(rng.uniform(-config.rotate_deg, config.rotate_deg))
    scale = np.exp(rng.uniform(-1, 1) * np.log1p(config.scale))
    stretch = np.exp(rng.uniform(-1, 1) * np.log1p(config.aspect) / 2)
    mirror = -1.0 if rng.random() < config.flip else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([mirror * scale * stretch, scale / stretch])
    middle = np.full(2, (size - 1) / 2)
    offset = middle + rng.uniform(-config.shift, config.shift, 2) * size - linear @ middle
    changed = cv2.warpAffine(
        picture,
        np.column_stack([linear, offset]),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).reshape(size, size, channels)
    if rng.random() < config.blur:
        changed = cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.3, 1.5)).reshape(size, size, channels)
    gain = 1 + rng.uniform(-config.contrast, config.contrast)
    levels = (changed.astype(np.float32) - 128) * gain + 128 + rng.uniform(-config.brightness, config.brightness)
    if config.noise:
        levels += rng.normal(0, config.noise * max(1.0, float(levels.std())), levels.shape)
    return np.clip(levels, 0, 255).astype(np.uint8)


def augment_sequence(rows: NDArray[np.float32], config: ItemAugmentConfig, rng: np.random.Generator) -> NDArray[np.float32]:
    """A changed copy of rows (T, F) on one scale: turned in its first two columns, scaled, with noise."""
    changed = rows.astype(np.float64)
    if rows.shape[1] >= 2:
        angle = np.deg2rad(rng.uniform(-config.rotate_deg, config.rotate_deg))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        changed[:, :2] = changed[:, :2] @ turn.T
    changed *= np.exp(rng.uniform(-1, 1) * np.log1p(config.scale))
    changed += rng.normal(0, config.noise, changed.shape) if config.noise else 0.0
    return changed.astype(np.float32)
