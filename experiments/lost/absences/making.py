"""The clips of a sequence, one of each kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from zlib import crc32

import numpy as np

from absences.clip import AbsenceClip, CannotMakeError, Lengths, Made, Remade, Scene, look_at
from absences.inserted import black, cut
from absences.leaves import leaves
from absences.occluded import occluded
from absences.removed import removed
from siamtrack.data.sequence import Sequence

KINDS: dict[str, Callable[[Scene, np.random.Generator], Made]] = {
    "removed": removed,
    "occluded": occluded,
    "leaves": leaves,
    "cut": cut,
    "black": black,
}
"""Each kind's maker. A kind's place in this order is part of its seed: new ones belong at the end."""


def make_clips(
    sequence: Sequence, others: Iterable[Sequence], seed: int, lengths: Lengths | None = None, kinds: Iterable[str] = KINDS
) -> Iterator[AbsenceClip]:
    """The clips that a sequence gives, one of each kind; a kind that it cannot give is left out.

    Args:
        sequence: labelled; it is not decoded before a clip's frames are iterated over, but for the first frame.
        others: what may be borrowed from. The sequence itself and others of its video may be among them.
        seed: 0 or more; the same seed and sequences give the same clips.
        lengths: how long they are to be.
        kinds: some of `KINDS`.

    Raises:
        SourceError, DataError: the first frame cannot be read.
    """
    try:
        scene = look_at(sequence, others, lengths or Lengths())
    except CannotMakeError:
        return
    for kind in kinds:
        try:
            absent, boxes, frames = KINDS[kind](scene, drawing(seed, sequence, kind))
        except CannotMakeError:
            continue
        boxes = boxes.copy()
        boxes[absent.start : absent.stop] = 0
        # Sequences below folders have a slash in their names, which a file's name cannot have.
        name = f"{kind}_{re.sub(r'[/:]', '-', sequence.name)}"
        yield AbsenceClip(name, kind, sequence.name, absent, boxes, Remade(frames))


def drawing(seed: int, sequence: Sequence, kind: str) -> np.random.Generator:
    """What a clip is drawn with: it depends on its seed, sequence and kind alone."""
    return np.random.default_rng([seed, crc32(sequence.name.encode()), list(KINDS).index(kind)])
