"""`siamtrack.tracking.decode` as a graph, for networks with a box head: from maps to where the target is seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from siamtrack.models import STRIDE, response_size
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.decode import LOGIT_LIMIT, NEAR, hann_window
from siamtrack.whole.graph import Value, join, where


def decode(maps: Sequence[Value], known_wh: Value, config: TrackerConfig) -> tuple[Value, Value, Value, Value]:
    """Where the target is seen from the middle of the crop, crop pixels; its scale change; logit and margin.

    It is `Decoder._by_box`.

    Args:
        maps: response, target, quality as (1, cells), distances as (4, cells), crop pixels. known_wh: of the target, the same.
    """
    response, target, quality, distances = maps
    left, top, right, lower = distances.split([1] * 4)
    known_w, known_h = known_wh.split([1, 1])
    row, column, cells, window = _places(response, config)

    width, height = (left + right).at_least(1e-6), (top + lower).at_least(1e-6)
    scale = square(width, height) / square(known_w, known_h)
    shape = width / height / (known_w / known_h)
    change = scale.at_least(1 / scale) * shape.at_least(1 / shape) - 1
    penalty = (change * -config.size_penalty).op("Exp")

    likely = response - response.op("ReduceMin", axes=[1], keepdims=1)
    mixed = likely * penalty * ((1 - config.window_influence) / likely.sum(1).at_least(1e-12))
    mixed = mixed + window * config.window_influence
    peak = mixed.op("ArgMax", axis=1, keepdims=0, dtype="int64")
    at_row, at_column = row.take(peak, 1), column.take(peak, 1)
    near = ((row - at_row).op("Abs") <= NEAR) & ((column - at_column).op("Abs") <= NEAR)

    trust = _likelihood(target) * _likelihood(quality) * penalty
    weight = where(near, trust + 1e-12, 0.0)
    across, down = (STRIDE * (each - (cells - 1) / 2) for each in (column, row))
    sides = join([across - left, down - top, across + right, down + lower])
    x1, y1, x2, y2 = ((sides * weight).sum(1) / weight.sum(1)).split([1] * 4)

    share = trust.take(peak, 1) * config.scale_damping
    seen_wh = join([x2 - x1, y2 - y1]).reshape(2)
    share = share.reshape(1)
    scale_wh = 1 - share + share * seen_wh / known_wh
    logit = response.take(peak, 1)
    beside = where(near, -1e30, response).op("ReduceMax", axes=[1], keepdims=1)
    margin = where(beside > -1e29, logit - beside, 0.0)
    offset_xy = join([x1 + x2, y1 + y2]).reshape(2) * 0.5
    return offset_xy, scale_wh, logit.reshape(1), margin.reshape(1)


def _places(response: Value, config: TrackerConfig) -> tuple[Value, Value, Value, Value]:
    """Row and column of each cell of a response (1, cells), the number of cells in a line (1,), and the window."""
    graph, sides = response.graph, [response_size(size) for size in config.sizes]
    count = response.op("Shape", dtype="int64").take(graph.constant(np.array([1])))
    # Windows of all sizes one after the other: of which one begins where those of fewer cells end.
    windows = graph.constant(np.concatenate([hann_window(side).ravel() for side in sides]).astype(np.float64))
    fewer = graph.constant(np.array([side**2 for side in sides]))
    begin = where(fewer < count, fewer, 0).sum(0)
    window = windows.between(begin, begin + count, 0).reshape(1, -1)
    number = graph.constant(np.arange(max(sides) ** 2, dtype=np.float64)).between(count - count, count, 0).reshape(1, -1)
    cells = count.to("float64").op("Sqrt")
    row = ((number + 0.5) / cells).op("Floor")
    return row, number - row * cells, cells, window


def square(width: Value, height: Value) -> Value:
    """Side of the context square, `crop.context_side`."""
    context = (width + height) * 0.5
    return ((width + context) * (height + context)).op("Sqrt")


def _likelihood(logits: Value) -> Value:
    return logits.at_least(-LOGIT_LIMIT).at_most(LOGIT_LIMIT).op("Sigmoid")
