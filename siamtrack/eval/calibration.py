"""What a tracker shows its network in labelled sequences, for whatever must know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from siamtrack.backends.onnx import OnnxBackend, search_inputs
from siamtrack.boxes import Box
from siamtrack.data.layout import find_sequences
from siamtrack.data.sequence import Sequence as Video
from siamtrack.errors import DataError
from siamtrack.model.weights import Weights
from siamtrack.models import EXEMPLAR_SIZE
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color
from siamtrack.tracking.template import embed


def calibration_inputs(root: Path, weights: Weights, config: TrackerConfig, count: int) -> Iterator[dict[str, Any]]:
    """Inputs of the search branch: crops around labelled targets, drawn evenly over sequences and over their frames.

    Args:
        root: labelled sequences. weights: embed the exemplars. config: for the size of a crop. count: of inputs.

    Raises:
        FileNotFoundError, DataError: as the reader raises them; or no box is labelled.
    """
    return _inputs(find_sequences(root), root, weights, config, count)


def _inputs(
    sequences: Sequence[Video], root: Path, weights: Weights, config: TrackerConfig, count: int
) -> Iterator[dict[str, Any]]:
    network, given, share = OnnxBackend(weights), 0, -(-count // len(sequences))
    for sequence in sequences:
        labelled = [i for i, box in enumerate(sequence.boxes_xywh) if box[2] > 0 and box[3] > 0]
        wanted = {labelled[k] for k in np.linspace(0, len(labelled) - 1, share).astype(int)} if labelled else set()
        for index, frame in sequence.frames_at(wanted):
            if given == count:
                return
            box, color = Box(*sequence.boxes_xywh[index]), mean_color(frame)
            side = context_side(box.size_wh) * config.search_size / EXEMPLAR_SIZE
            crop = SearchRegion(box.center_xy, side, config.search_size).extract(frame, color)
            exemplar = embed(network, config, frame, box.center_xy, box.size_wh, color, config.search_size)
            given += 1
            yield search_inputs(crop, exemplar)
    if not given:
        raise DataError(f"{root}: no frame of these sequences has a box")
