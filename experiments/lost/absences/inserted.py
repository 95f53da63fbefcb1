"""Other frames come between those of the source: a cut, or black."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import cv2
import numpy as np

from absences.clip import Frames, Made, Scene, forth_and_back, play
from siamtrack.frames import Image

CUT_FOR, BLACK_FOR = (10, 100), (10, 60)
"""Fewest and most frames for which the target is wholly away; drawn log-uniformly."""


def cut(scene: Scene, rng: np.random.Generator) -> Made:
    """Frames of another sequence come between; the source waits."""
    count = scene.draw(rng, CUT_FOR, scene.lengths.before + scene.lengths.after)
    other = scene.other(rng)
    total = len(other.boxes_xywh)
    start = int(rng.integers(max(1, total - count + 1)))
    order = forth_and_back(range(start, total), count)

    def between() -> Iterator[Image]:
        return (cv2.resize(image, scene.frame_wh) for image in play(other, order))  # type: ignore[misc]

    return interrupted(scene, count, between)


def black(scene: Scene, rng: np.random.Generator) -> Made:
    """Black frames come between; the source waits."""
    count = scene.draw(rng, BLACK_FOR, scene.lengths.before + scene.lengths.after)
    seed = int(rng.integers(2**32))
    width, height = scene.frame_wh

    def between() -> Iterator[Image]:
        noise = np.random.default_rng(seed)  # anew each time, for the same frames
        return (noise.integers(0, 9, (height, width, 3), np.uint8) for _ in range(count))

    return interrupted(scene, count, between)


def interrupted(scene: Scene, count: int, between: Frames) -> Made:
    """The source with `count` other frames between, of its size."""
    before, after = scene.lengths.before, scene.lengths.after
    order, seen = scene.played(before + after)

    def frames() -> Iterator[Image]:
        source = play(scene.sequence, order)
        yield from islice(source, before)
        yield from between()
        yield from source

    boxes = np.concatenate([seen[:before], np.zeros((count, 4)), seen[before:]])
    return Made(range(before, before + count), boxes, frames)
