"""Re-identification: did two tracker runs follow the same thing?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import DataError
from siamtrack.outside import read_json
from siamtrack.system import MAX_TEXT
from siamtrack.tracking.result import State
from siamtrack.verify.verifier import Verdict, Verifier
from siamtrack.video.rows import read_rows
from siamtrack.video.source import open_again, open_source

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
    boxes = run / "boxes.csv"
    if not boxes.is_file():
        raise FileNotFoundError(f"{boxes} not found; give a folder that siamtrack track wrote")
    rows = list(read_rows(boxes, MAX_TEXT))
    sure = [row for row in rows if row.result.state is not State.LOST and min(row.result.box.size_wh) >= 1]
    if not sure:
        raise DataError(f"{boxes}: holds no frame in which the target was seen")
    stretches = np.array_split(np.arange(len(sure)), min(CROPS, len(sure)))
    best = [sure[0], *(max((sure[k] for k in stretch), key=lambda row: row.result.score) for stretch in stretches[1:])]
    chosen = {row.index: row.result.box for row in best}
    crops: dict[int, NDArray[np.uint8]] = {}
    with open_source(source) if source else open_again(_source_of(run)) as frames:
        for frame in frames.read(min(chosen)):
            if frame.index in chosen:
                crops[frame.index] = verifier.crop(frame.image, chosen[frame.index])
            if len(crops) == len(chosen):
                break
    if not crops:
        raise DataError(f"{run}: its video gave none of the frames {sorted(chosen)}")
    return tuple(crops), list(crops.values())


def _source_of(run: Path) -> str:
    path = run / "run.json"
    try:
        source = read_json(path)["source"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: does not say which video was tracked; name it with --source-a or --source-b") from error
    return str(source)
