"""Whatever a caller gives: a finite result inside the frame, or a ValueError, after which the tracker goes on as before."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import siamtrack
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.tracker import Tracker

SIZES = [(48, 64), (33, 47), (1, 1), (300, 2), (2, 300)]
BOX = (20, 15, 16, 12)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@st.composite
def frames(draw: st.DrawFn) -> Any:
    height, width = draw(st.sampled_from(SIZES))
    image = noise(height, width, draw(st.integers(0, 3)))
    kind = draw(st.sampled_from(["bgr"] * 6 + ["gray", "one channel", "bgra", "deep", "striped", "blank"] + list(ODD_FRAMES)))
    if kind in ODD_FRAMES:
        return ODD_FRAMES[kind](image)
    return {
        "bgr": lambda: image,
        "gray": lambda: image[..., 0],
        "one channel": lambda: image[..., :1],
        "bgra": lambda: np.dstack([image, image[..., 0]]),
        "deep": lambda: image.astype(np.uint16) * 257,
        "striped": lambda: np.repeat(image, 2, axis=1)[:, ::2],  # not contiguous
        "blank": lambda: np.zeros_like(image),
    }[kind]()


ODD_FRAMES = {
    "float": lambda image: image.astype(np.float64) / 255,
    "signed": lambda image: image.astype(np.int32) - 128,
    "two channels": lambda image: image[..., :2],
    "flat": lambda image: image.ravel(),
    "empty": lambda image: image[:0],
    "text": lambda _: "frame.jpg",
    "none": lambda _: None,
    "list": lambda image: image.tolist(),
    "objects": lambda image: image.astype(object),
}

NUMBERS = st.one_of(
    st.integers(-100, 400),
    st.floats(-50, 300),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -0.0, 2**70, True, None, "7", 3 + 4j]),
)
BOXES = st.one_of(
    st.just(BOX),
    st.tuples(*[st.integers(0, 60)] * 4),
    st.lists(NUMBERS, min_size=0, max_size=6),
    st.sampled_from([None, 5, "1,2,3,4", b"PPPP", {1, 2, 3, 4}, np.array([1.0, 2, 30, 20]), np.ones((2, 2))]),
)
CALLS = st.lists(st.one_of(st.tuples(st.just("init"), frames(), BOXES), st.tuples(st.just("update"), frames())), max_size=7)


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return siamtrack.load(device="cpu")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(CALLS)
def test_any_calls_give_finite_results_or_value_errors(tracker: Tracker, calls: list[tuple[Any, ...]]) -> None:
    image = noise(48, 64, 9)
    tracker.init(image, BOX)
    size_wh, began = (64, 48), (image, BOX)
    for name, frame, *box in calls:
        try:
            result = tracker.init(frame, box[0]) if name == "init" else tracker.update(frame)
        except ValueError:
            continue
        if name == "init":
            size_wh, began = (np.shape(frame)[1], np.shape(frame)[0]), (frame, box[0])
        assert_within(result, size_wh)
    # Still usable, for the video that was begun last and for a new one.
    assert_within(tracker.update(began[0]), size_wh)
    assert tracker.init(image, BOX).box == BOX


@given(st.sampled_from(list(ODD_FRAMES)))
def test_a_refused_frame_changes_nothing(tracker: Tracker, kind: str) -> None:
    image = noise(48, 64)
    results = []
    for odd in (False, True):
        tracker.init(image, BOX)
        tracker.update(np.roll(image, 2, axis=1))
        if odd:
            with pytest.raises(ValueError, match="frame"):
                tracker.update(ODD_FRAMES[kind](image))
        results.append([tracker.update(np.roll(image, shift, axis=1)) for shift in (4, 6)])
    assert results[0] == results[1]


def assert_within(result: TrackResult, size_wh: tuple[int, int]) -> None:
    x, y, w, h = result.box
    assert all(math.isfinite(value) for value in (*result.box, result.score))
    assert 0 <= result.score <= 1
    assert w > 0
    assert h > 0
    assert -1e-6 <= x <= x + w <= size_wh[0] + 1e-6
    assert -1e-6 <= y <= y + h <= size_wh[1] + 1e-6
