"""Playing a sequence's frames, also forth and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from siamtrack.data.sequence import Sequence
from siamtrack.frames import Image


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
