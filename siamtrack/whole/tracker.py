"""The tracker as two graphs: what `siamtrack.tracking` computes for one target whose model has a box head, step by step.

Left out: camera cuts. What the package computes in float64 is float64 here, or float32 for engines that have nothing longer.
"""

from __future__ import annotations

import functools
import math

from siamtrack.models import CELLS, EXEMPLAR_SIZE
from siamtrack.tracking.confidence import Confidence
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.redetection import TILE_ODDS
from siamtrack.tracking.state import DOUBT_FRAMES
from siamtrack.tracking.target import MIN_TRACKED_PX, ROOM_PX, SIDE_LIMITS, STEPS
from siamtrack.tracking.template import UPDATE_FRAMES, UPDATE_SCORE, UPDATES_KEPT
from siamtrack.whole.crop import crop_region, frame_size
from siamtrack.whole.decode import decode, sigmoid, square
from siamtrack.whole.graph import Graph, Real, Value, join, where
from siamtrack.whole.redetection import remembered, searches_tiles, tile_center, tile_is_due
from siamtrack.whole.state import LENGTHS, LOST, TRACKING, Memory, next_phase, noted, pushed, redetect_logit, scored

ROWS = 2 + UPDATES_KEPT
"""Rows of the tensors `exemplars` and `kernels`: what is looked for, the first frame's, and the latest ones, zeros at first."""

NUMBERS = sum(LENGTHS.values())
"""Length of the tensor `memory`."""


OWN_NODES = 1200
"""More than a graph has nodes that are not the network's, which are named t0, t1 and so on."""


class TrackerGraphs:
    """Writes both graphs of a tracker.

    Args:
        exemplar, search: the network's two branches as ONNX with their weights inside, see `model.graphs`.
        config: the tracker's constants.
        real: "float64", or "float32" for engines that have nothing longer.
    """

    def __init__(self, exemplar: bytes, search: bytes, config: TrackerConfig, real: Real = "float64") -> None:
        self._exemplar, self._search, self._config, self._real = exemplar, search, config, real

    def init(self) -> bytes:
        """`frame, box -> exemplars, kernels, memory`."""
        graph, config = Graph(self._real), self._config
        frame = graph.input("frame", "uint8", ("height", "width", 3))
        box = graph.input("box", "real", (4,))
        x1, y1, w, h = box.split([1] * 4)
        corners = [x1, y1, x1 + w, y1 + h]
        x1, y1, x2, y2 = join(corners).at_least(0.0).at_most(join([frame_size(frame)] * 2)).split([1] * 4)
        center_xy, size_wh = join([x1 + x2, y1 + y2]) * 0.5, join([x2 - x1, y2 - y1])
        pixels = frame.to("float32").op("ReduceMean", axes=[1], keepdims=0).op("ReduceMean", axes=[0], keepdims=0)
        pad_color = pixels.op("Round").to("real")
        exemplar, kernel = self._embed(frame, center_xy, size_wh, pad_color, config.search_size)
        side = _context_side(size_wh) * (config.search_size / EXEMPLAR_SIZE)
        zero, start = graph.constant([0.0], "real"), Confidence(config, 1.0).mean_logit
        zeros = ["seen_frames", "state", "missing_frames", "confirming_frames", "sure_frames", "tentative", "score_count"]
        zeros += ["updates", "since_update", "searched_frames", "frames_without_sign", "awaited", "left_place"]
        memory = Memory(
            center_xy=center_xy,
            size_wh=size_wh,
            exemplar_wh=size_wh * (EXEMPLAR_SIZE / _context_side(size_wh)),
            pad_color=pad_color,
            side_limits=side * list(SIDE_LIMITS),
            steps_px=graph.constant([0.0] * STEPS, "real"),
            mean_logit=graph.constant([start], "real"),
            score_logit=graph.constant([start], "real"),
            last_scores=graph.constant([0.0] * DOUBT_FRAMES, "real"),
            last_sure=join([center_xy, size_wh]),
            **dict.fromkeys(zeros, zero),
        )
        exemplars, kernels = (join([each, each, *[each * 0.0] * UPDATES_KEPT]) for each in (exemplar, kernel))
        _output_parts(graph, "", (exemplars, kernels, join(memory)))
        return graph.to_bytes()

    def update(self) -> bytes:
        """`frame, exemplars, kernels, memory -> box, score, state` and the three that are the next frame's."""
        graph, config = Graph(self._real), self._config
        frame = graph.input("frame", "uint8", ("height", "width", 3))
        exemplars = graph.input("exemplars", "float32", (ROWS, "channels", CELLS, CELLS))
        kernels = graph.input("kernels", "float32", (ROWS, "features", CELLS - 2, CELLS - 2))
        memory = Memory(*graph.input("memory", "real", (NUMBERS,)).split(list(LENGTHS.values())))

        # 1. Search region: around the target, the larger the faster it moves; while it is LOST also at a tile of the frame.
        frame_wh, was, here_xy = frame_size(frame), memory.state, memory.center_xy
        if config.redetect:
            last_xy = memory.last_sure.split([2, 2])[0]
            here_xy = where(searches_tiles(memory) & (memory.awaited > 0), last_xy, here_xy)
        exemplar, kernel = (each.split([1, ROWS - 1])[0] for each in (exemplars, kernels))
        search = functools.partial(self._seen, frame, memory, exemplar, kernel)
        # 2. Crop, 3. the network, and 4. decode.
        seen_xy, scale_wh, odds = search(here_xy, self._search_size(memory, frame), config.window_influence)
        # 5. Target: where it went.
        if config.redetect:
            due, turn = tile_is_due(memory, config)

            def tile() -> tuple[Value, ...]:
                return search(tile_center(memory, frame_wh, turn, config), _free_size(frame, config.sizes[-1]), 0.0)

            tile_xy, tile_wh, tile_odds = graph.choose(due, tile, lambda: (here_xy, scale_wh, odds * 0 - 1e30))
            enough = (odds + math.log(TILE_ODDS)).at_least(redetect_logit(memory, config))
            leaves = tile_odds >= enough
            seen_xy, scale_wh, odds = (
                where(leaves, there, here) for there, here in ((tile_xy, seen_xy), (tile_wh, scale_wh), (tile_odds, odds))
            )
            searched = memory.searched_frames + searches_tiles(memory).to("real")
            memory = memory._replace(left_place=where(leaves, 1.0, memory.left_place), searched_frames=searched)
        center_xy = seen_xy.at_least(0.0).at_most(frame_wh)
        moved = center_xy - memory.center_xy
        step = (moved * moved).sum(0).op("Sqrt") * EXEMPLAR_SIZE / _context_side(memory.size_wh)
        # 6. State, size, template.
        memory = scored(memory, odds)
        score = sigmoid(memory.score_logit)
        memory = memory._replace(
            center_xy=center_xy, steps_px=pushed(memory.steps_px, step, STEPS), **next_phase(memory, odds, score, config)
        )
        resized = self._resized(memory, scale_wh)
        if config.redetect:
            resized = where(was.is_(LOST) | memory.state.is_(LOST), memory.size_wh, resized)
        memory = memory._replace(size_wh=resized)
        memory = noted(memory, odds)
        if config.redetect:
            memory = remembered(memory, was, odds, config)
        memory, exemplars, kernels = self._updated(frame, memory, score, exemplars, kernels)

        graph.output("box", _box(memory, frame_wh), (4,))
        graph.output("score", score, (1,))
        graph.output("state", memory.state.to("int32"), (1,))
        _output_parts(graph, "next_", (exemplars, kernels, join(memory)))
        return graph.to_bytes()

    def _embed(self, frame: Value, center_xy: Value, size_wh: Value, pad_color: Value, size: int) -> list[Value]:
        """Exemplar and kernel of a target: the middle cells of a search crop, see `template.embed`."""
        side = _context_side(size_wh) * (size / EXEMPLAR_SIZE)
        crop = crop_region(frame, center_xy, side, _free_size(frame, size), pad_color)
        return frame.graph.include(self._exemplar, {"crops": crop})

    def _seen(
        self, frame: Value, memory: Memory, exemplar: Value, kernel: Value, center_xy: Value, size: Value, influence: float
    ) -> tuple[Value, Value, Value]:
        """The candidate in a square of the frame: where it is, frame pixels; its scale change; its log-odds.

        Args:
            center_xy, size: of the search region, and the side of its crop. influence: share of the window.
        """
        pixels = size.to("real")
        side = _context_side(memory.size_wh) * pixels * (1 / EXEMPLAR_SIZE)
        crop = crop_region(frame, center_xy, side, size, memory.pad_color)
        exemplar_wh = memory.exemplar_wh.to("float32").reshape(1, 2)
        inputs = {"crops": crop, "exemplar": exemplar, "kernel": kernel, "size_wh": exemplar_wh}
        response, target, quality, distances = frame.graph.include(self._search, inputs)
        maps = [response.reshape(1, -1), join([target, quality]).reshape(2, -1), distances.reshape(4, -1)]
        scale = side / pixels
        offset_xy, scale_wh, seen = decode([each.to("real") for each in maps], memory.size_wh / scale, self._config, influence)
        *others, aspect = seen
        features = join([*others, _shape_change(memory, aspect)])
        odds = (features * list(self._config.score_weights)).sum(0) + self._config.score_offset
        return center_xy + offset_xy * scale, scale_wh, odds

    def _search_size(self, memory: Memory, frame: Value) -> Value:
        """Side of the search crop, `Target._search_size`; int64 (1,)."""
        last = len(self._config.sizes) - 1
        if not last:
            return _free_size(frame, self._config.search_size)
        sizes = frame.graph.constant(self._config.sizes)
        wanted = (memory.steps_px.op("ReduceMax", axes=[0], keepdims=1) * 2.0 + ROOM_PX) * 2.0 + EXEMPLAR_SIZE
        smaller = (sizes.to("real") < wanted).to("real").sum(0)
        while_lost = 0 if self._config.redetect else last
        return sizes.take(where(memory.state.is_(LOST), while_lost, smaller.at_most(last)).to("int64"))

    def _resized(self, memory: Memory, scale_wh: Value) -> Value:
        """`Target._resize`."""
        size_wh = (memory.size_wh * scale_wh).at_least(MIN_TRACKED_PX)
        side = _context_side(size_wh) * (self._config.search_size / EXEMPLAR_SIZE)
        low, high = memory.side_limits.split([1, 1])
        return size_wh * (side.at_least(low).at_most(high) / side)

    def _updated(
        self, frame: Value, memory: Memory, score: Value, exemplars: Value, kernels: Value
    ) -> tuple[Memory, Value, Value]:
        """`Target.update_template`: the latest exemplar comes after the first one, the oldest of the later ones goes."""
        since = memory.since_update + 1
        memory = memory._replace(since_update=since)
        if not self._config.update_weight:
            return memory, exemplars, kernels
        due = memory.state.is_(TRACKING) & (score >= UPDATE_SCORE) & (since >= UPDATE_FRAMES)

        def update() -> list[Value]:
            later = self._embed(frame, memory.center_xy, memory.size_wh, memory.pad_color, self._config.sizes[0])
            finite = _sum_all(later[0]).op("Abs") + _sum_all(later[1]).op("Abs") < 1e30
            now = [
                self._blended(rows, latest, memory.updates) for rows, latest in zip((exemplars, kernels), later, strict=True)
            ]
            blended = [where(finite, new, old) for new, old in zip(now, (exemplars, kernels), strict=True)]
            return [*blended, where(finite, memory.updates + 1, memory.updates), where(finite, 0.0, since)]

        exemplars, kernels, updates, since = frame.graph.choose(
            due, update, lambda: [exemplars, kernels, memory.updates, since]
        )
        return memory._replace(updates=updates, since_update=since), exemplars, kernels

    def _blended(self, rows: Value, latest: Value, updates: Value) -> Value:
        """The rows after an update, `Template.update`; `updates` counts those before."""
        _, first, _, *later = rows.split([1] * ROWS)
        later = [*later, latest]
        mean = functools.reduce(Value.__add__, later) / (updates + 1).at_most(UPDATES_KEPT).to("float32")
        return join([first + (mean - first) * self._config.update_weight, first, *later])


def _box(memory: Memory, frame_wh: Value) -> Value:
    """`Target._box`: clipped to the frame, and never thinner than a pixel."""
    low = (memory.center_xy - memory.size_wh * 0.5).at_least(0.0).at_most(frame_wh)
    high = (memory.center_xy + memory.size_wh * 0.5).at_least(0.0).at_most(frame_wh)
    size_wh = (high - low).at_least(frame_wh.at_most(1.0))
    return join([low.at_most(frame_wh - size_wh), size_wh])


def _shape_change(memory: Memory, seen_aspect: Value) -> Value:
    """`confidence.shape_change`. Args: seen_aspect: width over height of the box that is seen."""
    first, known = (width / height for width, height in (each.split([1, 1]) for each in (memory.exemplar_wh, memory.size_wh)))
    change = (join([known, seen_aspect]) / first).op("Log").op("Abs")
    return change.op("ReduceMax", axes=[0], keepdims=1).op("Sqrt")


def _free_size(frame: Value, size: int) -> Value:
    """A number of pixels, int64 (1,), that no engine knows before it has a frame.

    A side that is known makes ONNX Runtime convolve in another order than in the package, and round otherwise.
    """
    return frame.op("Shape", dtype="int64").split([1, 2])[0].at_least([size]).at_most([size])


def _sum_all(value: Value) -> Value:
    """The sum of all elements, (1,)."""
    return value.reshape(-1).sum(0)


def _output_parts(graph: Graph, prefix: str, parts: tuple[Value, Value, Value]) -> None:
    shapes: dict[str, tuple[int | str, ...]] = {
        "exemplars": (ROWS, "channels", CELLS, CELLS),
        "kernels": (ROWS, "features", CELLS - 2, CELLS - 2),
        "memory": (NUMBERS,),
    }
    for (name, shape), value in zip(shapes.items(), parts, strict=True):
        graph.output(f"{prefix}{name}", value, shape)


def _context_side(size_wh: Value) -> Value:
    return square(*size_wh.split([1, 1]))
