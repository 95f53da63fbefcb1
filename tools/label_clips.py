#!/usr/bin/env python3
"""Label people's own clips by a tracker that serves as teacher, where it agrees with itself.

    tools/label_clips.py CLIPS --onnx-dir DIR
    tools/label_clips.py CLIPS/cat.mp4 --box 120,80,64,48 --tracker siamfc
    tools/label_clips.py TRAIN --only 'AUTO_*' --tracker onnx:fear_xs onnx:nanotrackv3 cv2:nano --onnx-dir PEERS --out LABELS

CLIPS holds NAME.mp4 (or .avi .mkv .mov .webm) with NAME.txt, one `x,y,w,h` line: the target in the first frame,
0-based pixels. The tracker runs forward, then backward from the last frame; a frame is labelled where both passes
overlap by more than --iou, as far as the backward pass finds back to the first box. NAME.labels.txt gets one line a
frame, 0,0,0,0 where unsure. Clips that have that file already are left alone. Of several trackers each labels the clip by
itself, and a frame gets the mean of their boxes where most of them agree.

With --out, labels go to OUT/NAME.txt, and NAME.txt may hold a line a frame, of which the first is the target: labels that
are there already are made anew, and how many of them are disputed is told.

The backward pass reads the frames from a temporary folder of JPEGs, which needs room for every frame of the longest
clip (see --temp): a video can be decoded exactly in one direction only, and its frames do not fit into memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import cv2
import numpy as np
from agreement import Labels, agreed, label_clip
from rich.progress import Progress

from siamtrack.boxes import Box, iou, parse_box
from siamtrack.data.sequence_folders import VIDEO_SUFFIXES
from siamtrack.errors import DataError, OutputError, reason
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.peers import BoxTracker
from siamtrack.frames import Image
from siamtrack.system import write_whole
from siamtrack.video.source import open_source

JPEG_QUALITY = 95


def main() -> int:
    """Label every clip and print one line each; status 1 if one could not be labelled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help="folder of videos, or one video")
    parser.add_argument("--box", type=parse_box, default=None, help="first box X,Y,W,H of one video, instead of NAME.txt")
    parser.add_argument("--only", default="*", help="pattern of the names of clips in a folder")
    parser.add_argument("--tracker", nargs="+", default=["cv2:nano"], help="as for siamtrack eval; several vote")
    parser.add_argument(
        "--onnx-dir", "--nano-dir", type=Path, default=None, help="folder of the trackers' ONNX files, or the one above"
    )
    parser.add_argument("--out", type=Path, default=None, help="folder for the labels; default: beside the clips")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="tracker constants")
    parser.add_argument("--iou", type=float, default=0.5, help="overlap of both passes above which a frame is labelled")
    parser.add_argument("--temp", type=Path, default=None, help="where the temporary folder goes; default: the system's")
    parser.add_argument("--again", action="store_true", help="also label clips that have labels; they are replaced")
    args = parser.parse_args()
    clips = chosen_clips(parser, args)
    trackers = [TrackerSpec(name, tuple(args.set), args.onnx_dir).make() for name in args.tracker]
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    kept = frames = failed = 0
    for clip in clips:
        target = args.out / f"{clip.stem}.txt" if args.out else clip.with_suffix(".labels.txt")
        if target.exists() and not args.again:
            print(f"{clip.name}: has {target.name} already; --again replaces it")
            continue
        try:
            if target in {other.with_suffix(".txt") for other in clips}:
                raise OutputError(f"{target} is the first box of another clip; rename that clip")
            box = args.box or first_box(clip, args.out is not None)
            each = [label(tracker, clip, box, args.iou, args.temp) for tracker in trackers]
            labels = Labels(agreed([one.boxes_xywh for one in each], args.iou), max(one.closed for one in each))
            write_whole(target, text(labels))
        except (OSError, ValueError, cv2.error) as error:
            failed += 1
            print(f"{clip.name}: {reason(error)}", file=sys.stderr)
            continue
        count = len(labels.boxes_xywh)
        kept, frames = kept + labels.kept, frames + count
        back = "" if labels.closed == count else f"; found back to the first box from frame {labels.closed - 1} only"
        print(f"{clip.name}: {labels.kept} of {count} frames labelled ({labels.kept / count:.1%}){back}{dispute(clip, labels)}")
    by = ", ".join(args.tracker)
    print(f"{kept} of {frames} frames labelled ({kept / max(frames, 1):.1%}) by {by}, {failed} clips failed")
    return 1 if failed else 0


def chosen_clips(parser: argparse.ArgumentParser, args: argparse.Namespace) -> list[Path]:
    """The clips to label; arguments that cannot be meant so end the tool."""
    if not 0 <= args.iou < 1:
        parser.error(f"--iou is {args.iou}; it must lie in 0..1")
    clips = [clip for clip in find_clips(args.clips) if fnmatchcase(clip.stem, args.only)]
    stems = [clip.stem for clip in clips]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        parser.error(f"{args.clips} holds {twice} with two endings, which would share {twice}.labels.txt; rename one")
    if not clips:
        parser.error(f"{args.clips} holds no video; known endings: {', '.join(VIDEO_SUFFIXES)}")
    if args.box is not None and len(clips) > 1:
        parser.error(f"--box is for one video, and {args.clips} holds {len(clips)}; write NAME.txt for each")
    return clips


def find_clips(path: Path) -> list[Path]:
    """The videos of a folder in order of name, or the one that the path names."""
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES and not p.name.startswith("."))


def dispute(clip: Path, labels: Labels) -> str:
    """How the labels that a clip has had differ from new ones, in words; "" if it had none but the first."""
    path = clip.with_suffix(".txt")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()] if path.is_file() else []
    if len(lines) != len(labels.boxes_xywh) or len(lines) < 2:
        return ""
    old = np.array([[float(value) for value in line.split(",")] for line in lines])
    had = (old[:, 2:] > 0).all(axis=1)
    both = had & (labels.boxes_xywh[:, 2:] > 0).all(axis=1)
    overlap = iou(old[both], labels.boxes_xywh[both])
    mean = f", mean overlap {overlap.mean():.2f}" if both.any() else ""
    return f"; of {had.sum()} that had labels {int(had.sum() - both.sum() + (overlap < 0.5).sum())} are disputed{mean}"


def first_box(clip: Path, of_many: bool = False) -> Box:
    """The one line of NAME.txt, or the first of many.

    Raises:
        DataError: there is no such file, or it holds no line, or several where one is wanted.
        ValueError: the line is not a box.
    """
    path = clip.with_suffix(".txt")
    if not path.is_file():
        raise DataError(f"{path} not found; write the first frame's x,y,w,h into it, or give --box")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if len(lines) != 1 and not (of_many and lines):
        raise DataError(f"{path} has {len(lines)} lines; it must hold one x,y,w,h line, that of the first frame")
    return parse_box(lines[0])


def label(tracker: BoxTracker, clip: Path, box: Box, min_iou: float, temp: Path | None) -> Labels:
    """Labels of one clip, with a bar for the forward pass."""
    with tempfile.TemporaryDirectory(dir=temp) as folder, open_source(clip) as source, Progress(transient=True) as progress:
        bar = progress.add_task(clip.name, total=source.frame_count)

        def frames() -> Iterator[Image]:
            for frame in source.read():
                yield frame.image
                progress.advance(bar)
            progress.update(bar, total=None, description=f"{clip.name}, backward")

        return label_clip(tracker, frames(), box, JpegShelf(Path(folder)), min_iou)


def text(labels: Labels) -> str:
    """One line a frame: `x,y,w,h` to a hundredth of a pixel, `0,0,0,0` where unsure."""
    return "".join(",".join(f"{value:.2f}" if box[2] else "0" for value in box) + "\n" for box in labels.boxes_xywh)


class JpegShelf:
    """Frames as JPEGs in a folder: room on disk instead of memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def append(self, frame: Image) -> None:
        """Keep a frame.

        Raises:
            OutputError: the disk is full.
        """
        path = self._path(self._count)
        if not cv2.imwrite(str(path), frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
            raise OutputError(f"{path} cannot be written; give --temp a folder on a disk with more room")
        self._count += 1

    def __getitem__(self, index: int) -> Image:
        """A frame by its number, from 0."""
        image = cv2.imread(str(self._path(index)))
        if image is None:
            raise OutputError(f"{self._path(index)} cannot be read again; was the temporary folder cleared?")
        return image  # type: ignore[return-value]

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:08d}.jpg"


if __name__ == "__main__":
    sys.exit(main())
