from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siamtrack.frames import Image
from siamtrack.tracking.scene_cut import SceneCut

SIZES_WH = [(1280, 720), (360, 640), (40, 30), (7, 5)]


def scene(seed: int, size_wh: tuple[int, int] = (640, 360)) -> Image:
    """A smooth picture in a few colours of its own, with finer detail on top."""
    rng = np.random.default_rng(seed)
    palette = rng.integers(20, 230, (3, 3))
    layout = cv2.resize(rng.integers(0, 3, (6, 9)).astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST)
    detail = cv2.resize(rng.normal(0, 15, (36, 64)).astype(np.float32), size_wh, interpolation=cv2.INTER_LINEAR)
    return np.clip(palette[layout] + np.atleast_2d(detail)[..., None], 0, 255).astype(np.uint8)


def lit(image: Image, gain: float, offset: float = 0.0) -> Image:
    return np.clip(image * float(gain) + offset, 0, 255).astype(np.uint8)


def noisy(image: Image, seed: int, sigma: float = 6.0) -> Image:
    return lit(image + np.random.default_rng(seed).normal(0, sigma, image.shape), 1.0)


def cuts(frames: list[Image]) -> list[int]:
    """Indices of the frames that begin a shot."""
    detector = SceneCut(frames[0])
    return [i for i, frame in enumerate(frames[1:], 1) if detector.is_cut(frame)]


@pytest.mark.parametrize("size_wh", SIZES_WH)
def test_every_new_shot_is_a_cut_whatever_the_size(size_wh: tuple[int, int]) -> None:
    shots = [scene(seed, size_wh) for seed in range(8)]
    assert cuts([shot for shot in shots for _ in range(3)]) == list(range(3, 24, 3))


@pytest.mark.parametrize("size_wh", SIZES_WH)
def test_black_frames_are_a_shot_of_their_own(size_wh: tuple[int, int]) -> None:
    shot, black = scene(0, size_wh), np.zeros((*size_wh[::-1], 3), np.uint8)
    assert cuts([shot, shot, black, black, shot, shot]) == [2, 4]
    assert cuts([shot, noisy(black, 1, 2), noisy(black, 2, 2), shot]) == [1, 3]


@given(st.data())
def test_a_repeated_frame_is_never_a_cut(data: st.DataObject) -> None:
    frame = data.draw(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
    first = data.draw(arrays(np.uint8, frame.shape))
    detector = SceneCut(first)
    detector.is_cut(frame)
    assert not detector.is_cut(frame)
    assert not detector.is_cut(frame.copy())


@pytest.mark.parametrize("step", [8, 40, 70])
def test_a_pan_is_no_cut(step: int) -> None:
    wide = scene(1, (640 + 12 * step, 360))
    assert cuts([wide[:, x : x + 640] for x in range(0, 12 * step, step)]) == []


def test_shake_and_blur_are_no_cuts() -> None:
    world = scene(2, (760, 440))
    corners = np.random.default_rng(0).integers(0, (80, 120), (20, 2))
    frames = [world[y : y + 360, x : x + 640] for y, x in corners]
    assert cuts([cv2.blur(frame, (60, 1)) if i % 3 else frame for i, frame in enumerate(frames)]) == []


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0), (0.7, 0), (1.4, 0), (1, 40), (1, -40)])
def test_a_flash_is_no_cut(gain: float, offset: float) -> None:
    for seed in range(8):
        frame = lit(scene(seed), 0.7, 40)
        assert cuts([frame, lit(frame, gain, offset), frame]) == []


def test_a_fade_is_no_cut() -> None:
    assert cuts([lit(scene(3), gain) for gain in np.linspace(1, 0, 25)]) == []


@pytest.mark.parametrize("sigma", [2, 6])
def test_a_noisy_sky_is_no_cut_even_where_its_gray_changes_bins(sigma: float) -> None:
    sky = np.full((360, 640, 3), 125.0) + np.linspace(0, 6, 360)[:, None, None]
    assert cuts([noisy(sky, i, sigma) for i in range(40)]) == []


def test_a_large_object_that_passes_is_no_cut() -> None:
    frames = []
    for left in range(-320, 640, 60):
        frame = scene(5)
        cv2.rectangle(frame, (left, 40), (left + 320, 360), (40, 60, 200), -1)
        frames.append(frame)
    assert cuts(frames) == []


def test_a_cut_is_seen_amid_motion_and_forgotten_after_it() -> None:
    wide, other = scene(6, (1000, 360)), scene(7)
    pan = [wide[:, x : x + 640] for x in range(0, 320, 40)]
    assert cuts([*pan, other, other, *pan]) == [8, 10]


def test_the_frame_size_may_change() -> None:
    frame = scene(8)
    assert cuts([frame, cv2.resize(frame, (1280, 720)), cv2.resize(frame, (320, 180))]) == []
