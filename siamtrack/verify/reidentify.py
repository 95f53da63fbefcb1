"""Re-identification: did two tracker runs follow the same thing?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import DataError
from siamtrack.results import RunResults
from siamtrack.tracking.result import State
from siamtrack.verify.verifier import Verdict, Verifier

CROPS = 8
"""Frames of each run that are compared."""


@dataclass(frozen=True)
class TrackComparison:
    """What a verifier says of two runs.

    Attributes:
        verdict: of the median distance over all pairs of crops, by the threshold for single items.
        frames_a, frames_b: the frames that were compared.
    """

    verdict: Verdict
    frames_a: tuple[int, ...]
    frames_b: tuple[int, ...]


def compare_tracks(
    verifier: Verifier, run_a: Path, run_b: Path, source_a: str | None = None, source_b: str | None = None
) -> TrackComparison:
    """Compare the targets of two folders that `siamtrack track` wrote.

    Args:
        run_a, run_b: the folders. source_a, source_b: their videos; None for those that the runs name.

    Raises:
        DataError, FileNotFoundError, SourceError: a folder is no run, or its video cannot be read.
    """
    frames_a, items_a = track_crops(verifier, run_a, source_a)
    frames_b, items_b = track_crops(verifier, run_b, source_b)
    distances = verifier.embedded_distances(verifier.embed(items_a), verifier.embed(items_b))
    return TrackComparison(verifier.judge(float(np.median(distances))), frames_a, frames_b)


def track_crops(verifier: Verifier, run: Path, source: str | None = None) -> tuple[tuple[int, ...], list[NDArray[np.uint8]]]:
    """Frame numbers and crops of a run's target: of its first frame, and of the surest one of each of several stretches."""
    results = RunResults(run)
    results.source = source or results.source
    sure = np.flatnonzero((results.states != State.LOST.value) & (results.boxes_xywh[:, 2:] >= 1).all(axis=1))
    if not len(sure):
        raise DataError(f"{run} holds no frame in which the target was seen")
    if results.source is None:
        raise DataError(f"{run} does not say which video was tracked; name it with --source-a or --source-b")
    first, *later = np.array_split(sure, min(CROPS, len(sure)))
    best = [first[0], *(stretch[results.scores[stretch].argmax()] for stretch in later)]
    crops = {step.index: verifier.crop(step.frame, step.result.box) for step in results.read(best)}
    return tuple(crops), list(crops.values())
