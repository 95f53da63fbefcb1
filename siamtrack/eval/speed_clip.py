"""Clips to measure speed on: a rendered one, which needs no file and is as long as one likes, and a user's video."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, check_box
from siamtrack.frames import Image
from siamtrack.video.source import open_source

_RING_BYTES = 96_000_000
_PERIOD = 96  # frames of one swing of a target


@dataclass(frozen=True)
class RenderedClip:
    """Textured patches that swing over a textured ground. It has no end: it is played forward and backward.

    Attributes:
        size_wh: of its frames, pixels. boxes: the patches in the first frame. ring: its frames, in memory.
        decoded: whether reading a frame decodes it.
    """

    size_wh: tuple[int, int]
    boxes: tuple[Box, ...]
    ring: tuple[Image, ...]
    decoded = False

    @property
    def name(self) -> str:
        """What it is."""
        return "rendered {}x{}".format(*self.size_wh)

    @property
    def box(self) -> Box:
        """The first patch in the first frame."""
        return self.boxes[0]

    def read(self, count: int) -> Iterator[Image]:
        """The first `count` frames, (H, W, 3) BGR uint8."""
        last = len(self.ring) - 1
        for index in range(count):
            yield self.ring[last - abs(last - index % (2 * last))]


@dataclass(frozen=True)
class VideoClip:
    """A user's video from its first frame on, decoded anew each time.

    Attributes:
        path: a video file, an image folder or a glob. size_wh: of its frames, pixels.
        box: the target in the first frame. decoded: as of `RenderedClip`.
    """

    path: str
    size_wh: tuple[int, int]
    box: Box
    decoded = True

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.path).name

    def read(self, count: int) -> Iterator[Image]:
        """The first `count` frames, or fewer where it ends before."""
        with open_source(self.path) as source:
            for index, frame in enumerate(source.read(), 1):
                yield frame.image
                if index == count:
                    return


Clip = RenderedClip | VideoClip


def render_clip(size_wh: tuple[int, int] = (1280, 720), targets: int = 1, seed: int = 0) -> RenderedClip:
    """Render a clip; the same arguments give the same pixels.

    Args:
        size_wh: of its frames; targets are a sixth of a frame high, or less where many must find room.
        targets: how many patches there are, which never overlap; a ValueError if they find no room. seed: of the textures.
    """
    width, height = size_wh
    if targets < 1:
        raise ValueError(f"{targets} targets; a clip needs one or more")
    columns = max(1, round(math.sqrt(targets)))
    rows = math.ceil(targets / columns)
    cell_w, cell_h = width / columns, height / rows
    h = min(height / 6, 0.6 * cell_h, 0.6 * cell_w)
    w = 0.75 * h
    if w < 8:
        raise ValueError(
            f"{targets} targets in frames of {width}x{height} would be {w:.0f} px wide; give fewer, or larger frames"
        )
    draw = np.random.default_rng(seed)
    ground = _ground(draw, width, height)
    textures = [_patch(draw, round(w), round(h)) for _ in range(targets)]
    swing_xy = min(0.45 * (cell_w - w), 1.5 * w), min(0.45 * (cell_h - h), 0.5 * h)
    frames, boxes = [], []
    for index in range(max(4, min(32, _RING_BYTES // (3 * width * height)))):
        frame = ground.copy()
        for place, texture in enumerate(textures):
            row, column = divmod(place, columns)
            angle = 2 * math.pi * index / _PERIOD + place
            x = (column + 0.5) * cell_w - w / 2 + swing_xy[0] * math.sin(angle)
            y = (row + 0.5) * cell_h - h / 2 + swing_xy[1] * math.sin(2 * angle)
            _paste(frame, texture, x, y)
            if index == 0:
                boxes.append(Box(x, y, float(texture.shape[1]), float(texture.shape[0])))
        frames.append(frame)
    return RenderedClip(size_wh, tuple(boxes), tuple(frames))


def video_clip(path: str, box: Box) -> VideoClip:
    """A user's video and the target in its first frame.

    Raises:
        FileNotFoundError, SourceError: it cannot be opened.
        ValueError: a camera or a stream, which cannot be played twice; or a box that does not fit its first frame.
    """
    with open_source(path) as source:
        if source.live:
            raise ValueError(
                f"{path} is live and cannot be played again for each tracker; give a video file or a folder of images"
            )
        first = next(iter(source.read())).image
    size_wh = first.shape[1], first.shape[0]
    return VideoClip(path, size_wh, check_box(box, size_wh))


def _ground(draw: np.random.Generator, width: int, height: int) -> Image:
    coarse = draw.integers(60, 196, (max(2, height // 24), max(2, width // 24), 3), np.uint8)
    fine = draw.integers(0, 24, (max(2, height // 3), max(2, width // 3), 3), np.uint8)
    soft, grain = (cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in (coarse, fine))
    return cv2.add(soft, grain)  # type: ignore[return-value]


def _patch(draw: np.random.Generator, width: int, height: int) -> Image:
    blocks = draw.integers(0, 256, (5, 4, 3), np.uint8)
    return cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)  # type: ignore[return-value]


def _paste(frame: Image, texture: Image, x: float, y: float) -> None:
    """At a place between pixels: a target that jumps from pixel to pixel would be easier than a real one."""
    left, top = math.floor(x), math.floor(y)
    height, width = texture.shape[0] + 1, texture.shape[1] + 1
    shift = np.array([[1, 0, x - left], [0, 1, y - top]])
    cover = np.ones(texture.shape[:2], np.float32)
    colour = cv2.warpAffine(texture.astype(np.float32), shift, (width, height))  # fades into black outside
    alpha: NDArray[np.float32] = cv2.warpAffine(cover, shift, (width, height))[..., None]  # type: ignore[assignment]
    part = frame[top : top + height, left : left + width]
    part[:] = np.rint(colour + (1 - alpha) * part).astype(np.uint8)
