"""`siamtrack.tracking.redetection` as a graph: the tiles of a frame, in which a LOST target is looked for."""

from __future__ import annotations

import math

from siamtrack.models import EXEMPLAR_SIZE
from siamtrack.tracking.confidence import log_odds
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.redetection import DISTANCE_PARTS, NEAR_TILES, PATIENCE
from siamtrack.whole.decode import square
from siamtrack.whole.graph import Value, join, where
from siamtrack.whole.state import LOST, TRACKING, Memory


def searches_tiles(memory: Memory) -> Value:
    """`Target._tile_search`: whether the target is LOST, and nothing was seen lately that may be it."""
    return memory.state.is_(LOST) & memory.confirming_frames.is_(0.0)


def tile_is_due(memory: Memory, config: TrackerConfig) -> tuple[Value, Value]:
    """Whether a tile is searched in this frame, and the number of its turn."""
    every = float(math.ceil((config.sizes[-1] / config.sizes[0]) ** 2))
    turn = (memory.searched_frames / every).op("Floor")
    return searches_tiles(memory) & memory.searched_frames.is_(turn * every), turn


def tile_center(memory: Memory, frame_wh: Value, turn: Value, config: TrackerConfig) -> Value:
    """`Tiles.at`: the centre of the tile whose turn it is, (2,) frame pixels."""
    graph = frame_wh.graph
    last_xy = memory.last_sure.split([2, 2])[0]
    reach = square(*memory.size_wh.split([1, 1])) * (config.sizes[-1] / EXEMPLAR_SIZE - 1)
    before = (last_xy / reach - 0.5).op("Ceil").at_least(0.0).split([1, 1])
    after = ((frame_wh - last_xy) / reach - 0.5).op("Ceil").at_least(0.0).split([1, 1])
    one = graph.constant(1.0, "real")
    lines = []
    for at, length, low, high in zip(*(each.split([1, 1]) for each in (last_xy, frame_wh)), before, after, strict=True):
        steps = (low * -1).op("Squeeze").op("Range", (high + 1).op("Squeeze"), one)
        lines.append((at + steps * reach).at_least(0.0).at_most(length))
    columns, rows = lines[0].reshape(1, -1), lines[1].reshape(-1, 1)
    x, y = ((each + other * 0).reshape(-1) for each, other in ((columns, rows), (rows, columns)))
    away_x, away_y = (each - at for each, at in zip((x, y), last_xy.split([1, 1]), strict=True))
    away = ((away_x * away_x + away_y * away_y) / (reach * reach) * DISTANCE_PARTS + 0.5).op("Floor")
    tiles = away.op("Shape", dtype="int64")
    _, nearest = graph.node("TopK", [away, tiles], ["real", "int64"], axis=0, largest=0)

    count = tiles.to("real")
    far = (count - (NEAR_TILES + 1)).at_least(0.0)
    near = (count - 1).at_most(NEAR_TILES).at_least(1.0)
    half = (turn * 0.5).op("Floor")
    goes_far = (far > 0) & (turn > half * 2)
    each = where(far > 0, half, turn)
    place = where(goes_far, _rest(each, far.at_least(1.0)) + NEAR_TILES + 1, _rest(each, near) + (count - 1).at_most(1.0))
    tile = nearest.take(place.to("int64"))
    return join([x.take(tile), y.take(tile)])


def _rest(value: Value, of: Value) -> Value:
    return value - (value / of).op("Floor") * of


def remembered(memory: Memory, was: Value, odds: Value, config: TrackerConfig) -> Memory:
    """`Target._remember`. Args: was: the state before. odds: of what was followed."""
    lost, is_sure = memory.state.is_(LOST), memory.state.is_(TRACKING)
    last_sure = where(is_sure, join([memory.center_xy, memory.size_wh]), memory.last_sure)
    begins = lost & ~was.is_(LOST)
    without_sign = where(odds >= log_odds(config.lost_score), 0.0, memory.frames_without_sign + 1)
    awaited = where(without_sign >= PATIENCE, 1.0, memory.awaited)
    goes_on = lost & ~begins
    return memory._replace(
        last_sure=last_sure,
        size_wh=where(begins, last_sure.split([2, 2])[1], memory.size_wh),
        searched_frames=where(goes_on, memory.searched_frames, 0.0),
        frames_without_sign=where(goes_on, without_sign, 0.0),
        awaited=where(goes_on, awaited, 0.0),
        left_place=where(goes_on, memory.left_place, 0.0),
    )
