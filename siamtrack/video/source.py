"""Whatever a user points at, opened: the one place that tells files, folders, pipes, cameras and streams apart."""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

from siamtrack.errors import SourceError
from siamtrack.system import natural_path, open_file
from siamtrack.video.camera import CameraSource
from siamtrack.video.frame_source import FOLDER_FPS, Audio, Frame, FrameCounts, Source
from siamtrack.video.image_file import IMAGE_SUFFIXES, is_image_name
from siamtrack.video.images import ImageSource
from siamtrack.video.names import is_address, printable, source_name
from siamtrack.video.pages import find_pages
from siamtrack.video.threads import wait_for

__all__ = ["FOLDER_FPS", "STANDARD_INPUT", "Audio", "Frame", "FrameCounts", "Source", "open_again", "open_source"]

_STREAM = re.compile(r"(rtsps?|rtmps?|https?|udp|tcp|srt|rtp|mmsh?|ftps?)://", re.IGNORECASE)
_FILE = re.compile(r"file://(localhost)?(?=/)", re.IGNORECASE)

_CAMERA = re.compile(r"(camera )?\d+")

_STDIN = "-"
STANDARD_INPUT = "standard input"
"""What a run calls its source that came through `-`."""


def open_source(source: str | bytes | int | Path, hwaccel: str | None = None) -> Source:
    """Open whatever the user pointed at.

    What exists is taken for what it is, whatever its name looks like: `10:30.mp4`, `concat:a.mp4` and `run [1]` are names.

    Args:
        source: a camera, by its index (`0` or `"0"`) or device (`"/dev/video0"`); a stream's address; a folder of images,
            or a glob such as `"frames/*.png"`; a video or image file; a named pipe, or `"-"` for standard input.
        hwaccel: the device that decodes a video file or stream, as for `stream.MediaSource`.

    Raises:
        FileNotFoundError: nothing is there.
        SourceError: something is there that cannot be opened.
    """
    text = os.fsdecode(source) if isinstance(source, (str, bytes, os.PathLike)) else str(source)
    if _STREAM.match(text):
        from siamtrack.video.stream import StreamSource  # PyAV: 50 ms, which `import siamtrack` does not pay

        return wait_for(lambda: StreamSource(text, hwaccel=hwaccel), Source.close)
    if text == _STDIN:
        return _open_pipe(None)
    status = _status(text)
    if status is None and text.isdecimal():
        return CameraSource(text)
    if status is None and _FILE.match(text):
        text = os.fsdecode(unquote_to_bytes(_FILE.sub("", text)))
        status = _status(text)
    if status is not None:
        return _open_path(text, status.st_mode, hwaccel)
    if glob.has_magic(text):
        paths = _shown(map(Path, _matches(Path(text))))
        alone = paths[0] if len(paths) == 1 and not is_image_name(paths[0].name) else None
        return _open_path(str(alone), alone.stat().st_mode, hwaccel) if alone else _open_images(text, paths)
    numbered = re.sub(r"%\d*d", "*", text)
    wanted = "a video file, an image folder or glob, a camera index or a stream URL"
    wanted = wanted if numbered == text else f"numbered images as a glob: '{source_name(numbered)}'"
    raise FileNotFoundError(f"{source_name(text) or repr(text)} not found; give {wanted}")


def open_again(name: str) -> Source:
    """Open the source that a run names (`Source.name`), if it is a file or folder that is still there.

    Raises:
        FileNotFoundError: it is not.
        SourceError: it was a camera, a stream or a pipe, whose frames are gone; or it cannot be opened.
    """
    status = _status(name)
    if status is None:
        live = bool(_CAMERA.fullmatch(name)) or is_address(name) or name == STANDARD_INPUT
    else:
        live = not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode))
    if live:
        # Opening it would show what is in front of the camera now.
        raise SourceError(f"{source_name(name)} was live, and its frames are gone")
    return open_source(name)


def _open_path(text: str, mode: int, hwaccel: str | None) -> Source:
    path = Path(text)
    if stat.S_ISDIR(mode):
        try:
            with os.scandir(path) as entries:
                found = [Path(entry.path) for entry in entries if is_image_name(entry.name) and not os.path.isdir(entry)]
        except OSError as error:
            raise SourceError(f"{printable(text)} cannot be read ({error.strerror})") from error
        return _open_images(text, found)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _open_images(text, [path])
    if stat.S_ISREG(mode):
        return _open_video(path, hwaccel)
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return _open_pipe(path)
    if stat.S_ISCHR(mode):
        return CameraSource(text)
    raise SourceError(f"{printable(text)} is a block device; give a video file, an image folder, a camera or a stream URL")


def _open_images(text: str, paths: list[Path]) -> Source:
    if len(paths) == 1:
        with open_file(paths[0], sys.maxsize, SourceError) as stream:
            kind = find_pages(stream).kind
        if kind in ("apng", "gif"):  # FFmpeg decodes them frame by frame, OpenCV all at once
            return _open_video(paths[0])
    return ImageSource(text, sorted(paths, key=natural_path))


def _matches(pattern: Path) -> list[str]:
    """Paths that a glob names; a part of it that exists as it is written is no pattern: `run [1]/*.jpg`."""
    found = [pattern.anchor]
    for part in pattern.parts[bool(pattern.anchor) :]:
        following = []
        for base in found:
            literal = os.path.join(base, part)
            patterns = glob.glob(os.path.join(glob.escape(base), part)) if glob.has_magic(part) else []
            following += [literal] if os.path.lexists(literal) else patterns
        found = following
    return found


def _shown(paths: Iterator[Path]) -> list[Path]:
    """Of what a glob named, the images; where none looks like one, all files."""
    files = [path for path in paths if not path.is_dir()]
    return [path for path in files if is_image_name(path.name)] or files


def _open_pipe(path: Path | None) -> Source:
    from siamtrack.video.pipe import Pipe, PipeSource

    pipe = Pipe(path)
    try:
        return wait_for(lambda: PipeSource(pipe, STANDARD_INPUT if path is None else str(path)), Source.close)
    except BaseException:
        pipe.end()
        raise


def _open_video(path: Path, hwaccel: str | None = None) -> Source:
    from siamtrack.video.stream import VideoSource

    return wait_for(lambda: VideoSource(path, hwaccel), Source.close)


def _status(text: str) -> os.stat_result | None:
    """What lies at a path; None if nothing does."""
    try:
        return os.stat(text)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # no file has such a name, but a glob or an address may
            return None
        raise SourceError(f"{source_name(text)} cannot be opened ({error.strerror})") from error
    except ValueError as error:
        raise SourceError(f"{source_name(text)} cannot be opened ({error})") from error
