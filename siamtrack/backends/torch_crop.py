"""`SearchRegion.extract` on the device: many crops of one frame at once, in shapes that depend on no value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from siamtrack.tracking.crop import SearchRegion

PART = 16
"""Crops sampled at a time. Their taps take 28 MB where blocks are averaged: of 128 at once they would take gigabytes."""


class Sampling(NamedTuple):
    """Where the pixels of a crop lie in the frame, or in the frame averaged over blocks.

    It is the arithmetic of `SearchRegion.extract`: a region that is f times larger than its crop, f rounded down, sees the
    frame averaged over blocks of f x f pixels.

    Attributes:
        x, y: block, counted from the first one's middle, on which the middle of the crop's first pixel lies.
        step: blocks between neighbouring pixels of the crop.
        left, top: frame pixel at which the first block begins. factor: side of a block in pixels.
        columns, rows: number of blocks; none where the region lies outside the frame.
        blue, green, red: the colour of whatever lies outside, whole numbers.
    """

    x: float
    y: float
    step: float
    left: int
    top: int
    factor: int
    columns: int
    rows: int
    blue: int
    green: int
    red: int

    @classmethod
    def of(cls, region: SearchRegion, frame_wh: tuple[int, int], pad_color: Sequence[float]) -> Sampling:
        """How a region is sampled out of a frame of a size. Args: pad_color: by channel, 0..255."""
        factor = max(1, int(region.scale))
        (left, columns), (top, rows) = (0, frame_wh[0]), (0, frame_wh[1])
        if factor > 1:
            begin, end = region.to_frame(0, 0), region.to_frame(region.size, region.size)
            left, columns = _blocks(begin[0], end[0], factor, frame_wh[0])
            top, rows = _blocks(begin[1], end[1], factor, frame_wh[1])
        x, y = region.to_frame(0.5, 0.5)
        blue, green, red = (min(max(round(value), 0), 255) for value in pad_color)
        at = ((x - left) / factor - 0.5, (y - top) / factor - 0.5, region.scale / factor)
        return cls(*at, left, top, factor, columns, rows, blue, green, red)


FIELDS = len(Sampling._fields)

_AT = {name: i for i, name in enumerate(Sampling._fields)}


def cut_crops(frame: Tensor, samplings: Tensor, size: int, table: Tensor | None = None) -> Tensor:
    """Crops of one frame: bilinear, padded with a colour outside of the frame.

    They are those of `SearchRegion.extract`, a pixel being off by one where it falls between two values. (OpenCV 4 rounds
    positions to 1/32 px besides; OpenCV 5 does not.)

    Args:
        frame: (H, W, 3) uint8. samplings: (N, FIELDS) float64 on the same device, a `Sampling` a row.
        size: side of the crops in pixels.
        table: `sum_table` of the frame; needed if any `factor` is above 1. Without it no factor is looked at.

    Returns:
        (N, size, size, 3) uint8.
    """
    return torch.cat([_cut(frame, part, size, table) for part in samplings.split(PART)])


def sum_table(frame: Tensor) -> Tensor:
    """(H + 1, W + 1, 3) int32 sums of all pixels of a frame (H, W, 3) uint8 above and to the left of each corner.

    Four of them give the sum of any block (F. Crow, Summed-area tables for texture mapping, SIGGRAPH 1984). In frames above
    8.4 million pixels sums wrap around; their differences come out right all the same.
    """
    # Both sums run along the innermost axis: along another one a GPU has too few of them at a time.
    rows = frame.permute(2, 0, 1).to(torch.int32).contiguous().cumsum(-1, dtype=torch.int32)
    columns = rows.transpose(1, 2).contiguous().cumsum(-1, dtype=torch.int32)
    return F.pad(columns, (1, 0, 1, 0)).permute(2, 1, 0).contiguous()


def _cut(frame: Tensor, samplings: Tensor, size: int, table: Tensor | None) -> Tensor:
    x, y, step, left, top, factor, columns, rows = (samplings[:, _AT[name], None] for name in Sampling._fields[:8])
    line = torch.arange(size, dtype=torch.float64, device=samplings.device)
    (column, across), (row, down) = (_taps(start + step * line, count) for start, count in ((x, columns), (y, rows)))
    if table is None:
        taps = _pairs(frame, _inside(row, rows - 1, 2), _inside(column, columns - 1, 2))
    else:
        taps = _means(table, _edges(row, rows, top, factor), _edges(column, columns, left, factor), factor)
    seen = _blend(_blend(taps, down[:, :, :, None, None, None], 2), across[:, None, :, :, None], 3)
    outside = 1 - down.sum(-1)[:, :, None] * across.sum(-1)[:, None, :]
    pad_color = samplings[:, None, None, _AT["blue"] :].float()
    return (seen + outside[..., None] * pad_color).round().clamp(0, 255).to(torch.uint8)


def _taps(place: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The lower one (N, S) of the two blocks that each pixel reads, and the weights (N, S, 2): 0 outside of `count`."""
    first = place.floor()
    share = place - first
    both = torch.stack([first, first + 1], dim=-1)
    there = (both >= 0) & (both < count[..., None])
    return first, (torch.stack([1 - share, share], dim=-1) * there).float()


def _inside(first: Tensor, highest: Tensor, count: int) -> Tensor:
    """`first` (N, S) and what follows, (N, S, count), moved into 0..highest: what was outside weighs nothing."""
    following = first[..., None] + torch.arange(count, dtype=first.dtype, device=first.device)
    # The lower limit last: where there are no blocks, the upper one is -1.
    return torch.minimum(following, highest[..., None]).clamp(min=0).long()


def _edges(first: Tensor, count: Tensor, begin: Tensor, factor: Tensor) -> Tensor:
    """Frame pixels (N, S, 3) between which the two blocks of each pixel lie."""
    return begin[..., None].long() + _inside(first, count, 3) * factor[..., None].long()


def _pairs(image: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """(N, S, a, S, b, 3) of an image (h, w, 3) at rows (N, S, a) and columns (N, S, b)."""
    return image[row[:, :, :, None, None], column[:, None, None, :, :]]


def _means(table: Tensor, row: Tensor, column: Tensor, factor: Tensor) -> Tensor:
    """Block means (N, S, 2, S, 2, 3) between edges (N, S, 3), rounded as OpenCV rounds those of 2 x 2: halves up."""
    sums = _pairs(table, row, column)
    sums = sums[:, :, 1:] - sums[:, :, :-1]
    sums = sums[:, :, :, :, 1:] - sums[:, :, :, :, :-1]
    area = factor.square().float()
    return (sums / area[..., None, None, None, None] + 0.5).floor()


def _blend(taps: Tensor, weight: Tensor, dim: int) -> Tensor:
    """The two taps along an axis as one."""
    return taps.select(dim, 0) * weight.select(dim, 0) + taps.select(dim, 1) * weight.select(dim, 1)


def _blocks(begin: float, end: float, factor: int, limit: int) -> tuple[int, int]:
    """First pixel and number of the whole blocks that an axis of the region sees, of `limit` pixels."""
    first = min(max(math.floor(begin) - factor, 0), limit - 1)
    return first, max(0, (min(math.ceil(end) + factor, limit) - first) // factor)
