#!/usr/bin/env python3
"""Make clips in which the target is absent for a while, out of labelled sequences: to measure "lost" and re-detection.

    experiments/lost/make_absences.py ROOT OUT --seed 0
    experiments/lost/make_absences.py ROOT OUT --only 'OTB_Car*' 'OTB_David' --frames-before 40 --frames-after 60

ROOT holds NAME.mp4 beside NAME.txt, or any other layout of sequences that siamtrack reads. OUT gets KIND_NAME.mp4 beside
KIND_NAME.txt (one 0-based `x,y,w,h` line a frame, 0,0,0,0 where the target is absent) and set.json, which says of every
clip where the absence begins, how long it is and where the target is back. Each sequence gives one clip of each kind:

    removed   the target is painted out with what lies beside it, and does not come back
    occluded  a piece of another sequence slides over it, follows it for 10 to 200 frames, and slides off another way
    leaves    a camera that sees 0.6 of the width and height pans away for 10 to 100 frames, and comes back so that the
              target shows up at another place of the picture
    cut       10 to 100 frames of another sequence, then it goes on where it was
    black     10 to 60 frames that are black but for slight noise, then it goes on where it was

Clips begin at the first frame of the first 30 or more that are labelled in a row; where these are too few for a clip,
they are played forth and back. A kind that a sequence cannot give is left out, and set.json says why. A clip depends on
the seed, on its sequence and, by what it borrows, on the others in ROOT, not on --only.

The .mp4 are compressed. To measure a tracker on exact frames, take `make_clips` of absences/making.py, which makes
them one after the other.
"""

from __future__ import annotations

import argparse
import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from absences.clip import AbsenceClip, Boxes, Lengths
from absences.making import try_kinds
from rich.progress import track

from siamtrack.data.layout import find_sequences
from siamtrack.data.sequence import BAD_INPUT, Bad, Sequence, reason
from siamtrack.errors import DataError
from siamtrack.system import make_folder, write_whole
from siamtrack.video.open_source import open_source
from siamtrack.video.sink import VideoSink
from siamtrack.video.source import FOLDER_FPS


def main() -> int:
    """Make every clip and write it; status 1 if one could not be written, 2 where nothing can be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder of labelled sequences")
    parser.add_argument("out", type=Path, help="folder to write; it must not hold anything yet")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other lengths, occluders, ways and cuts")
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help="names of sequences; * stands for any text")
    parser.add_argument("--frames-before", type=int, default=40, metavar="N", help="visible frames at the beginning")
    parser.add_argument("--frames-after", type=int, default=60, metavar="N", help="frames behind the absence")
    parser.add_argument("--most-frames", type=int, default=None, metavar="N", help="no longer clips; default: no limit")
    args = parser.parse_args()
    for name, low in (("seed", 0), ("frames_before", 1), ("frames_after", 1)):
        if getattr(args, name) < low:
            parser.error(f"--{name.replace('_', '-')} is {getattr(args, name)}; at least {low} is wanted")
    least = args.frames_before + args.frames_after
    if args.most_frames is not None and args.most_frames < least:
        parser.error(f"--most-frames is {args.most_frames}; before and after alone have {least}")
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"{args.out} is a file; give a folder to write")
    if args.out.exists() and any(args.out.iterdir()):
        parser.error(f"{args.out} holds something already, which would mix with the new; give an empty or new folder")
    try:
        sequences = find_sequences(args.root)
        chosen = [s for s in sequences if any(fnmatchcase(s.name, pattern) for pattern in args.only)]
        if not chosen:
            raise DataError(f"--only {' '.join(args.only)} fits none of {len(sequences)} sequences in {args.root}")
        make_folder(args.out)
    except BAD_INPUT as error:
        parser.error(reason(error))

    lengths = Lengths(args.frames_before, args.frames_after, args.most_frames)
    rows: list[dict[str, Any]] = []
    left_out: list[Bad] = []
    failed = 0
    for sequence in track(chosen, "sequences"):
        for made in try_kinds(sequence, sequences, args.seed, lengths):
            if isinstance(made, Bad):
                left_out.append(made)
                continue
            try:
                write_clip(made, args.out, frame_rate(sequence))
            except BAD_INPUT as error:
                failed += 1
                print(f"{made.name}: {reason(error)}", file=sys.stderr)
                continue
            rows.append(row(made))
    described = {
        "seed": args.seed,
        "arguments": {name: str(value) if name == "root" else value for name, value in vars(args).items() if name != "out"},
        "clips": rows,
        "left_out": [bad._asdict() for bad in left_out],
    }
    write_whole(args.out / "set.json", json.dumps(described, indent=1) + "\n")
    for bad in left_out:
        print(f"{bad.name}: left out: {bad.reason}")
    print(f"{args.out}: {len(rows)} clips of {len(chosen)} sequences, {len(left_out)} left out, {failed} failed")
    return 1 if failed or not rows else 0


def write_clip(clip: AbsenceClip, out: Path, fps: float) -> None:
    """Write NAME.mp4, then NAME.txt; neither is there if something goes wrong.

    Raises:
        SourceError, DataError: a sequence cannot be read.
        OutputError: a file cannot be written.
    """
    video = out / f"{clip.name}.mp4"
    try:
        with VideoSink(video, fps) as sink:
            for image in clip.frames:
                sink.write(image)
        write_whole(video.with_suffix(".txt"), text(clip.boxes))
    except BAD_INPUT:
        video.unlink(missing_ok=True)
        raise


def text(boxes: Boxes) -> str:
    """One line a frame: `x,y,w,h` to a hundredth of a pixel, `0,0,0,0` where absent."""
    return "".join(",".join(f"{value:.2f}" if box[2] else "0" for value in box) + "\n" for box in boxes)


def row(clip: AbsenceClip) -> dict[str, Any]:
    """What set.json says of a clip."""
    return {
        "name": clip.name,
        "source": clip.source,
        "kind": clip.kind,
        "frames": len(clip.boxes),
        "first_absent": clip.absent.start,
        "absent_frames": len(clip.absent),
        "visible_again": clip.visible_again,
    }


def frame_rate(sequence: Sequence) -> float:
    """Frames a second of a sequence."""
    if sequence.images or sequence.path.is_dir():
        return FOLDER_FPS
    with open_source(sequence.path) as source:
        return source.fps


if __name__ == "__main__":
    sys.exit(main())
