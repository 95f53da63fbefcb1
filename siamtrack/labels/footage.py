"""The video that labels belong to: its frame size, its length, its frames, and labels that are a file for each of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path, PurePath

from siamtrack.errors import DataError, SiamtrackError
from siamtrack.frames import encoded
from siamtrack.labels.files import check_free, write_file
from siamtrack.labels.label_selection import ExportedBox, LabelOptions, by_frame, choose
from siamtrack.labels.tracks import Footage, Results, VideoTracks
from siamtrack.system import make_folder, read_file, remove_files
from siamtrack.video.image_file import MOST_BYTES
from siamtrack.video.images import ImageSource
from siamtrack.video.source import Source, open_again

TextOf = Callable[[str, list[ExportedBox]], tuple[str, int]]
"""What is written for a frame, and how many boxes it holds: of its image's name and its boxes."""


def override(results: Results, size_wh: tuple[int, int] | None = None, source: str | None = None) -> Results:
    """Results with a frame size or a video that the user names.

    Raises:
        ValueError: one source for several videos, or a size that the runs contradict.
    """
    if source is not None and len(results.videos) > 1:
        names = ", ".join(video.name for video in results.videos[:3])
        raise ValueError(
            f"--source names one video, and {results.folder} holds {len(results.videos)} ({names}, ...); "
            "export them one at a time"
        )
    videos = []
    for video in results.videos:
        if size_wh is not None and video.size_wh is not None and video.size_wh != size_wh:
            raise ValueError(f"--size is {_by(size_wh)}, but {video.name} was tracked in {_by(video.size_wh)}; leave it out")
        videos.append(replace(video, size_wh=size_wh or video.size_wh, source=source or video.source))
    return replace(results, videos=tuple(videos))


def parse_size(text: str) -> tuple[int, int]:
    """Read a frame size from `WxH`.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(r"\s*(\d{1,6})\s*[xX*,]\s*(\d{1,6})\s*", text)
    if match is None or not (int(match[1]) and int(match[2])):
        raise ValueError(f"size {text!r} is not WIDTHxHEIGHT; give pixels, such as 1280x720")
    return int(match[1]), int(match[2])


def frame_size(video: VideoTracks) -> tuple[int, int]:
    """Width and height of a video's frames: as its runs say, or else as its first frame has it.

    Raises:
        DataError: the runs do not say it, and the video cannot be opened.
    """
    if video.size_wh is not None:
        return video.size_wh
    try:
        with open_video(video) as source:
            image = next(iter(source.read())).image
    except (FileNotFoundError, SiamtrackError) as error:
        raise DataError(
            f"the frame size of {video.name} is unknown: run.json does not say it, and {error}; "
            "give --size WxH, or the video with --source FILE"
        ) from error
    height, width = image.shape[:2]
    return width, height


def footage_of(video: VideoTracks) -> Footage:
    """What a video says of its frames; it is opened, but for one whose `footage` is known."""
    if video.footage is not None:
        return video.footage
    tracked = video.end_frame
    try:
        with open_video(video) as source:
            count = source.frame_count or 0
            if not isinstance(source, ImageSource):
                # An edit list may skip frames that the container counts: the last ones may not exist.
                return Footage(max(tracked, count - max(2, count // 50)), max(tracked, count))
            files = source.files
    except (FileNotFoundError, SiamtrackError):
        return Footage(tracked, tracked)
    stems = {path.stem.casefold() for path in files}  # label files differ from images in their endings alone
    own = len(stems) == len(files) >= tracked
    return Footage(max(tracked, count), max(tracked, count), tuple(path.name for path in files) if own else ())


def open_video(video: VideoTracks) -> Source:
    """Open a video that is still there.

    Raises:
        FileNotFoundError, SiamtrackError: it is not, or it was a camera or stream.
    """
    if video.source is None:
        raise DataError("run.json names no video")
    return open_again(video.source)


class FrameNames:
    """File names of a video's frames: those of its images; for a video `frame_000012.jpg`, as CVAT names what it exports.

    Args:
        video: whose frames. suffix: ending of frames that have no name yet.
    """

    def __init__(self, video: VideoTracks, suffix: str) -> None:
        self._suffix, self._images = suffix, footage_of(video).images

    @property
    def own(self) -> bool:
        """Whether the frames are images that have names of their own."""
        return bool(self._images)

    def image(self, index: int) -> str:
        """Of a frame's image."""
        return self._images[index] if self._images else f"frame_{index:06d}.{self._suffix}"

    def label(self, index: int, ending: str) -> str:
        """Of a frame's label file: as its image, but for the ending, such as `json`."""
        return f"{PurePath(self.image(index)).stem}.{ending}"

    def there(self, folder: Path, ending: str | None = None) -> list[Path]:
        """Files in a folder that are named as a frame's label file is, or else as its image; none if there is no folder."""
        if not folder.is_dir():
            return []
        if self._images:
            known = {self.label(index, ending) if ending else name for index, name in enumerate(self._images)}
            return sorted(path for path in folder.iterdir() if path.name in known)
        name = re.compile(rf"frame_\d{{6,}}\.{ending or self._suffix}")
        return sorted(path for path in folder.iterdir() if name.fullmatch(path.name))


def write_frames(video: VideoTracks, frames: Collection[int], folder: Path, options: LabelOptions) -> None:
    """Write some frames as images named by `FrameNames`: those of a video encoded, those of a folder as they are.

    Raises:
        DataError: the video is gone, ends early, or has frames of another size than the labels.
        OutputError: an image exists, or cannot be written.
    """
    if not frames:
        return
    wanted, size_wh = set(frames), frame_size(video)
    try:
        source = open_video(video)
    except (FileNotFoundError, SiamtrackError) as error:
        raise DataError(f"the frames of {video.name} cannot be had: {error}; give the video with --source FILE") from error
    names = FrameNames(video, options.suffix)
    make_folder(folder)
    with source:
        for frame in source.read(min(wanted)):
            if frame.index in wanted:
                if frame.image.shape[1::-1] != size_wh:
                    seen = _by((frame.image.shape[1], frame.image.shape[0]))
                    raise DataError(f"frame {frame.index} of {source.name} is {seen}, the labels are for {_by(size_wh)}")
                path = folder / names.image(frame.index)
                if names.own and isinstance(source, ImageSource):
                    write_file(path, read_file(source.files[frame.index], MOST_BYTES), options.force)
                else:
                    write_file(path, encoded(frame.image, path.suffix), options.force)
                wanted.remove(frame.index)
            if not wanted:
                return
    raise DataError(f"{source.name} ended before frame {min(wanted)}; is it the video that was tracked?")


def write_per_frame(video: VideoTracks, folder: Path, ending: str, text_of: TextOf, options: LabelOptions) -> int:
    """Write a file for each frame that has boxes, named as its image is.

    Args:
        video: its tracks. folder: of the files; with `options.force`, label files of frames that an earlier export left in it
            are removed, since old and new ones would make one data set. ending: of the files, such as `json`.
        text_of: what stands in them; a frame for which it gives no box has no file.

    Returns:
        How many boxes were written.

    Raises:
        OutputError: the folder holds such files, or cannot be written.
    """
    names = FrameNames(video, options.suffix)
    check_free(names.there(folder, ending), options.force)
    make_folder(folder)
    total = 0
    written: set[Path] = set()
    for frame, boxes in by_frame(choose(video, options)).items():
        text, count = text_of(names.image(frame), boxes) if boxes else ("", 0)
        if count:
            path = folder / names.label(frame, ending)
            write_file(path, text, options.force)
            written.add(path)
            total += count
    remove_files(path for path in names.there(folder, ending) if path not in written)
    return total


def _by(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"
