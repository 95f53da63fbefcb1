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
from siamtrack.data.sequence import BAD_INPUT, Bad, Sequence, reason

KINDS: dict[str, Callable[[Scene, np.random.Generator], Made]] = {
    "removed": removed,
    "occluded": occluded,
    "leaves": leaves,
    "cut": cut,
    "black": black,
}
"""Each kind's maker. A kind's place in this order is part of its seed: new ones belong at the end."""


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
