"""A video's results drawn, with all its targets: a contact sheet, and on demand an overlay video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from siamtrack.boxes import Box
from siamtrack.errors import OutputError
from siamtrack.frames import Image
from siamtrack.system import remove_files, write_whole
from siamtrack.tracking.result import TrackResult
from siamtrack.video.overlay import SeenTarget, contact_sheet, draw_targets
from siamtrack.video.rows import rounded
from siamtrack.video.sink import VideoSink
from siamtrack.video.source import Frame, Source

SHEET = "contact_sheet.jpg"
OVERLAY = "overlay.mp4"
NO_OVERLAY = "overlay.error.txt"
OVERLAY_NOTES = "overlay.notes.txt"
TILES = 12
TILE_PX = 480
"""Width of a frame on the sheet, at most."""


class Pictures:
    """Draws one video's frames as they come, in memory that does not grow with their number.

    Args:
        folder: of the video's results.
        source: the video.
        names: of targets by number.
        video: make the overlay. audio: with the video's sound.
    """

    def __init__(self, folder: Path, source: Source, names: Mapping[int, str], video: bool, audio: bool = True) -> None:
        self._folder, self._source, self._names = folder, source, names
        self._video, self._audio = video, audio
        self._sheet = _Sheet()
        self._sink: VideoSink | None = None
        self._shape: tuple[int, ...] | None = None

    def add(self, frame: Frame, results: Sequence[tuple[int, TrackResult]]) -> None:
        """Take the next frame, with the number and the result of each target in it, which is drawn with its name.

        The pictures begin with the first frame that has a target. The overlay ends where the size of frames changes, and
        one that cannot be written is told of in a file: results matter more.

        Raises:
            OutputError: nothing can be written at all.
        """
        if not results and self._shape is None:
            return
        image = frame.image
        if self._shape is None:
            self._shape = image.shape
            source = self._source  # which knows its sound and the shape of its pixels now that it has given a frame
            if self._video:
                audio = source.audio if self._audio else None
                self._sink = VideoSink(self._folder / OVERLAY, source.fps, source.sample_aspect, audio)
        seen = []
        if self._sink is not None or self._sheet.wanted:
            seen = [
                # Pictures are the same whether a result was just found or read back.
                SeenTarget(self._names[number], number, rounded(result), label=self._names[number])
                for number, result in results
            ]
        if results:
            self._sheet.add(image, seen)
        if self._sink is not None and image.shape == self._shape:
            try:
                self._sink.write(draw_targets(image, seen), frame.time_s, frame.duration_s)
            except OutputError as error:
                self._give_up(error)

    def finish(self) -> None:
        """Write the files, each whole.

        Raises:
            OutputError: one cannot be written.
        """
        if self._sink is not None:
            try:
                self._sink.close()
            except OutputError as error:
                self._give_up(error)
            else:
                if self._sink.notes:
                    write_whole(self._folder / OVERLAY_NOTES, "".join(f"{note}\n" for note in self._sink.notes))
        self._sheet.write(self._folder / SHEET)

    def drop(self) -> None:
        """Let go of the files, without results."""
        if self._sink is not None:
            self._sink.drop()

    def _give_up(self, error: OutputError) -> None:
        """Go on without an overlay. It makes room before anything else is written: the disk may be full."""
        if self._sink is not None:
            self._sink.drop()
            self._sink = None
        write_whole(self._folder / NO_OVERLAY, f"{error}\n")


def pictures_missing(folder: Path, video: bool) -> bool:
    """Whether the pictures of a video are still to be made."""
    overlay = (folder / OVERLAY).is_file() or (folder / NO_OVERLAY).is_file()
    return not (folder / SHEET).is_file() or (video and not overlay)


def remove_pictures(folder: Path) -> None:
    """Remove pictures that will not be true any more, and what a killed process left of some.

    Raises:
        OutputError: a file cannot be removed.
    """
    finished = [folder / name for name in (SHEET, OVERLAY, NO_OVERLAY, OVERLAY_NOTES)]
    remove_files([*finished, *folder.glob("overlay.partial*"), *folder.glob("*.part")])


class _Sheet:
    """About a dozen frames at equal distances, of a video whose length need not be known: containers only estimate it.

    Every `_step`th frame is kept; when there are twice as many as wanted, every other one goes and the step doubles.
    """

    def __init__(self) -> None:
        self._kept: list[Image] = []
        self._step, self._count = 1, 0

    @property
    def wanted(self) -> bool:
        """Whether the next frame is one to keep."""
        return self._count % self._step == 0

    def add(self, image: Image, seen: Sequence[SeenTarget]) -> None:
        if self.wanted:
            self._kept.append(_tile(image, seen))
            if len(self._kept) == 2 * TILES:
                self._kept = self._kept[::2]
                self._step *= 2
        self._count += 1

    def write(self, path: Path) -> None:
        if not self._kept:
            return
        chosen = np.linspace(0, len(self._kept) - 1, min(TILES, len(self._kept))).round().astype(int)
        sheet = contact_sheet([self._kept[i] for i in chosen], width=min(4, len(chosen)) * TILE_PX)
        ok, data = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 90])
        if ok:
            write_whole(path, data.tobytes())


def _tile(image: Image, seen: Sequence[SeenTarget]) -> Image:
    """A small picture of a frame. Made small first: what is written on it must stay readable."""
    height, width = image.shape[:2]
    factor = min(1.0, TILE_PX / width)
    size_wh = (max(1, round(width * factor)), max(1, round(height * factor)))
    small: Image = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    scaled = [replace(one, result=replace(one.result, box=Box(*(value * factor for value in one.result.box)))) for one in seen]
    return draw_targets(small, scaled)
