#!/usr/bin/env python3
"""Measure how often a distractor that crosses the target steals the box.

    experiments/crossings.py ROOT --tracker siamfc-lite --tracker siamfc --jobs 2
    experiments/crossings.py ROOT --tracker siamfc-lite --only OTB_Bolt OTB_Deer --clips 4 --sheet crossings.jpg

Of each labelled sequence of ROOT a few clips are made in memory, the same ones for every tracker: into its first frames a
distractor is painted, the target's own picture of the first frame, mirrored. It comes from one side, passes over or behind the
target on a straight line relative to it, and stops at the other side. --sheet writes frames of some clips, the target outlined
green and the distractor purple: see them before you trust a figure.

    kept, stolen, lost    where the box is in the end: on the target, nearer to the distractor than to the target, or elsewhere
    AO                    mean overlap with the target, all frames of all clips together

As in siamtrack eval, a LOST target is not looked for in the whole frame unless a tracker's name says redetect=true.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from siamtrack.boxes import Box, iou
from siamtrack.data.layout import find_sequences
from siamtrack.data.sequence import BAD_INPUT, Sequence, reason
from siamtrack.drawing import COLORS, draw_outline, put_text
from siamtrack.eval.evaluate import run_together, subset
from siamtrack.eval.named import tracker_by_name
from siamtrack.eval.runner import shared
from siamtrack.eval.scores import pooled
from siamtrack.frames import Image
from siamtrack.system import write_whole
from siamtrack.tracking.crop import SearchRegion, mean_color
from siamtrack.tracking.result import State, TrackResult
from siamtrack.video.overlay import contact_sheet

MIN_FRAMES, MAX_FRAMES, MIN_SIZE_PX = 40, 70, 16.0
"""What a sequence needs, and what is used of it: smaller targets, mirrored and blended, are blots that resemble nothing."""

REACH, STOP, ASIDE = 2.2, 1.1, 0.8
"""Distance of both ends of the distractor's way, of the end where it stays near, and the largest at which it passes the
target's centre; in sizes of the target, sqrt(w * h)."""

START, ARRIVAL = 3, 10
"""The frame from which the distractor moves, and the one from which it rests, counted from the end."""

END, KEPT = 6, 0.2
"""Last frames that say where the box is, and mean overlap in them above which it is kept: a loose box is no lost one."""

MARGIN, FEATHER = 1.2, 0.25
"""Edge of the distractor's picture and width of its soft rim, in half sides of its box; labels are often tight."""

SHEET_CLIPS, SHEET_FRAMES, SHEET_TILE_PX = 8, 7, 260
PURPLE = (167, 121, 204)
OUTCOMES = ("kept", "stolen", "lost")


@dataclass(frozen=True, kw_only=True)
class Crossing(Sequence):
    """A clip whose target is crossed by a distractor; its frames are painted as they are asked for.

    Attributes:
        plain: N frames as they were, (H, W, 3) BGR uint8.
        distractors_xywh: (N, 4) boxes of the distractor, frame pixels; zeros in the first frame, where it is not there yet.
        behind: whether the distractor passes behind the target rather than over it.
    """

    plain: tuple[Image, ...]
    distractors_xywh: NDArray[np.float64]
    behind: bool

    def frames_at(self, wanted: Container[int]) -> Iterator[tuple[int, Image]]:
        """Some of the frames with the distractor in them, in order, each with its number from 0; each is the caller's own."""
        for index, image in enumerate(self.plain):
            if index in wanted:
                yield index, self._painted(image.copy(), self.distractors_xywh[index], self.boxes_xywh[index])

    def _painted(self, image: Image, distractor: NDArray[np.float64], target: NDArray[np.float64]) -> Image:
        (x, y, w, h), source = distractor, self.boxes_xywh[0]
        rim, (height, width) = (MARGIN - 1) / 2, image.shape[:2]
        left, top = math.floor(max(x - rim * w, 0)), math.floor(max(y - rim * h, 0))
        right, bottom = math.ceil(min(x + (1 + rim) * w, width)), math.ceil(min(y + (1 + rim) * h, height))
        if not w or left >= right or top >= bottom:
            return image
        scale = w / source[2]
        matrix = np.array([[-scale, 0, x + w + scale * source[0] - left], [0, scale, y - scale * source[1] - top]])
        matrix[:, 2] += (matrix[:, :2].sum(axis=1) - 1) / 2  # OpenCV counts from the centre of a pixel, boxes from its corner
        picture = cv2.warpAffine(self.plain[0], matrix, (right - left, bottom - top), borderMode=cv2.BORDER_REPLICATE)

        # Distance of columns (1, w) and rows (h, 1) from the centre of each box, in half sides.
        columns, rows = np.arange(left, right)[None, :] + 0.5, np.arange(top, bottom)[:, None] + 0.5
        own, other = ((abs((columns - x) / w * 2 - 1), abs((rows - y) / h * 2 - 1)) for x, y, w, h in (distractor, target))
        opacity = np.clip((MARGIN - np.maximum(*own)) / FEATHER, 0, 1)
        if self.behind:  # hidden inside a super-ellipse with a soft edge: few targets fill the corners of their boxes
            opacity *= np.clip((other[0] ** 4 + other[1] ** 4 - 0.8) / 0.4, 0, 1)
        ground = image[top:bottom, left:right]
        ground[:] = np.rint(ground + opacity[..., None] * (picture - ground.astype(np.float64)))
        return image


class Row(NamedTuple):
    """What a tracker did on one clip: one of `OUTCOMES`, and (N - 1,) overlaps with the target, without the given first box."""

    tracker: str
    outcome: str
    overlaps: NDArray[np.float64]


def main() -> None:
    """Make the clips, run every tracker over them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder of labelled sequences")
    parser.add_argument("--tracker", action="append", required=True, help="as for siamtrack eval; repeatable")
    parser.add_argument("--clips", type=int, default=2, help="clips of each sequence")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other ways")
    parser.add_argument("--jobs", type=int, default=2, help="sequences at a time, one thread each")
    parser.add_argument("--only", nargs="*", default=[], help="names of sequences; default: all")
    parser.add_argument("--sheet", type=Path, metavar="FILE.jpg", help="write frames of some clips to look at")
    args = parser.parse_args()
    try:
        for tracker in args.tracker:
            tracker_by_name(tracker)  # a misspelt one must not end the run in its middle
        chosen = subset(find_sequences(args.root), args.only)
        unfit = {one.name: why for one in chosen if (why := why_unfit(one))}
        for name, why in unfit.items():
            print(f"{name}: left out: {why}")
        chosen = [one for one in chosen if one.name not in unfit]
        if args.sheet and chosen:
            write_whole(args.sheet, cv2.imencode(".jpg", sheet(chosen, args.clips, args.seed))[1].tobytes())
    except BAD_INPUT as error:
        parser.error(reason(error))
    rows, trackers = list[Row](), list(dict.fromkeys(args.tracker))
    calls = [(sequence, args.clips, args.seed, trackers) for sequence in chosen]
    for found in track(shared(run_crossings, calls, args.jobs), "sequences", total=len(calls)):
        rows += found
    Console(width=120).print(table(rows, trackers))  # the width also where it goes into a file, for whole names


def why_unfit(sequence: Sequence) -> str:
    """Why a sequence gives no clip; empty if it does. No frame is decoded."""
    boxes, visible = sequence.boxes_xywh[:MAX_FRAMES], sequence.visible[:MAX_FRAMES]
    if len(boxes) < MIN_FRAMES:
        return f"{len(boxes)} frames are labelled, {MIN_FRAMES} are wanted"
    if not visible.all():
        return f"the target is absent or unsure in frame {visible.argmin()}"
    size = math.sqrt(boxes[0, 2] * boxes[0, 3])
    return f"the first target has a size of {size:.1f} px, {MIN_SIZE_PX:g} are wanted" if size < MIN_SIZE_PX else ""


def make_crossings(sequence: Sequence, clips: int, seed: int) -> list[Crossing]:
    """Clips of a sequence that fits (see `why_unfit`); the same seed gives the same, also among other sequences.

    Raises:
        SourceError, DataError: a frame cannot be read.
    """
    plain, made = tuple(islice(sequence.frames(), MAX_FRAMES)), []
    for draw in range(clips):
        rng = np.random.default_rng([seed, crc32(sequence.name.encode()), draw])
        boxes = sequence.boxes_xywh[: len(plain)]
        distractors, behind = distractor_path(boxes, rng), bool(rng.random() < 0.4)
        made.append(
            Crossing(f"{sequence.name}#{draw}", sequence.path, boxes, plain=plain, distractors_xywh=distractors, behind=behind)
        )
    return made


def distractor_path(boxes_xywh: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """(N, 4) boxes of the distractor for those of the target: in sizes of the target, it moves on a straight line past it."""
    sizes = np.sqrt(boxes_xywh[:, 2:].prod(axis=1, keepdims=True))
    # Most of what crosses a target walks or drives, as it does: to the left or to the right.
    level = rng.random() >= 0.3
    angle = rng.choice([0, math.pi]) + rng.normal(0, 0.25) if level else rng.uniform(0, 2 * math.pi)
    along, across = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    aside = rng.uniform(-ASIDE, ASIDE)
    way = np.interp(np.arange(len(sizes)), [START, len(sizes) - ARRIVAL], [-REACH, REACH])
    if rng.random() < 0.5:
        way = np.minimum(way, STOP)
    centers = boxes_xywh[:, :2] + boxes_xywh[:, 2:] / 2 + (way[:, None] * along + aside * across) * sizes
    sides = boxes_xywh[0, 2:] * sizes / sizes[0]
    distractors = np.concatenate([centers - sides / 2, sides], axis=1)
    distractors[0] = 0  # the tracker learns its target without it
    return np.asarray(distractors)


def run_crossings(sequence: Sequence, clips: int, seed: int, trackers: Iterable[str]) -> list[Row]:
    """Every tracker over every clip of a sequence; a clip's frames are painted once for all trackers."""
    named = {name: tracker_by_name(name, redetect=False) for name in trackers}
    made = ((clip, run_together(named, clip)) for clip in make_crossings(sequence, clips, seed))
    return [Row(name, outcome(run.boxes_xywh, clip), run.overlaps) for clip, runs in made for name, run in runs.items()]


def outcome(boxes_xywh: NDArray[np.float64], clip: Crossing) -> str:
    """Where a tracker's (N, 4) boxes are in the end: one of `OUTCOMES`."""
    own, other = (float(iou(boxes_xywh[-END:], boxes[-END:]).mean()) for boxes in (clip.boxes_xywh, clip.distractors_xywh))
    if other > own:
        return "stolen"
    return "kept" if own > KEPT else "lost"


def table(rows: Iterable[Row], trackers: Iterable[str]) -> Table:
    """One line a tracker."""
    found, everything = Table("tracker", "clips", *OUTCOMES, "AO"), list(rows)
    for name in trackers:
        own = [row for row in everything if row.tracker == name]
        counts = [sum(row.outcome == key for row in own) for key in OUTCOMES]
        shares = (f"{count} ({count / max(len(own), 1):.0%})" for count in counts)
        found.add_row(name, str(len(own)), *shares, f"{pooled(row.overlaps for row in own).ao:.3f}")
    return found


def sheet(sequences: list[Sequence], clips: int, seed: int) -> Image:
    """A row of frames for each of some clips, cut out around the target, which is outlined green; the distractor purple."""
    tiles = []
    picked = np.linspace(0, len(sequences) - 1, min(SHEET_CLIPS, len(sequences))).round().astype(int)
    for row, index in enumerate(picked):
        clip = make_crossings(sequences[index], clips, seed)[row % clips]
        shown = np.linspace(0, len(clip.plain) - 1, SHEET_FRAMES).round().astype(int).tolist()
        for number, frame in clip.frames_at(shown):
            target = Box(*clip.boxes_xywh[number])
            window = SearchRegion(target.center_xy, 2 * (REACH + 1) * math.sqrt(target.w * target.h), SHEET_TILE_PX)
            tile = window.extract(frame, mean_color(frame))
            for (x, y, w, h), color in ((clip.distractors_xywh[number], PURPLE), (target, COLORS[State.TRACKING])):
                box = Box(*window.to_crop(x, y), w / window.scale, h / window.scale)
                if w:  # an empty one would be drawn as a dot
                    draw_outline(tile, TrackResult(box, 1.0, State.TRACKING), color, 1)
            label = f"{clip.name} {'behind' if clip.behind else 'over'}" if number == 0 else str(number)
            put_text(tile, label, (4, 14), 0.4)
            tiles.append(tile)
    return contact_sheet(tiles, SHEET_FRAMES, SHEET_FRAMES * SHEET_TILE_PX)


if __name__ == "__main__":
    main()
