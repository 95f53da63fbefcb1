#!/usr/bin/env python3
"""Make clips in which the target is absent for a while, out of labelled sequences: to measure "lost" and re-detection.

    tools/make_absences.py ROOT OUT --seed 0
    tools/make_absences.py ROOT OUT --only 'OTB_Car*' 'OTB_David' --frames-before 40 --frames-after 60

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

The .mp4 are compressed. To measure a tracker on exact frames, take `make_clips`, which makes them one after the other.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from siamtrack.boxes import MIN_SIDE_PX, clip_box
from siamtrack.datasets.dataset import BAD_INPUT, Bad, reason
from siamtrack.datasets.layout import find_sequences
from siamtrack.datasets.sequence import Sequence
from siamtrack.errors import DataError
from siamtrack.tracking.crop import Image, mean_color
from siamtrack.video.results import make_folder, write_whole
from siamtrack.video.sink import VideoSink
from siamtrack.video.source import FOLDER_FPS, open_source

MIN_LABELLED = 30
"""Labelled frames in a row that a sequence needs: fewer, played forth and back, would repeat too often."""

VISIBLE = 0.5
"""Share of the box from which on the target counts as visible."""

OCCLUDED_FOR, LEFT_FOR, CUT_FOR, BLACK_FOR = (10, 200), (10, 100), (10, 100), (10, 60)
"""Fewest and most frames for which the target is wholly away; drawn log-uniformly."""

GROWN = 0.3
"""By how much of its mean side the box is grown to be painted out, half of it at each edge: labels are often tight."""

FEATHER = 0.12
"""Width of the seam around what is painted out, in sides of the box."""

MIN_ROOM = 0.5
"""Share of the patch that must be there beside the target; it is stretched by what is missing."""

KEEP_WAY = 0.85
"""A patch from other sides than in the frame before must differ from what is around it by less than this share."""

SLIDE = 6
"""Frames from the first contact of occluder and box to full cover."""

APPROACH = 12
"""Frames that the occluder takes from outside the frame to the first contact."""

COVER = 1.3
"""Sides of the occluder, in the largest sides of the box; `COVER_PX` come on top, for small targets."""

COVER_PX = 4

PAN = 10
"""Frames in which the virtual camera turns away."""

WINDOW = 0.6
"""Sides of the virtual camera's picture, in sides of the frame."""

LARGEST_IN_WINDOW = 0.75
"""Longest side of a target that the virtual camera can still frame, in sides of its picture."""

JUMP = 0.25
"""Least distance, in diagonals of the picture, from where the target was last seen to where it shows up again."""

SMOOTH = 10
"""The virtual camera averages the target's path over so many frames before and after."""

Boxes = NDArray[np.float64]
Frames = Callable[[], Iterator[Image]]


class CannotMakeError(DataError):
    """A sequence cannot give a clip of some kind."""


class Remade:
    """Frames, (H, W, 3) BGR uint8, that are made anew each time they are iterated over."""

    def __init__(self, make: Frames) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Image]:
        return self._make()


@dataclass(frozen=True)
class AbsenceClip:
    """A clip in which the target is absent for a while.

    Attributes:
        name: `KIND_SOURCE`, a file name without its ending.
        kind: one of `KINDS`.
        source: the sequence's name.
        absent: the frames in which less than `VISIBLE` of the target is to be seen; they are in a row.
        boxes: (N, 4) `x, y, w, h`, 0-based pixels of the clip's frames; zeros where absent.
        frames: N frames, (H, W, 3) BGR uint8, of one size. Iterating decodes the sequence once, and may be repeated.
            A sequence played forth and back is held in memory as far as it is played, any other frame by frame.
            Raises SourceError or DataError where a sequence cannot be read.
    """

    name: str
    kind: str
    source: str
    absent: range
    boxes: Boxes
    frames: Remade

    @property
    def visible_again(self) -> int | None:
        """The first frame behind the absence, or None if the target does not come back."""
        return self.absent.stop if self.absent.stop < len(self.boxes) else None


@dataclass(frozen=True)
class Lengths:
    """Lengths in frames.

    Attributes:
        before: with the target visible and nothing done to it, at the clip's beginning.
        after: behind the absence, at its end; of `removed`, which has none such, those of the absence.
        most: a clip has no more; absences are drawn shorter to fit. None: no limit.
    """

    before: int = 40
    after: int = 60
    most: int | None = None


class Made(NamedTuple):
    """What a kind makes of a sequence: the fields of `AbsenceClip` that differ, boxes not yet zeroed where absent."""

    absent: range
    boxes: Boxes
    frames: Frames


@dataclass(frozen=True)
class Scene:
    """What a clip is made from.

    Attributes:
        sequence: the source.
        others: sequences that frames may be borrowed from: none shows the same video.
        frame_wh: width and height of the source's frames, pixels.
        run: the source's frames that are played: labelled, in a row.
        lengths: how long the clip is to be.
    """

    sequence: Sequence
    others: tuple[Sequence, ...]
    frame_wh: tuple[int, int]
    run: range
    lengths: Lengths

    def draw(self, rng: np.random.Generator, limits: tuple[int, int], fixed: int) -> int:
        """The length of an absence, log-uniform.

        Args:
            rng: to draw by.
            limits: fewest and most frames.
            fixed: the clip's other frames.

        Raises:
            CannotMakeError: not even the shortest fits into `lengths.most`.
        """
        low, high = limits
        if self.lengths.most is not None:
            high = min(high, self.lengths.most - fixed)
        if high < low:
            raise CannotMakeError(f"needs {fixed + low} frames, {self.lengths.most} are allowed")
        return min(max(round(math.exp(rng.uniform(math.log(low), math.log(high)))), low), high)

    def played(self, count: int) -> tuple[list[int], Boxes]:
        """The numbers of the source's first `count` frames to play, and their (count, 4) boxes."""
        order = forth_and_back(self.run, count)
        return order, self.sequence.boxes_xywh[order]

    def other(self, rng: np.random.Generator) -> Sequence:
        """A sequence to borrow from.

        Raises:
            CannotMakeError: there is none.
        """
        if not self.others:
            raise CannotMakeError("needs frames of another sequence, and there is none of another video")
        return self.others[rng.integers(len(self.others))]


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


def make_clips(
    sequence: Sequence, others: Iterable[Sequence], seed: int, lengths: Lengths | None = None, kinds: Iterable[str] = ()
) -> list[AbsenceClip]:
    """The clips that a sequence gives; `try_kinds` also says which it does not give, and why.

    Args:
        sequence: labelled; it is not decoded before a clip's frames are iterated over, but for the first frame.
        others: what may be borrowed from. The sequence itself and others of its video may be among them.
        seed: 0 or more; the same seed and sequences give the same clips.
        lengths: how long they are to be.
        kinds: some of `KINDS`; none for all.

    Raises:
        KeyError: an unknown kind.
    """
    made = try_kinds(sequence, others, seed, lengths or Lengths(), kinds)
    return [clip for clip in made if isinstance(clip, AbsenceClip)]


def try_kinds(
    sequence: Sequence, others: Iterable[Sequence], seed: int, lengths: Lengths, kinds: Iterable[str] = ()
) -> Iterator[AbsenceClip | Bad]:
    """One clip of each kind, or the reason why there is none; arguments as in `make_clips`."""
    wanted = list(kinds) or list(KINDS)
    makers = {kind: KINDS[kind] for kind in wanted}
    try:
        scene = look_at(sequence, others, lengths)
    except BAD_INPUT as error:
        yield from (Bad(clip_name(kind, sequence), reason(error)) for kind in makers)
        return
    for kind, make in makers.items():
        name = clip_name(kind, sequence)
        rng = np.random.default_rng([seed, crc32(sequence.name.encode()), list(KINDS).index(kind)])
        try:
            absent, boxes, frames = make(scene, rng)
        except CannotMakeError as error:
            yield Bad(name, reason(error))
            continue
        boxes = boxes.copy()
        boxes[absent.start : absent.stop] = 0
        yield AbsenceClip(name, kind, sequence.name, absent, boxes, Remade(frames))


def clip_name(kind: str, sequence: Sequence) -> str:
    """The clip's name; sequences below folders have a slash in theirs, which a file name cannot have."""
    return f"{kind}_{re.sub(r'[/:]', '-', sequence.name)}"


def look_at(sequence: Sequence, others: Iterable[Sequence], lengths: Lengths) -> Scene:
    """What all clips of a sequence have in common.

    Raises:
        CannotMakeError: too few frames are labelled in a row.
        SourceError, DataError: the first frame cannot be read.
    """
    runs = labelled_runs(sequence.visible)
    run = next((run for run in runs if len(run) >= MIN_LABELLED), None)
    if run is None:
        most = max(map(len, runs), default=0)
        raise CannotMakeError(f"{most} frames in a row are labelled, {MIN_LABELLED} are wanted")
    _, image = next(sequence.frames_at({0}))
    foreign = tuple(other for other in others if other.path != sequence.path and family(other) != family(sequence))
    return Scene(sequence, foreign, (image.shape[1], image.shape[0]), run, lengths)


def labelled_runs(visible: NDArray[np.bool_]) -> list[range]:
    """Where an (N,) array is True, as ranges in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], visible, [False])).astype(np.int8)))
    return [range(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def family(sequence: Sequence) -> str:
    """A name less its number: Jogging-1 and Jogging-2 are two targets of one video, each visible beside the other."""
    return re.sub(r"(?<!\d)[-_]?\d{1,2}$", "", sequence.name)  # longer numbers are all that some sets have as names


def forth_and_back(run: range, count: int) -> list[int]:
    """`count` numbers of a range in order, then backward, then forward, and so on; an end is not played twice."""
    period = max(1, 2 * (len(run) - 1))
    return [run[min(k % period, period - k % period)] if len(run) > 1 else run[0] for k in range(count)]


def play(sequence: Sequence, order: list[int]) -> Iterator[Image]:
    """A sequence's frames in any order, decoded once; those that are needed again are kept until then.

    Each frame given is the caller's own.

    Raises:
        SourceError, DataError: it cannot be read, or ends before.
    """
    uses = Counter(order)
    kept: dict[int, Image] = {}
    at = 0
    for index, image in sequence.frames_at(uses.keys()):
        kept[index] = image
        while order[at] in kept:
            wanted = order[at]
            uses[wanted] -= 1
            yield kept[wanted].copy() if uses[wanted] else kept.pop(wanted)
            at += 1
            if at == len(order):
                return


def removed(scene: Scene, rng: np.random.Generator) -> Made:
    """The target is painted out for the rest of the clip; nothing is left to chance."""
    before, after = scene.lengths.before, scene.lengths.after
    order, boxes = scene.played(before + after)
    seams = [Seam(box, scene.frame_wh) for box in boxes]
    if not all(seam.ways() for seam in seams[before:]):
        raise CannotMakeError("the target is too large: not enough is to be seen beside it to paint it out")

    def frames() -> Iterator[Image]:
        source = play(scene.sequence, order)
        yield from islice(source, before)
        way: Way = ()
        for image, seam in zip(source, seams[before:], strict=True):
            way = seam.best_way(image, way)
            yield seam.paint_out(image, way)

    return Made(range(before, before + after), boxes, frames)


Way = tuple[str, ...]
WAYS: tuple[Way, ...] = (("left", "right"), ("up", "down"), ("left",), ("right",), ("up",), ("down",))
"""The sides of the target, or pairs of them, from which it is painted over."""


class Seam:
    """Where a target is painted out: the inner rectangle wholly, around it a seam that blends into the frame.

    The patch is what lies beside it, mirrored, so that it begins as the frame around it ends. From two sides, one patch
    blends into the other in the middle.

    Args:
        box: `(x, y, w, h)` of the target.
        frame_wh: width and height of the frame.
    """

    def __init__(self, box: NDArray[np.float64], frame_wh: tuple[int, int]) -> None:
        x, y, w, h = (float(value) for value in box)
        grow = GROWN * (w + h) / 2 / 2  # by the mean side: limbs stick out of the longer sides of a narrow box
        self._wide = max(2, round(FEATHER * min(w, h)))
        self._inner = (math.floor(x - grow), math.floor(y - grow), math.ceil(x + w + grow), math.ceil(y + h + grow))
        left, top, right, bottom = self._inner
        self._left, self._top = max(0, left - self._wide), max(0, top - self._wide)
        self._right, self._bottom = min(frame_wh[0], right + self._wide), min(frame_wh[1], bottom + self._wide)
        self._frame_wh = frame_wh

    def ways(self) -> list[Way]:
        """Those of `WAYS` on which enough lies in the frame."""
        return [way for way in WAYS if all(self._room(side) >= MIN_ROOM for side in way)]

    def best_way(self, image: Image, last: Way) -> Way:
        """The way whose patch fits best: it is like the frame where the two blend, and like the seam's colour elsewhere.

        What stands out may be another runner or car, which nobody wants to see in the target's place.

        Args:
            image: the frame.
            last: the way of the frame before; it is kept unless another is clearly better, for the patch would flicker.
        """
        ring = self._opacity() < 1
        ground = self._ground(image)[ring].astype(np.float64)
        usual = np.median(ground, axis=0)
        patches = {way: self._patch(image, way) for way in self.ways()}
        misfit = {
            way: float(np.abs(patch[ring] - ground).mean() + np.abs(patch - usual).mean()) for way, patch in patches.items()
        }
        best = min(misfit, key=lambda way: misfit[way])
        return last if last in misfit and misfit[best] > KEEP_WAY * misfit[last] else best

    def paint_out(self, image: Image, way: Way) -> Image:
        """The frame without the target."""
        opacity = self._opacity()[..., None]
        blended = opacity * self._patch(image, way) + (1 - opacity) * self._ground(image)
        painted = image.copy()
        painted[self._top : self._bottom, self._left : self._right] = np.rint(blended).astype(np.uint8)
        return painted

    def _ground(self, image: Image) -> Image:
        return image[self._top : self._bottom, self._left : self._right]

    def _room(self, side: str) -> float:
        """How much of the patch lies in the frame at a side of the target, 0..1."""
        width, height = self._right - self._left, self._bottom - self._top
        there = {
            "left": self._left / width,
            "right": (self._frame_wh[0] - self._right) / width,
            "up": self._top / height,
            "down": (self._frame_wh[1] - self._bottom) / height,
        }[side]
        return min(1.0, there)

    def _patch(self, image: Image, way: Way) -> NDArray[np.float64]:
        """What is painted over the frame inside the outer edge of the seam."""
        parts = [self._beside(image, side).astype(np.float64) for side in way]
        if len(parts) == 1:
            return parts[0]
        height, width = parts[0].shape[:2]
        count = width if way == ("left", "right") else height
        share = np.clip(3 * (np.arange(count) + 0.5) / count - 1, 0, 1)  # a short transition: little is seen double
        second = share[None, :, None] if way == ("left", "right") else share[:, None, None]
        return (1 - second) * parts[0] + second * parts[1]

    def _beside(self, image: Image, side: str) -> Image:
        """What lies at a side of the seam, as large as what is inside and mirrored at the edge between."""
        left, top, right, bottom = self._left, self._top, self._right, self._bottom
        width, height = right - left, bottom - top
        strip = {
            "left": image[top:bottom, max(0, left - width) : left][:, ::-1],
            "right": image[top:bottom, right : right + width][:, ::-1],
            "up": image[max(0, top - height) : top, left:right][::-1],
            "down": image[bottom : bottom + height, left:right][::-1],
        }[side]
        return cv2.resize(np.ascontiguousarray(strip), (width, height))  # type: ignore[return-value]

    def _opacity(self) -> NDArray[np.float64]:
        """1 over the inner rectangle, falling to almost 0 at the outer edge of the seam."""
        left, top, right, bottom = self._inner
        across = self._ramp(np.arange(self._left, self._right), left, right)
        down = self._ramp(np.arange(self._top, self._bottom), top, bottom)
        return np.minimum(down[:, None], across[None, :])

    def _ramp(self, at: NDArray[np.int64], low: int, high: int) -> NDArray[np.float64]:
        outside = np.maximum(np.maximum(low - at, at - (high - 1)), 0)
        return 1 - outside / (self._wide + 1)


def occluded(scene: Scene, rng: np.random.Generator) -> Made:
    """An opaque occluder slides over the target, follows it, and slides off."""
    before, after = scene.lengths.before, scene.lengths.after
    hidden = scene.draw(rng, OCCLUDED_FOR, before + 2 * SLIDE + after)
    order, boxes = scene.played(before + 2 * SLIDE + hidden + after)
    contact = range(before, before + 2 * SLIDE + hidden)
    mask = outline(boxes[contact.start : contact.stop, 2:].max(axis=0), scene.frame_wh, rng)
    other = scene.other(rng)
    number, crop = int(rng.integers(len(other.boxes_xywh))), rng.random(3)
    corners = occluder_path(boxes, mask, contact, scene.frame_wh, rng)
    inside = [np.array(clip_box(box, scene.frame_wh)) for box in boxes]
    shares = [covered_share(mask, corner, box) for corner, box in zip(corners, inside, strict=True)]
    seen_last, *_, seen_again = np.flatnonzero(np.array(shares) > 1 - VISIBLE)
    drawn = range(max(0, contact.start - APPROACH), contact.stop + APPROACH)

    def frames() -> Iterator[Image]:
        texture = cut_out(next(play(other, [number])), (mask.shape[1], mask.shape[0]), crop)
        for k, image in enumerate(play(scene.sequence, order)):
            yield pasted(image, texture, mask, corners[k]) if k in drawn else image

    return Made(range(int(seen_last), int(seen_again) + 1), boxes, frames)


def outline(largest_wh: NDArray[np.float64], frame_wh: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """The occluder's outline, (h, w): an ellipse or a rectangle that covers any box up to a size, with a margin."""
    elliptic = rng.random() < 0.5
    # An ellipse around a rectangle is at least sqrt(2) times as wide and high; around a large target, it would be all
    # that is to be seen.
    sides = largest_wh * COVER + COVER_PX
    elliptic = elliptic and bool((math.sqrt(2) * sides < frame_wh).all())
    sides = sides * (math.sqrt(2) if elliptic else 1)
    width, height = (math.ceil(side) for side in sides)
    if not elliptic:
        return np.ones((height, width), dtype=bool)
    x, y = (2 * np.arange(width) + 1) / width - 1, (2 * np.arange(height) + 1) / height - 1
    return np.asarray(x[None, :] ** 2 + y[:, None] ** 2 <= 1)


def occluder_path(
    boxes: Boxes, mask: NDArray[np.bool_], contact: range, frame_wh: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.int64]:
    """The occluder's upper left corner in every frame, (N, 2), x before y.

    It comes from outside the frame, touches the target in the first frame of `contact`, covers it from `SLIDE` frames
    later to `SLIDE` frames before the last, and goes out of the frame neither back nor straight on.
    """
    angle_in = rng.uniform(0, 2 * math.pi)
    angle_out = angle_in + rng.choice([-1, 1]) * rng.uniform(math.pi / 3, 2 * math.pi / 3)
    size = np.array(mask.shape[::-1], dtype=np.float64)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    touching = (size + boxes[contact.start : contact.stop, 2:].max(axis=0)) / 2
    time = np.arange(len(boxes))
    offsets = np.zeros_like(centres)
    for angle, first, turn in ((angle_in, contact.start, 1), (angle_out, contact.stop - 1, -1)):
        way = np.array([math.cos(angle), math.sin(angle)])
        near = distance_to(touching, way)
        centre = centres[first]
        edges = np.where(way > 0, np.array(frame_wh) - centre, centre) + size / 2
        far = max(near, distance_to(edges, way))
        knots = np.array([first - turn * APPROACH, first, first + turn * SLIDE])
        distance = np.interp(turn * time, turn * knots, [far, near, 0.0])
        offsets += distance[:, None] * way
    return np.rint(centres + offsets - size / 2).astype(np.int64)


def distance_to(half_wh: NDArray[np.float64], way: NDArray[np.float64]) -> float:
    """How far it is from the centre of a rectangle, given its half sides, to its edge along a unit vector."""
    return float((half_wh / np.maximum(np.abs(way), 1e-9)).min())


def covered_share(mask: NDArray[np.bool_], corner: NDArray[np.int64], box: NDArray[np.float64]) -> float:
    """The share of a box that a mask covers, whose upper left corner is given; to whole pixels."""
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[:2] + box[2:]).astype(int)
    x, y = (int(value) for value in corner)
    seen = mask[max(top - y, 0) : max(bottom - y, 0), max(left - x, 0) : max(right - x, 0)]
    return float(seen.sum()) / max((right - left) * (bottom - top), 1)


def cut_out(image: Image, size_wh: tuple[int, int], crop: NDArray[np.float64]) -> Image:
    """A piece of a frame, resized.

    Args:
        image: the frame.
        size_wh: width and height of the result.
        crop: three numbers in 0..1: the piece's size between a third of the largest possible and all of it, and its
            place from left to right and from top to bottom.
    """
    height, width = image.shape[:2]
    scale = min(width / size_wh[0], height / size_wh[1]) * (1 + 2 * crop[0]) / 3
    w, h = (max(1, int(scale * side)) for side in size_wh)
    x, y = int(crop[1] * (width - w)), int(crop[2] * (height - h))
    return cv2.resize(image[y : y + h, x : x + w], size_wh)  # type: ignore[return-value]


def pasted(image: Image, texture: Image, mask: NDArray[np.bool_], corner: NDArray[np.int64]) -> Image:
    """The frame with a texture where its mask is set; what lies outside the frame is lost."""
    (x, y), (height, width) = (int(value) for value in corner), mask.shape
    left, top = max(x, 0), max(y, 0)
    right, bottom = max(min(x + width, image.shape[1]), left), max(min(y + height, image.shape[0]), top)
    part = (slice(top - y, bottom - y), slice(left - x, right - x))
    result = image.copy()
    result[top:bottom, left:right][mask[part]] = texture[part][mask[part]]
    return result


def leaves(scene: Scene, rng: np.random.Generator) -> Made:
    """A virtual camera pans away from the target and comes back."""
    before, after = scene.lengths.before, scene.lengths.after
    away = scene.draw(rng, LEFT_FOR, before + 2 * PAN + after)
    order, boxes = scene.played(before + 2 * PAN + away + after)
    window_wh = tuple(2 * round(WINDOW * side / 2) for side in scene.frame_wh)
    if (boxes[:, 2:] > LARGEST_IN_WINDOW * np.array(window_wh)).any():
        raise CannotMakeError(f"the target is too large for a window of {window_wh[0]}x{window_wh[1]} px")
    camera = Camera(boxes, scene.frame_wh, (window_wh[0], window_wh[1]), range(before + PAN, before + PAN + away))
    view = choose_view(camera, rng)

    def frames() -> Iterator[Image]:
        for image, corner in zip(play(scene.sequence, order), view.corners, strict=True):
            yield through_window(image, corner, camera.window_wh)

    return Made(view.absent, view.boxes, frames)


class View(NamedTuple):
    """What the virtual camera sees on one of its ways.

    Attributes:
        corners: (N, 2) the window's upper left corner in the frame, whole pixels.
        boxes: (N, 4) in the window, clipped to it.
        absent: the frames in which the target is absent.
        jump: from where the target was last seen to where it shows up again, in diagonals of the window.
        outside: mean share of the window that lies outside the frame while it turns and is away.
    """

    corners: NDArray[np.int64]
    boxes: Boxes
    absent: range
    jump: float
    outside: float


class Camera:
    """A virtual camera: ways of a window that holds the target, turns away and comes back.

    Args:
        boxes: (N, 4) the target in the frame.
        frame_wh: width and height of the frame.
        window_wh: width and height of the window; the target must fit.
        away: the frames in which nothing of the target may be seen; `PAN` frames before and after are for turning.
    """

    def __init__(self, boxes: Boxes, frame_wh: tuple[int, int], window_wh: tuple[int, int], away: range) -> None:
        self.window_wh = window_wh
        self._boxes, self._frame, self._window = boxes, np.array(frame_wh), np.array(window_wh)
        self._away = away
        self._centres = smooth(boxes[:, :2] + boxes[:, 2:] / 2, SMOOTH)
        knots = [away.start - PAN, away.start, away.stop - 1, away.stop - 1 + PAN]
        time = np.arange(len(boxes))
        self._turned = ease(np.interp(time, knots, [0, 1, 1, 0]))
        # The place across the way changes in the first half of the turn: in the second the target is hardly seen.
        self._moved_out = ease(np.interp(time, [knots[0], knots[0] + PAN // 2], [0, 1]))
        self._moved_on = ease(np.interp(time, [away.start, away.stop - 1], [0, 1]))

    def places(self, axis: int) -> tuple[float, float]:
        """The first and the last place of the target's centre along an axis of the window, 0..1, that shows all of it."""
        side = float(self._boxes[:, 2 + axis].max()) / self._window[axis]
        low = min(0.5, max(0.2, side / 2 + 0.05))
        return low, 1 - low

    def view(self, axis: int, sign: int, places: tuple[float, float], inside: bool) -> View | None:
        """What is seen on one way.

        Args:
            axis: 0 turns to the side, 1 up or down.
            sign: 1 turns to larger coordinates, -1 to smaller ones.
            places: where along the other axis of the window, 0..1, the target's centre is when it goes and when it comes
                back.
            inside: whether the window stays in the frame along the other axis.

        Returns:
            None if the target would come and go more than once.
        """
        corners = np.empty((len(self._boxes), 2))
        corners[:, axis] = self._along(axis, sign)
        corners[:, 1 - axis] = self._across(1 - axis, places, inside)
        whole = np.rint(corners).astype(np.int64)
        return self._seen(whole)

    def _along(self, axis: int, sign: int) -> NDArray[np.float64]:
        """The corner's coordinate along the way: the target in the middle of the window, then just outside."""
        window, low = self._window[axis], self._boxes[:, axis]
        side = self._boxes[:, 2 + axis]
        hold = np.clip(self._centres[:, axis] - window / 2, 0, self._frame[axis] - window)
        gap = np.maximum(0.2 * side, MIN_SIDE_PX)  # labels are often tight
        out = ceiling(low + side + gap, SMOOTH) if sign > 0 else -ceiling(gap - low, SMOOTH) - window
        return hold + self._turned * (out - hold)

    def _across(self, axis: int, places: tuple[float, float], inside: bool) -> NDArray[np.float64]:
        """The corner's coordinate across the way: the target in the middle, then at the first place, then at the second."""
        first, second = places
        place = 0.5 + self._moved_out * (first - 0.5) + self._moved_on * (second - first)
        window = self._window[axis]
        corner = self._centres[:, axis] - place * window
        held = np.clip(corner, 0, self._frame[axis] - window)
        # Before the turn the window always stays in the frame.
        return held if inside else held + self._moved_out * (corner - held)

    def _seen(self, corners: NDArray[np.int64]) -> View | None:
        width, height = self.window_wh
        frame_wh = (int(self._frame[0]), int(self._frame[1]))
        whole = np.array([clip_box(box, frame_wh) for box in self._boxes])
        shifted = whole - np.pad(corners, ((0, 0), (0, 2)))
        seen = np.array([clip_box(box, (width, height)) for box in shifted])
        share = seen[:, 2:].prod(axis=1) / np.maximum(whole[:, 2:].prod(axis=1), 1e-9)
        gone = np.flatnonzero((share < VISIBLE) | (seen[:, 2:].min(axis=1) < MIN_SIDE_PX))
        turn = range(self._away.start - PAN, self._away.stop + PAN)
        absent = range(int(gone[0]), int(gone[-1]) + 1)
        if len(absent) != len(gone) or absent.start < turn.start or absent.stop > turn.stop:
            return None
        if share[self._away.start : self._away.stop].any():
            return None
        centres = seen[:, :2] + seen[:, 2:] / 2
        jump = math.dist(centres[absent.start - 1], centres[absent.stop]) / math.hypot(width, height)
        parts = [clip_box((x, y, width, height), frame_wh) for x, y in corners[turn.start : turn.stop].tolist()]
        outside = 1 - float(np.mean([part.w * part.h for part in parts])) / (width * height)
        return View(corners, seen, absent, jump, outside)


def choose_view(camera: Camera, rng: np.random.Generator) -> View:
    """The way that shows least of what lies outside the frame, among those with a jump of `JUMP`, if there are such.

    Raises:
        CannotMakeError: the target comes and goes on every way.
    """
    ways = [
        camera.view(axis, sign, places, inside)
        for axis in (0, 1)
        for sign in (-1, 1)
        for places in (camera.places(1 - axis), camera.places(1 - axis)[::-1])
        for inside in (True, False)
    ]
    views = [view for view in ways if view is not None]
    if not views:
        raise CannotMakeError("the target moves too fast for a camera to lose it once")
    far = [view for view in views if view.jump >= JUMP]
    if not far:
        return max(views, key=lambda view: view.jump)
    least = min(view.outside for view in far)
    good = [view for view in far if view.outside <= least + 0.05]
    return good[rng.integers(len(good))]


def through_window(image: Image, corner: NDArray[np.int64], size_wh: tuple[int, int]) -> Image:
    """The window with its upper left corner at a place of the frame; the frame's mean colour lies around it."""
    (x, y), (width, height) = (int(value) for value in corner), size_wh
    result = np.empty((height, width, 3), np.uint8)
    result[:] = np.rint(mean_color(image)).astype(np.uint8)
    left, top = max(x, 0), max(y, 0)
    seen = image[top : max(y + height, top), left : max(x + width, left)]
    result[top - y : top - y + seen.shape[0], left - x : left - x + seen.shape[1]] = seen
    return result


def ease(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """0..1 to 0..1 with slow beginning and end."""
    return values * values * (3 - 2 * values)


def smooth(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Mean of each value and those `reach` before and after it, along the first axis; the ends are prolonged."""
    return windows(values, reach).mean(axis=-1)


def ceiling(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """A smooth curve that lies nowhere below the values, (N,): the mean of maxima that all reach so far."""
    return smooth(windows(values, reach).max(axis=-1), reach)


def windows(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Each value with those `reach` before and after it, as a last axis of 2 * reach + 1."""
    padded = np.pad(values, [(reach, reach)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)


def cut(scene: Scene, rng: np.random.Generator) -> Made:
    """Frames of another sequence come between; the source waits."""
    count = scene.draw(rng, CUT_FOR, scene.lengths.before + scene.lengths.after)
    other = scene.other(rng)
    total = len(other.boxes_xywh)
    start = int(rng.integers(max(1, total - count + 1)))
    order = forth_and_back(range(start, total), count)

    def between() -> Iterator[Image]:
        return (cv2.resize(image, scene.frame_wh) for image in play(other, order))  # type: ignore[misc]

    return interrupted(scene, count, between)


def black(scene: Scene, rng: np.random.Generator) -> Made:
    """Black frames come between; the source waits."""
    count = scene.draw(rng, BLACK_FOR, scene.lengths.before + scene.lengths.after)
    seed = int(rng.integers(2**32))
    width, height = scene.frame_wh

    def between() -> Iterator[Image]:
        noise = np.random.default_rng(seed)  # anew each time, for the same frames
        return (noise.integers(0, 9, (height, width, 3), np.uint8) for _ in range(count))

    return interrupted(scene, count, between)


def interrupted(scene: Scene, count: int, between: Frames) -> Made:
    """The source with `count` other frames between, of its size."""
    before, after = scene.lengths.before, scene.lengths.after
    order, seen = scene.played(before + after)

    def frames() -> Iterator[Image]:
        source = play(scene.sequence, order)
        yield from islice(source, before)
        yield from between()
        yield from source

    boxes = np.concatenate([seen[:before], np.zeros((count, 4)), seen[before:]])
    return Made(range(before, before + count), boxes, frames)


KINDS: dict[str, Callable[[Scene, np.random.Generator], Made]] = {
    "removed": removed,
    "occluded": occluded,
    "leaves": leaves,
    "cut": cut,
    "black": black,
}
"""Each kind's maker. A kind's place in this order is part of its seed: new ones belong at the end."""


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
