"""The video that labels belong to: its frame size, its length, its frames."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import cv2

from siamtrack.errors import DataError, SiamtrackError
from siamtrack.frames import Image
from siamtrack.labels.files import FrameNames, write_file
from siamtrack.labels.label_selection import LabelOptions
from siamtrack.labels.tracks import Results, VideoTracks
from siamtrack.system import make_folder, read_file
from siamtrack.video.images import MOST_BYTES, ImageSource
from siamtrack.video.source import Source, open_again

JPEG_QUALITY = 95


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


def frame_counts(video: VideoTracks) -> tuple[int, int]:
    """How many frames a video has for sure, and how many it is said to have.

    Both are as far as it was tracked, or what its file says if that can be opened.
    """
    tracked = video.end_frame
    try:
        with open_video(video) as source:
            count = source.frame_count or 0
            # An edit list may skip frames that the container counts: the last ones may not exist.
            sure = count if isinstance(source, ImageSource) else count - max(2, count // 50)
    except (FileNotFoundError, SiamtrackError):
        return tracked, tracked
    return max(tracked, sure), max(tracked, count)


def open_video(video: VideoTracks) -> Source:
    """Open a video that is still there.

    Raises:
        FileNotFoundError, SiamtrackError: it is not, or it was a camera or stream.
    """
    if video.source is None:
        raise DataError("run.json names no video")
    return open_again(video.source)


def frame_names(video: VideoTracks, suffix: str) -> FrameNames:
    """File names of a video's frames: its images' own where they are still there and no two are named alike.

    Args:
        video: whose frames. suffix: ending of frames that have no name yet.
    """
    try:
        with open_video(video) as source:
            files = source.files if isinstance(source, ImageSource) else []
    except (FileNotFoundError, SiamtrackError):
        files = []
    stems = {path.stem.casefold() for path in files}  # label files differ from images in their endings alone
    return FrameNames(suffix, [path.name for path in files] if len(stems) == len(files) >= video.end_frame else ())


def write_frames(video: VideoTracks, frames: Collection[int], folder: Path, options: LabelOptions) -> None:
    """Write some frames as images named by `frame_names`: those of a video encoded, those of a folder as they are.

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
    names = frame_names(video, options.suffix)
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
                    write_file(path, _encoded(frame.image, options.suffix), options.force)
                wanted.remove(frame.index)
            if not wanted:
                return
    raise DataError(f"{source.name} ended before frame {min(wanted)}; is it the video that was tracked?")


def _encoded(image: Image, suffix: str) -> bytes:
    parameters = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == "jpg" else []
    ok, data = cv2.imencode(f".{suffix}", image, parameters)
    if not ok:
        raise DataError(f"a frame cannot be encoded as {suffix}")
    return data.tobytes()


def _by(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"
