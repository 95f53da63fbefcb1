"""What a labelled data set is made of: sequences of one target each, boxed stills, and the items that load them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import MIN_SIDE_PX
from siamtrack.data.pictures import Picture, list_pictures
from siamtrack.errors import DataError
from siamtrack.frames import Image
from siamtrack.video.image_file import DepthRange
from siamtrack.video.source import open_source

BAD_INPUT = (OSError, ValueError, ArithmeticError, cv2.error)
"""What reading a damaged item may raise; DataError and SourceError are ValueErrors."""


@dataclass(frozen=True)
class Sequence:
    """One target in one video.

    Attributes:
        name: unique within its data set.
        path: a video file, or a folder of images that sort into frame order.
        boxes_xywh: (N, 4) float, 0-based; rows of zeros where the target is absent or unsure.
        images: the frames as files, where the order of names in `path` is not to be relied on; empty otherwise.
    """

    name: str
    path: Path
    boxes_xywh: NDArray[np.float64]
    images: tuple[Path, ...] = ()

    @property
    def visible(self) -> NDArray[np.bool_]:
        """(N,) whether the frame has a box that can be used."""
        return np.asarray((self.boxes_xywh[:, 2:] >= MIN_SIDE_PX).all(axis=1))

    def frames(self) -> Iterator[Image]:
        """Frames in order, (H, W, 3) BGR uint8, decoded one at a time.

        Raises:
            SourceError: a video cannot be read. DataError: an image cannot be read, or there is not one box a frame.
        """
        return (image for _, image in self.frames_at(range(len(self.boxes_xywh))))

    def frames_at(self, wanted: Container[int]) -> Iterator[tuple[int, Image]]:
        """Some of the frames, in order, each with its number from 0; errors as of `frames`.

        Of a folder of images no other is opened; a video is decoded to its end all the same, because seeking
        lands on key frames and the count of frames is only known there.
        """
        return self._read(wanted, whole=False)

    def _read(self, wanted: Container[int], whole: bool) -> Iterator[tuple[int, Image]]:
        if self.images or self.path.is_dir():
            paths = self.images or list_pictures(self.path)
            self._check_count(len(paths))
            depth = DepthRange(lambda: Picture(paths[0]).decode())
            for index, path in enumerate(paths):
                if index in wanted:
                    yield index, Picture(path).read(depth)
            return
        count = 0
        with open_source(self.path) as source:
            for frame in source.read():
                if frame.index > count:
                    raise DataError(f"{self.path}: {frame.index - count} frames from number {count} on cannot be decoded")
                if count in wanted and count < len(self.boxes_xywh):
                    yield count, frame.image
                count += 1
            if whole and source.counts.damaged:
                raise DataError(f"{self.path}: {source.counts.damaged} frames are damaged, parts of them can only be guessed")
        self._check_count(count)

    def check(self, fast: bool) -> None:
        """Look for what can be wrong with the frames; `fast`, without decoding them: are all images there, does the video open.

        Raises:
            SourceError, DataError, FileNotFoundError: a frame is missing or damaged, or the video cannot be opened.
        """
        if not fast:
            for _ in self._read(range(len(self.boxes_xywh)), whole=True):
                pass
        elif self.images or self.path.is_dir():
            paths = self.images or list_pictures(self.path)
            self._check_count(len(paths))
            missing = next((path for path in paths if not path.is_file()), None)
            if missing is not None:
                raise DataError(f"{missing} not found")
        else:
            open_source(self.path).close()

    def _check_count(self, frames: int) -> None:
        if frames != len(self.boxes_xywh):
            raise DataError(f"{self.path}: {frames} frames, {len(self.boxes_xywh)} boxes; every frame needs one box")


@dataclass(frozen=True)
class Still:
    """One labelled image; an image without boxes has none.

    Attributes:
        name: unique within its data set.
        picture: the image, not yet decoded.
        boxes_xywh: (N, 4) float, 0-based.
        classes: N names.
    """

    name: str
    picture: Picture
    boxes_xywh: NDArray[np.float64]
    classes: tuple[str, ...]

    @property
    def image(self) -> Image:
        """(H, W, 3) BGR uint8, decoded anew each time: a data set does not fit into memory. DataError if it is damaged."""
        return self.picture.read()

    def check(self, fast: bool) -> None:
        """Raise DataError if the image is missing or damaged; `fast`, without decoding it: is it there."""
        if not fast:
            self.picture.read()
        elif not self.picture.path.is_file():
            raise DataError(f"{self.picture.path} not found")


@dataclass(frozen=True)
class Item:
    """One unit of a data set: a video with its targets, or one still. Finding it reads none of its labels.

    Attributes:
        name: unique within its data set.
        load: reads the labels; the frames stay on disk. It can be pickled, so that other processes can read.
    """

    name: str
    load: Callable[[], Iterable[Sequence | Still]]

    @classmethod
    def broken(cls, name: str, reason: str) -> Item:
        """An item known to be bad when it is found: it is named with all others, when it is read."""
        return cls(name, partial(_refuse, reason))


@dataclass(frozen=True)
class Layout:
    """One layout of labelled data on disk, and its reader.

    Attributes:
        kind: its name, as options and recipes give it.
        expected: what lies below its root, for messages.
        stills: whether its items are stills; otherwise they are videos.
        fits: whether a root has this layout; cheap.
        find: the items of a root; none where nothing is found. It may raise DataError.
    """

    kind: str
    expected: str
    stills: bool
    fits: Callable[[Path], bool]
    find: Callable[[Path], list[Item]]


class Bad(NamedTuple):
    """An item that cannot be used, and why, in one line."""

    name: str
    reason: str


def loaded(item: Item) -> list[Sequence | Still]:
    """The parts of an item; one of `BAD_INPUT` if the labels cannot be read, or no frame of a video has a usable box."""
    parts = list(item.load())
    sequences = [part for part in parts if isinstance(part, Sequence)]
    if len(sequences) == len(parts) and not any(sequence.visible.any() for sequence in sequences):
        raise DataError(f"no frame has a box with sides of {MIN_SIDE_PX:g} px or more")
    return parts


def _refuse(text: str) -> NoReturn:
    raise DataError(text)
