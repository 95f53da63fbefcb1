"""Search crops of labelled sequences, for whatever must know what a tracker sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from siamtrack.boxes import Box
from siamtrack.data.layout import find_sequences
from siamtrack.errors import DataError
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color
from siamtrack.tracking.runtimes.runtime import Crops


def calibration_crops(root: Path, config: TrackerConfig, count: int) -> Iterator[Crops]:
    """Search crops (1, S, S, 3) BGR around labelled targets, drawn evenly over sequences and over their frames.

    Args:
        root: labelled sequences. config: for the size of a search region. count: of crops.

    Raises:
        FileNotFoundError, DataError: as the reader raises them; or no box is labelled.
    """
    sequences = find_sequences(root)
    share = -(-count // len(sequences))
    given = 0
    for sequence in sequences:
        labelled = [i for i, box in enumerate(sequence.boxes_xywh) if box[2] > 0 and box[3] > 0]
        wanted = {labelled[k] for k in np.linspace(0, len(labelled) - 1, share).astype(int)} if labelled else set()
        for index, frame in sequence.frames_at(wanted):
            if given == count:
                return
            box = Box(*sequence.boxes_xywh[index])
            side = context_side(box.size_wh) * config.search_size / config.exemplar_size
            given += 1
            yield SearchRegion(box.center_xy, side, config.search_size).extract(frame, mean_color(frame))[None]
    if not given:
        raise DataError(f"{root}: no frame of these sequences has a box")
