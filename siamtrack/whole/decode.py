"""`siamtrack.tracking.decode` as a graph, for networks with a box head: from maps to where the target is seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from siamtrack.models import STRIDE, response_size
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.decode import LEAST_PX, LOGIT_LIMIT, NEAR, hann_window
from siamtrack.whole.graph import Value, where


def decode(
    maps: Sequence[Value], known_wh: Value, config: TrackerConfig, influence: float
) -> tuple[Value, Value, tuple[Value, Value, Value, Value]]:
    """Where the target is seen from the middle of the crop, crop pixels; its scale change; logit, margin, quality, aspect.

    It is `Decoder._by_box`.

    Args:
        maps: response (1, cells), logits of target and quality (2, cells), distances (4, cells) crop pixels.
        known_wh: size of the target, crop pixels. influence: share of the window.
    """
    response, likelihoods, distances = maps
    place, window = _cells(response, config)
    low, high = place - distances.split([2, 2])[0], place + distances.split([2, 2])[1]

    width, height = (high - low).at_least(LEAST_PX).split([1, 1])
    known_w, known_h = known_wh.split([1, 1])
    scale = square(width, height) / square(known_w, known_h)
    shape = width / height / (known_w / known_h)
    change = scale.at_least(1 / scale) * shape.at_least(1 / shape) - 1
    penalty = (change * -config.size_penalty).op("Exp")

    likely = response - response.op("ReduceMin", axes=[1], keepdims=1)
    mixed = likely * penalty * ((1 - influence) / likely.sum(1).at_least(1e-12))
    peak = (mixed + window * influence).op("ArgMax", axis=1, keepdims=0, dtype="int64")
    steps = (place - place.take(peak, 1)).op("Abs").op("ReduceMax", axes=[0], keepdims=1)
    near = steps <= NEAR * STRIDE

    quality_logit = likelihoods.split([1, 1])[1].take(peak, 1)
    target, quality = sigmoid(likelihoods).split([1, 1])
    trust = target * quality * penalty
    weight = where(near, trust + 1e-12, 0.0)
    low, high = ((each * weight).sum(1) / weight.sum(1) for each in (low, high))

    share = trust.take(peak, 1) * config.scale_damping
    scale_wh = (1 - share + share * (high - low) / known_wh.reshape(2, 1)).reshape(2)
    logit = response.take(peak, 1)
    beside = where(near, -1e30, response).op("ReduceMax", axes=[1], keepdims=1)
    margin = where(beside > -1e29, logit - beside, 0.0)
    box_w, box_h = (high - low).reshape(2).at_least(LEAST_PX).split([1, 1])
    seen = logit.reshape(1), margin.reshape(1), quality_logit.reshape(1), box_w / box_h
    return ((low + high) * 0.5).reshape(2), scale_wh, seen


def _cells(response: Value, config: TrackerConfig) -> tuple[Value, Value]:
    """Middles of a response's cells, (2, cells) crop pixels from its own middle: across, down; and the window (1, cells)."""
    tables, first = [], [0]
    for cells in (response_size(size) for size in config.sizes):
        line = STRIDE * (np.arange(cells) - (cells - 1) / 2)
        tables.append(np.stack([np.tile(line, cells), np.repeat(line, cells), hann_window(cells).ravel()]))
        first.append(first[-1] + cells**2)
    # One size after the other: of which one begins where all with fewer cells end.
    count = response.op("Shape", dtype="int64").take(response.graph.constant([1]))
    sizes = response.graph.constant(np.diff(first))
    begin = where(sizes < count, sizes, 0).sum(0)
    chosen = response.graph.constant(np.concatenate(tables, axis=1), "real").between(begin, begin + count, 1)
    place, window = chosen.split([2, 1])
    return place, window


def sigmoid(logits: Value) -> Value:
    """Probabilities of log-odds, with the limits of `confidence.sigmoid`."""
    return logits.at_least(-LOGIT_LIMIT).at_most(LOGIT_LIMIT).op("Sigmoid")


def square(width: Value, height: Value) -> Value:
    """Side of the context square, `crop.context_side`."""
    context = (width + height) * 0.5
    return ((width + context) * (height + context)).op("Sqrt")
