"""What video does to a target between two frames, done to crops: each change with its unit in the config."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.frames import Image
from siamtrack.models import EXEMPLAR_SIZE, STRIDE
from siamtrack.tracking.crop import mean_color


@dataclass(frozen=True)
class AugmentConfig:
    """Strength of every augmentation; zero switches one off.

    Attributes:
        shift_px: largest shift of the target from the crop's centre, pixels, each axis.
        scale: largest change of scale, as a fraction: 0.1 draws from 1/1.1 to 1.1, log-uniform.
        aspect: largest change of the ratio of width to height, the same way.
        rotate_deg: largest turn in the image plane, degrees, either way, of each view by itself.
        flip: probability that both views of a pair are mirrored.
        brightness: largest offset, grey levels of 255.
        contrast: largest change of gain, fraction.
        color: largest change of gain of each channel by itself, fraction.
        gray: probability that both views lose their colour.
        blur, blur_sigma_px: probability of a Gaussian blur, and its largest sigma in pixels.
        motion_blur, motion_blur_px: probability of a linear blur, and its largest length in pixels.
        jpeg, jpeg_quality: probability of compression, and its lowest quality (1 to 100).
        occlusion, occlusion_share: probability that a patch covers part of the target, and the largest side of
            the patch as a share of the target's.
    """

    shift_px: float = 16.0
    scale: float = 0.08
    aspect: float = 0.05
    rotate_deg: float = 0.0
    flip: float = 0.5
    brightness: float = 20.0
    contrast: float = 0.2
    color: float = 0.08
    gray: float = 0.1
    blur: float = 0.1
    blur_sigma_px: float = 1.5
    motion_blur: float = 0.1
    motion_blur_px: float = 9.0
    jpeg: float = 0.0
    jpeg_quality: int = 30
    occlusion: float = 0.1
    occlusion_share: float = 0.35

    def __post_init__(self) -> None:
        for name in ("flip", "gray", "blur", "motion_blur", "jpeg", "occlusion", "occlusion_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie in 0..1")
        for name in ("shift_px", "scale", "aspect", "rotate_deg", "brightness", "contrast", "color", "blur_sigma_px"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality is {self.jpeg_quality}; it must lie in 1..100")
        if not 3 <= self.motion_blur_px <= 31:
            raise ValueError(f"motion_blur_px is {self.motion_blur_px}; it must lie in 3..31")


@dataclass(frozen=True)
class PairChoice:
    """What both views of a pair share, since a tracker never sees it change between two frames."""

    flip: bool
    gray: bool

    @staticmethod
    def draw(config: AugmentConfig, rng: np.random.Generator) -> PairChoice:
        """Draw the choices for one pair."""
        return PairChoice(bool(rng.random() < config.flip), bool(rng.random() < config.gray))


def view(
    crop: Image,
    target_wh: NDArray[np.float32],
    size: int,
    config: AugmentConfig,
    choice: PairChoice,
    rng: np.random.Generator,
    on_grid: bool = False,
) -> tuple[Image, tuple[float, float], tuple[float, float]]:
    """One augmented view of a stored crop.

    Args:
        crop: (S, S, 3) BGR uint8, the target's centre in the middle, exemplar scale.
        target_wh: size of the target, pixels of the crop.
        size: side of the view in pixels.
        config, choice: how much, and what the pair shares.
        rng: the only source of chance.
        on_grid: shift by whole cells of the embedding, so that an exemplar can be cut there exactly.

    Returns:
        The view, (size, size, 3) BGR uint8, and the target's centre and size in it (continuous pixels).
    """
    pad_color = mean_color(crop)
    # An exemplar must fit around the target, wherever it is.
    limit = min(config.shift_px, (size - EXEMPLAR_SIZE) / 2)
    shift = rng.uniform(-limit, limit, 2)
    center = size / 2 + (np.round(shift / STRIDE) * STRIDE if on_grid else shift)
    scale = np.exp(rng.uniform(-1, 1) * np.log1p(config.scale))
    stretch = np.exp(rng.uniform(-1, 1) * np.log1p(config.aspect) / 2)
    step_x, step_y = (-1.0 if choice.flip else 1.0) * scale * stretch, scale / stretch
    turn = np.deg2rad(rng.uniform(-1, 1) * config.rotate_deg) if config.rotate_deg else 0.0
    cos, sin = np.cos(turn), np.sin(turn)
    steps = np.array([[cos, -sin], [sin, cos]]) @ np.diag([step_x, step_y])  # pixels of the crop for one of the view
    matrix = np.column_stack([steps, crop.shape[0] / 2 - 0.5 - steps @ (center - 0.5)])
    if turn:  # the box of a turned ellipse: that of a turned rectangle would be loose around most things
        target_wh = np.hypot(target_wh * cos, target_wh[::-1] * sin).astype(np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    image: Image = cv2.warpAffine(
        crop, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=pad_color
    )  # type: ignore[assignment]
    if rng.random() < config.occlusion:
        _occlude(image, center, target_wh / scale, config.occlusion_share, rng)
    image = _recolor(image, config, choice, rng)
    if rng.random() < config.blur:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(min(0.5, config.blur_sigma_px), config.blur_sigma_px) or 0.1)  # type: ignore[assignment]
    if rng.random() < config.motion_blur:
        image = _motion_blur(image, config.motion_blur_px, rng)
    if rng.random() < config.jpeg:
        quality = int(rng.integers(config.jpeg_quality, 101))
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[assignment]
    size_wh = (float(target_wh[0] / abs(step_x)), float(target_wh[1] / step_y))
    return image, (float(center[0]), float(center[1])), size_wh


def _recolor(image: Image, config: AugmentConfig, choice: PairChoice, rng: np.random.Generator) -> Image:
    if choice.gray:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)  # type: ignore[assignment]
        gains = np.ones(3)
    else:
        gains = 1 + rng.uniform(-config.color, config.color, 3)
    gain = gains * (1 + rng.uniform(-config.contrast, config.contrast))
    offset = rng.uniform(-config.brightness, config.brightness)
    # Contrast turns about middle grey, so that it does not also act as brightness.
    levels = (np.arange(256)[:, None] - 128) * gain + 128 + offset
    table = np.clip(levels, 0, 255).astype(np.uint8).reshape(1, 256, 3)
    return cv2.LUT(image, table)  # type: ignore[return-value]


def _occlude(
    image: Image, center: NDArray[np.float64], target_wh: NDArray[np.float32], share: float, rng: np.random.Generator
) -> None:
    # The patch is a piece of the same picture: a flat colour would be too easy to see through.
    size = image.shape[0]
    width, height = (min(size, max(2, int(side * rng.uniform(min(0.15, share), share)))) for side in target_wh)
    x, y = (int(c + rng.uniform(-0.5, 0.5) * side) for c, side in zip(center, target_wh, strict=True))
    x, y = min(max(x, 0), size - width), min(max(y, 0), size - height)
    from_x, from_y = rng.integers(0, size - width + 1), rng.integers(0, size - height + 1)
    image[y : y + height, x : x + width] = image[from_y : from_y + height, from_x : from_x + width].copy()


def _motion_blur(image: Image, longest: float, rng: np.random.Generator) -> Image:
    length, angle = rng.uniform(3, longest), rng.uniform(0, np.pi)
    return cv2.filter2D(image, -1, line_kernel(length, angle, (length - 1) / 2, int(np.ceil(longest / 2))))  # type: ignore[return-value]


def line_kernel(length: float, angle: float, reach: float, half: int) -> NDArray[np.float32]:
    """What a motion of `length` pixels leaves of a point: (2 half + 1, 2 half + 1), a line of `reach` both ways, its sum 1."""
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for along in np.linspace(-reach, reach, int(4 * length)):
        kernel[round(half + along * np.sin(angle)), round(half + along * np.cos(angle))] += 1
    return kernel / kernel.sum()
