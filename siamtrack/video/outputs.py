"""What a run writes beside its rows, if it is asked to: overlay.mp4, follow.mp4, crops, plot.png."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from siamtrack.boxes import clip_box
from siamtrack.errors import OutputError, system_reason
from siamtrack.frames import Image, encoded
from siamtrack.system import make_folder, write_whole
from siamtrack.tracking.crop import SearchRegion, context_side
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.tracker import FrameDetails
from siamtrack.video.frame_source import Frame, Source
from siamtrack.video.overlay import SeenTarget, draw, draw_targets
from siamtrack.video.sink import VideoSink
from siamtrack.video.threads import WriteBehind

OVERLAY, FOLLOW_VIDEO, PLOT = "overlay.mp4", "follow.mp4", "plot.png"
FILES = (OVERLAY, FOLLOW_VIDEO, PLOT, "overlay.partial.mp4", "follow.partial.mp4", "contact_sheet.png")
"""All that may lie beside rows; the last one is of the demo."""

PAD_COLOR = (40, 40, 40)
"""BGR around the frame in follow.mp4."""


@dataclass(frozen=True)
class Outputs:
    """What is wanted.

    Attributes:
        video: overlay.mp4, with the source's own times. audio: with the source's sound, if it has any.
        debug: overlays also show the search regions and what the score is made of.
        plot: plot.png, score and state over time.
        crops: folder for an image of the target in each frame; it is new, or empty.
        follow_video: follow.mp4, a steady crop around the target.
    """

    video: bool = False
    audio: bool = True
    debug: bool = False
    plot: bool = False
    crops: Path | None = None
    follow_video: bool = False

    @property
    def in_order(self) -> bool:
        """Whether every frame is wanted in the order of time, even if targets go backward."""
        return self.video or self.follow_video or self.crops is not None

    def check(self) -> None:
        """Raise OutputError if crops of another run, or anything else, are in the way."""
        if self.crops is not None and (any(self.crops.iterdir()) if self.crops.is_dir() else os.path.lexists(self.crops)):
            raise OutputError(
                f"{self.crops} is not {'empty' if self.crops.is_dir() else 'a folder'}; give --crops a new folder"
            )


@dataclass(frozen=True)
class Progress:
    """What a run tells after each frame.

    Attributes:
        frame: the frame.
        targets: what the tracker says of them; at least one.
        fps: end-to-end frames per second so far.
        several: whether the run has several targets.
        details: what made the results, by name, if the run was asked to show it.
        backward: whether this frame comes in a pass backward.
    """

    frame: Frame
    targets: tuple[SeenTarget, ...]
    fps: float
    several: bool = False
    details: Mapping[str, FrameDetails] = field(default_factory=dict)
    backward: bool = False

    @property
    def result(self) -> TrackResult:
        """The first target's."""
        return self.targets[0].result

    def overlay(self) -> Image:
        """A copy of the frame with the boxes drawn."""
        caption = f"frame {self.frame.index}"
        if self.several:
            regions = [box for details in self.details.values() for box in details.regions]
            return draw_targets(self.frame.image, self.targets, caption=caption, regions=regions)
        first = self.targets[0]
        return draw(self.frame.image, first.result, caption, self.details.get(first.name), first.label)


class OutputFiles:
    """The files of a run that are made of its frames, in the order of time.

    Args:
        out: the run's folder. folders: those of its targets by name.
        source: the video.
        wanted: which ones.
    """

    def __init__(self, out: Path, folders: Mapping[str, Path], source: Source, wanted: Outputs) -> None:
        self._wanted = wanted
        self._overlay = _VideoFile(out / OVERLAY, "overlay", source, wanted.audio) if wanted.video else None
        self._follow: dict[str, tuple[_VideoFile, _SteadyCamera]] = {}
        if wanted.follow_video:
            for name, folder in folders.items():
                file = _VideoFile(folder / FOLLOW_VIDEO, FOLLOW_VIDEO, source, wanted.audio)
                self._follow[name] = file, _SteadyCamera()
        self._crops: dict[str, _Crops] = {}
        if wanted.crops is not None:
            several = len(folders) > 1
            self._crops = {name: _Crops(wanted.crops / name if several else wanted.crops) for name in folders}

    @property
    def notes(self) -> list[str]:
        """What a user should know of them, each in one line; complete once they are closed."""
        files = [self._overlay, *(file for file, _ in self._follow.values())]
        told = [note for file in files if file is not None for note in file.notes]
        return told + [note for crops in self._crops.values() for note in crops.notes]

    def add(self, progress: Progress) -> None:
        """Take the next frame."""
        if progress.backward and self._wanted.in_order:
            return  # it comes once more
        if self._overlay is not None:
            self._overlay.add(progress.frame, progress.overlay)
        for seen in progress.targets:
            if seen.name in self._crops:
                self._crops[seen.name].add(progress.frame, seen.result)
            if seen.name in self._follow:
                file, view = self._follow[seen.name]
                region = view.next(seen.result)
                file.add(progress.frame, lambda region=region: region.extract(progress.frame.image, PAD_COLOR))  # type: ignore[misc]

    def close(self) -> None:
        """Wait for all frames and finish the files. May be called again."""
        for file in [self._overlay, *(file for file, _ in self._follow.values())]:
            if file is not None:
                file.close()


class _VideoFile:
    """A video, drawn and encoded in a thread of its own. One that cannot be written leaves no file, but a note.

    Args:
        path: of the file. what: it is, for the note.
        source: whose times and pixels it has. audio: and whose sound.
    """

    def __init__(self, path: Path, what: str, source: Source, audio: bool) -> None:
        self._what = what
        self._sink = VideoSink(path, source.fps, source.sample_aspect, source.audio if audio else None)
        self.notes = self._sink.notes
        self._failed = False
        self._encoder: WriteBehind[tuple[Frame, Callable[[], Image]]] = WriteBehind(lambda item: self._write(*item))

    def add(self, frame: Frame, drawn: Callable[[], Image]) -> None:
        """Append what a frame has become, soon."""
        self._encoder.add((frame, drawn))

    def close(self) -> None:
        self._encoder.close()
        try:
            self._sink.close()
        except OutputError as error:
            self._give_up(error)

    def _write(self, frame: Frame, drawn: Callable[[], Image]) -> None:
        if self._failed:
            return
        try:
            self._sink.write(drawn(), frame.time_s, frame.duration_s)
        except OutputError as error:
            self._give_up(error)

    def _give_up(self, error: OutputError) -> None:
        """Make room at once: the disk may be full, and boxes matter more. An earlier run's video would show other boxes."""
        self._failed = True
        self._sink.drop()
        with suppress(OSError):
            self._sink.path.unlink(missing_ok=True)
        self.notes.append(f"there is no {self._what}: {error}")


class _Crops:
    """The target in each frame as an image `000123.jpg`; where it is LOST there is none.

    Args:
        folder: made with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.notes: list[str] = []

    def add(self, frame: Frame, result: TrackResult) -> None:
        if self.notes or result.state is State.LOST:
            return
        height, width = frame.image.shape[:2]
        box = clip_box(result.box, (width, height))
        left, top = math.floor(box.x), math.floor(box.y)
        crop = frame.image[top : math.ceil(box.y + box.h), left : math.ceil(box.x + box.w)]
        if not crop.size:
            return
        try:
            make_folder(self._folder)
            write_whole(self._folder / f"{frame.index:06}.jpg", encoded(crop, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 95))
        except OutputError as error:
            self.notes.append(f"crops end before frame {frame.index}: {system_reason(error)}")


class _SteadyCamera:
    """Where the camera of follow.mp4 points: at the target, without its jitter."""

    MARGIN = 1.25
    """Side of the view in sides of the exemplar's square, which is twice the target's size."""
    LEAST_PX, MOST_PX = 256, 720
    CENTER_SHARE, SIDE_SHARE = 0.4, 0.1
    """Of the way to where the target is now, a frame: sizes are noisier than places."""
    JUMP = 0.25
    """Of the side: what moved so far in one frame was found anew."""

    def __init__(self) -> None:
        self._region: SearchRegion | None = None

    def next(self, result: TrackResult) -> SearchRegion:
        """The view of the next frame. It stays where it is while the target is LOST."""
        (x, y), side = result.box.center_xy, self.MARGIN * context_side(result.box.size_wh)
        before = self._region
        if before is None:
            size = 2 * round(min(max(side, self.LEAST_PX), self.MOST_PX) / 2)  # the same for all frames, and even
            self._region = SearchRegion((x, y), side, size)
        elif result.state is not State.LOST:
            (old_x, old_y), old = before.center_xy, before.side
            share = 1.0 if math.hypot(x - old_x, y - old_y) > self.JUMP * old else self.CENTER_SHARE
            center_xy = (old_x + share * (x - old_x), old_y + share * (y - old_y))
            self._region = SearchRegion(center_xy, old + self.SIDE_SHARE * (side - old), before.size)
        assert self._region is not None
        return self._region
