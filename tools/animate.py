#!/usr/bin/env python3
"""An animated WebP of a video's first frames, small enough for a page: the README's cyclist.

siamtrack demo
tools/animate.py siamtrack-demo/overlay.mp4 docs/cyclist.webp --frames 61
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path

import cv2

from siamtrack.errors import SiamtrackError
from siamtrack.frames import Image
from siamtrack.video.source import open_source

QUALITY = 60
"""Of the pictures, 1 to 100."""


def main() -> None:
    """Write the animation, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", help="a source as of `siamtrack track`")
    parser.add_argument("out", type=Path, help="a .webp")
    parser.add_argument("--frames", type=int, default=60, help="how many, from the first on (60)")
    parser.add_argument("--fps", type=float, default=12, help="frames a second (12)")
    args = parser.parse_args()
    try:
        with open_source(args.video) as source:
            pictures = [frame.image for frame in islice(source.read(), args.frames)]
        animate(pictures, args.out, args.fps)
    except (OSError, ValueError, SiamtrackError) as error:
        print(f"animate: error: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"{args.out}: {len(pictures)} frames, {args.out.stat().st_size / 1e6:.2f} MB")


def animate(pictures: list[Image], out: Path, fps: float) -> None:
    """Write pictures as a WebP that begins again after a pause of a second and a half.

    Raises:
        OSError: it cannot be written.
        ValueError: there is no picture.
    """
    if not pictures:
        raise ValueError("no frame to show; give another video, or --frames above 0")
    animation = cv2.Animation()
    animation.frames = pictures
    animation.durations = [round(1000 / fps)] * (len(pictures) - 1) + [1500]
    if not cv2.imwriteanimation(str(out), animation, [cv2.IMWRITE_WEBP_QUALITY, QUALITY]):
        raise OSError(f"cannot write {out}; give a .webp in a folder that exists")


if __name__ == "__main__":
    main()
