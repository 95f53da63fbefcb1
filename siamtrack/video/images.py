"""Images as a source of frames: many files in order, or one file of many pages.

In a folder or glob every file is one frame; a file that holds several pictures is refused there, and read page by page
when it is all there is. Images carry no times and come at `FOLDER_FPS`; an animation has its own.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from siamtrack.errors import SourceError
from siamtrack.system import open_file, read_file
from siamtrack.video.frame_source import (
    FOLDER_FPS,
    TOLERANCE_S,
    Frame,
    Moment,
    Seconds,
    Source,
    asked_for,
    is_reached,
    left_out,
)
from siamtrack.video.image_file import IMAGE_SUFFIXES, MOST_BYTES, DecodedImage, DepthRange, decode_image
from siamtrack.video.names import printable, source_name
from siamtrack.video.pages import Pages, find_pages, read_pages, read_pages_backward


class ImageSource(Source):
    """Image files as frames, in natural order (`9.png` before `10.png`), or the pages of one file.

    Images of 16 bits become frames by `DepthRange`, which `notes` tells. A file that cannot be read is left out, counted in
    `counts.skipped` and told in `notes`, and later ones keep their numbers; as the last it is an error.

    Args:
        name: as the user gave it. paths: the files.

    Raises:
        FileNotFoundError: the only file is not there.
        SourceError: no files, or the only one cannot be opened.
    """

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        self.name = source_name(name)
        if not paths:
            known = ", ".join(IMAGE_SUFFIXES)
            raise SourceError(f"{self.name} holds no images; known endings: {known}; many videos are for siamtrack batch")
        self._paths = paths
        self._pages: Pages | None = None
        if len(paths) == 1:
            with open_file(paths[0], MOST_BYTES, SourceError) as stream:
                pages = find_pages(stream)
            self._pages = pages if pages.kind else None
        self.fps = FOLDER_FPS
        self.frame_count: int = len(self._pages.numbers if self._pages else paths)
        self._unread: dict[int, str] = {}
        self._range = DepthRange(lambda: next(self._decoded(0)).pixels)

    @property
    def notes(self) -> list[str]:  # type: ignore[override]
        """What a user should know of how the images were read, up to now."""
        if not self._unread:
            return self._range.notes()
        first = min(self._unread)
        return [f"{left_out([str(index) for index in sorted(self._unread)])} ({self._unread[first]})", *self._range.notes()]

    @property
    def files(self) -> Sequence[Path]:
        """The file of each frame; none if the frames are pages of one file."""
        return () if self._pages else self._paths

    def read(self, start: Moment = 0) -> Iterator[Frame]:
        """Images as frames; see `Source.read`."""
        yield from self._frames(self._decoded(self._place(start)))

    def read_backward(self, start: Moment) -> Iterator[Frame]:
        """See `Source.read_backward`."""
        yield from self._frames(self._decoded(self._place(start), backward=True))

    def _place(self, start: Moment) -> int:
        """The image at a moment, or the first behind it."""
        if not isinstance(start, Seconds):
            place = start
        elif self._pages is None or self._pages.kind != "webp":
            place = math.ceil((start - TOLERANCE_S) * self.fps)
        else:  # only a film has times of its own
            pages = self._decoded(0)
            place = next((page.index for page in pages if is_reached(start, page.index, page.time_s)), self.frame_count)
        if place >= self.frame_count:
            raise SourceError(f"{self.name} holds {self.frame_count} images; {asked_for(start)}")
        return max(0, place)

    def _frames(self, images: Iterator[DecodedImage]) -> Iterator[Frame]:
        for page in images:
            try:
                frame = Frame(page.index, page.time_s, self._range.frame(page.pixels), duration_s=page.duration_s)
            except SourceError:  # of the first image, which says the range
                raise
            except ValueError as error:
                raise SourceError(
                    f"image {page.index} of {self.name} cannot be used ({error}); save it with 8 or 16 bits"
                ) from error
            self.counts.decoded += 1
            yield frame

    def _decoded(self, start: int, backward: bool = False) -> Iterator[DecodedImage]:
        """Images from `start` on, or back to the first."""
        if self._pages is not None:
            return (read_pages_backward if backward else read_pages)(self._paths[0], self._pages, start)
        return self._read_files(range(start, -1, -1) if backward else range(start, len(self._paths)))

    def _read_files(self, places: range) -> Iterator[DecodedImage]:
        broken: dict[int, SourceError] = {}
        for index in places:
            try:
                pixels = _read_image(self._paths[index])
            except SourceError as error:
                if index == places[0]:
                    raise
                broken[index] = error
                continue
            self._unread.update({lost: str(why) for lost, why in broken.items()})
            self.counts.skipped = len(self._unread)
            broken.clear()
            yield DecodedImage(index, index / self.fps, pixels)
        if broken:  # nothing comes behind them: a copy that was stopped ends so
            raise next(iter(broken.values()))


def _read_image(path: Path) -> NDArray[Any]:
    try:
        data = read_file(path, MOST_BYTES, SourceError)
    except FileNotFoundError as error:  # a link to what is not there, or removed since
        raise SourceError(str(error)) from error
    count = len(find_pages(io.BytesIO(data)).numbers)
    if count > 1:
        raise SourceError(f"{printable(str(path))} holds {count} pictures; among others an image is one frame: give it alone")
    try:
        return decode_image(data)
    except ValueError as error:
        raise SourceError(f"{printable(str(path))} cannot be read: it {error}") from error
