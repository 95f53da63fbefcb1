"""A target that vanishes and comes back elsewhere, followed by the real network."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import siamtrack
from siamtrack.boxes import Box, iou
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.state import LOST_FRAMES
from siamtrack.tracking.tracker import MultiTracker, Tracker

GONE, BACK, FRAMES = 15, 35, 105

WITHIN = 60
"""Frames in which it is found: among the 11 of 20 tiles that are far, of which one is looked at in four frames."""
BEFORE, AFTER = Box(60, 60, 50, 60), Box(380, 250, 50, 60)


def scene(box: Box | None) -> np.ndarray:
    """A textured ground, and a face with a hat on it unless the target is absent."""
    rng = np.random.default_rng(3)
    frame = cv2.resize(rng.integers(60, 196, (45, 60, 3), np.uint8), (480, 360), interpolation=cv2.INTER_CUBIC)
    if box is not None:
        x, y, w, h = (round(value) for value in box)
        frame[y : y + h // 3, x : x + w] = (30, 30, 200)
        frame[y + h // 3 : y + h, x : x + w] = (150, 190, 235)
        for eye in (w // 4, 3 * w // 4):
            cv2.circle(frame, (x + eye, y + h // 2), 5, (20, 20, 20), -1)
        cv2.line(frame, (x + w // 4, y + 5 * h // 6), (x + 3 * w // 4, y + 5 * h // 6), (60, 40, 160), 3)
    return frame


def truth(i: int) -> Box | None:
    if i < GONE:
        return Box(BEFORE.x + 2 * i, *BEFORE[1:])
    return Box(AFTER.x - (i - BACK), *AFTER[1:]) if i >= BACK else None


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return siamtrack.load("siamfc-lite", device="cpu", precision="float32")


def follow(tracker: Tracker) -> list[TrackResult]:
    results = [tracker.init(scene(BEFORE), BEFORE)]
    return results + [tracker.update(scene(truth(i))) for i in range(1, FRAMES)]


def test_a_target_that_comes_back_elsewhere_is_lost_and_found_again(tracker: Tracker) -> None:
    results = follow(tracker)
    assert all(result.state is State.TRACKING for result in results[:GONE])
    gone = [result.state for result in results[GONE:BACK]]
    assert State.TRACKING not in gone
    assert gone[LOST_FRAMES:] == [State.LOST] * (BACK - GONE - LOST_FRAMES)
    found = next(i for i in range(BACK, FRAMES) if results[i].state is State.TRACKING)
    assert found < BACK + WITHIN
    for i in range(found, FRAMES):
        there = truth(i)
        assert there is not None
        assert iou(results[i].box, there) > 0.5


def test_a_group_finds_it_as_a_tracker_does_and_leaves_the_others_alone(tracker: Tracker) -> None:
    group = MultiTracker[str](tracker.backend, tracker.config)
    expected = [result.box for result in follow(tracker)]
    group.add("face", scene(BEFORE), BEFORE)
    corner = Box(200, 280, 60, 60)  # of the ground, which does not move
    group.add("ground", scene(BEFORE), corner)
    for i in range(1, FRAMES):
        results = group.update(scene(truth(i)))
        assert results["face"].box == expected[i]
        assert iou(results["ground"].box, corner) > 0.5


def test_without_redetection_it_stays_lost() -> None:
    tracker = siamtrack.load("siamfc-lite", device="cpu", precision="float32", redetect=False)
    assert all(result.state is not State.TRACKING for result in follow(tracker)[GONE:])
