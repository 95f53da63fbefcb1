"""A piece of another sequence slides over the target, follows it and slides off."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from absences.clip import VISIBLE, Boxes, Made, Scene, play
from siamtrack.boxes import clip_box
from siamtrack.frames import Image

OCCLUDED_FOR = (10, 200)
"""Fewest and most frames for which the target is wholly away; drawn log-uniformly."""

SLIDE = 6
"""Frames from the first contact of occluder and box to full cover."""

APPROACH = 12
"""Frames that the occluder takes from outside the frame to the first contact."""

COVER = 1.3
"""Sides of the occluder, in the largest sides of the box; `COVER_PX` come on top, for small targets."""

COVER_PX = 4


def occluded(scene: Scene, rng: np.random.Generator) -> Made:
    """An opaque occluder slides over the target, follows it, and slides off."""
    before, after = scene.lengths.before, scene.lengths.after
    hidden = scene.draw(rng, OCCLUDED_FOR, before + 2 * SLIDE + after)
    order, boxes = scene.played(before + 2 * SLIDE + hidden + after)
    contact = range(before, before + 2 * SLIDE + hidden)
    mask = outline(boxes[contact.start : contact.stop, 2:].max(axis=0), scene.frame_wh, rng)
    other = scene.other(rng)
    number, crop = int(rng.integers(len(other.boxes_xywh))), rng.random(3)
    corners = occluder_path(boxes, mask, contact, scene.frame_wh, rng)
    inside = [np.array(clip_box(box, scene.frame_wh)) for box in boxes]
    shares = [covered_share(mask, corner, box) for corner, box in zip(corners, inside, strict=True)]
    seen_last, *_, seen_again = np.flatnonzero(np.array(shares) > 1 - VISIBLE)
    drawn = range(max(0, contact.start - APPROACH), contact.stop + APPROACH)

    def frames() -> Iterator[Image]:
        texture = cut_out(next(play(other, [number])), (mask.shape[1], mask.shape[0]), crop)
        for k, image in enumerate(play(scene.sequence, order)):
            yield pasted(image, texture, mask, corners[k]) if k in drawn else image

    return Made(range(int(seen_last), int(seen_again) + 1), boxes, frames)


def outline(largest_wh: NDArray[np.float64], frame_wh: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """The occluder's outline, (h, w): an ellipse or a rectangle that covers any box up to a size, with a margin."""
    elliptic = rng.random() < 0.5
    # An ellipse around a rectangle is at least sqrt(2) times as wide and high; around a large target, it would be all
    # that is to be seen.
    sides = largest_wh * COVER + COVER_PX
    elliptic = elliptic and bool((math.sqrt(2) * sides < frame_wh).all())
    sides = sides * (math.sqrt(2) if elliptic else 1)
    width, height = (math.ceil(side) for side in sides)
    if not elliptic:
        return np.ones((height, width), dtype=bool)
    x, y = (2 * np.arange(width) + 1) / width - 1, (2 * np.arange(height) + 1) / height - 1
    return np.asarray(x[None, :] ** 2 + y[:, None] ** 2 <= 1)


def occluder_path(
    boxes: Boxes, mask: NDArray[np.bool_], contact: range, frame_wh: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.int64]:
    """The occluder's upper left corner in every frame, (N, 2), x before y.

    It comes from outside the frame, touches the target in the first frame of `contact`, covers it from `SLIDE` frames
    later to `SLIDE` frames before the last, and goes out of the frame neither back nor straight on.
    """
    angle_in = rng.uniform(0, 2 * math.pi)
    angle_out = angle_in + rng.choice([-1, 1]) * rng.uniform(math.pi / 3, 2 * math.pi / 3)
    size = np.array(mask.shape[::-1], dtype=np.float64)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    touching = (size + boxes[contact.start : contact.stop, 2:].max(axis=0)) / 2
    time = np.arange(len(boxes))
    offsets = np.zeros_like(centres)
    for angle, first, turn in ((angle_in, contact.start, 1), (angle_out, contact.stop - 1, -1)):
        way = np.array([math.cos(angle), math.sin(angle)])
        near = distance_to(touching, way)
        centre = centres[first]
        edges = np.where(way > 0, np.array(frame_wh) - centre, centre) + size / 2
        far = max(near, distance_to(edges, way))
        knots = np.array([first - turn * APPROACH, first, first + turn * SLIDE])
        distance = np.interp(turn * time, turn * knots, [far, near, 0.0])
        offsets += distance[:, None] * way
    return np.rint(centres + offsets - size / 2).astype(np.int64)


def distance_to(half_wh: NDArray[np.float64], way: NDArray[np.float64]) -> float:
    """How far it is from the centre of a rectangle, given its half sides, to its edge along a unit vector."""
    return float((half_wh / np.maximum(np.abs(way), 1e-9)).min())


def covered_share(mask: NDArray[np.bool_], corner: NDArray[np.int64], box: NDArray[np.float64]) -> float:
    """The share of a box that a mask covers, whose upper left corner is given; to whole pixels."""
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[:2] + box[2:]).astype(int)
    x, y = (int(value) for value in corner)
    seen = mask[max(top - y, 0) : max(bottom - y, 0), max(left - x, 0) : max(right - x, 0)]
    return float(seen.sum()) / max((right - left) * (bottom - top), 1)


def cut_out(image: Image, size_wh: tuple[int, int], crop: NDArray[np.float64]) -> Image:
    """A piece of a frame, resized.

    Args:
        image: the frame.
        size_wh: width and height of the result.
        crop: three numbers in 0..1: the piece's size between a third of the largest possible and all of it, and its
            place from left to right and from top to bottom.
    """
    height, width = image.shape[:2]
    scale = min(width / size_wh[0], height / size_wh[1]) * (1 + 2 * crop[0]) / 3
    w, h = (max(1, int(scale * side)) for side in size_wh)
    x, y = int(crop[1] * (width - w)), int(crop[2] * (height - h))
    return cv2.resize(image[y : y + h, x : x + w], size_wh)  # type: ignore[return-value]


def pasted(image: Image, texture: Image, mask: NDArray[np.bool_], corner: NDArray[np.int64]) -> Image:
    """The frame with a texture where its mask is set; what lies outside the frame is lost."""
    (x, y), (height, width) = (int(value) for value in corner), mask.shape
    left, top = max(x, 0), max(y, 0)
    right, bottom = max(min(x + width, image.shape[1]), left), max(min(y + height, image.shape[0]), top)
    part = (slice(top - y, bottom - y), slice(left - x, right - x))
    result = image.copy()
    result[top:bottom, left:right][mask[part]] = texture[part][mask[part]]
    return result
