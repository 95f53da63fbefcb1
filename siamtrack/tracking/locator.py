"""What a locator is: it looks at a search region and says where the target went and how it grew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from siamtrack.frames import Image

Pair = tuple[float, float]


@dataclass(frozen=True)
class View:
    """What the tracker knows before it looks: enough to cut a crop around the target.

    Attributes:
        image: (H, W, 3) BGR uint8.
        center_xy, size_wh: the target as it was last seen, frame pixels.
        side: of the square to cut, frame pixels. size: of the crop that it becomes, pixels; 0 for the locator's own.
        fill: colour of whatever lies outside the frame.
        window_influence: share of the Hann window in the choice of the peak, 0..1: how firmly the target is expected in
            the middle.
    """

    image: Image
    center_xy: Pair
    size_wh: Pair
    side: float
    fill: tuple[float, float, float]
    window_influence: float = 0.0
    size: int = 0


@dataclass(frozen=True)
class Sighting:
    """What a locator found.

    Attributes:
        center_xy: frame pixels; may lie outside the frame.
        growth_wh: factors on the target's width and height, damping included.
        value, gap: what speaks for this being the target; see `Evidence`.
        height: of its peak over the response's mean, as a share of the chosen peak's.
        others: what was seen at the response's other peaks (`siamtrack.tracking.other_peaks`), where rivals are followed.
    """

    center_xy: Pair
    growth_wh: Pair
    value: float
    gap: float
    height: float = 1.0
    others: tuple[Sighting, ...] = ()


@dataclass(frozen=True)
class Exemplar:
    """What is kept of a target once it was seen.

    Attributes:
        embedding: (1, K, C, 6, 6), one a scale.
        kernel: of the box head, (1, c, 4, 4); (1, 0) where there is no such head.
        size_wh: of the target in the exemplar crop, (1, 2), pixels of that crop.
    """

    embedding: Tensor
    kernel: Tensor
    size_wh: Tensor


def exemplar_size_wh(view: View, size: int) -> Tensor:
    """The target's size (1, 2) in an exemplar crop of `size` pixels."""
    return torch.tensor([[length * size / view.side for length in view.size_wh]])


class Locator(Protocol):
    """Learns a target once, finds it in every frame after. It keeps no target itself, so one serves many."""

    def learn(self, view: View) -> Exemplar:
        """Embed the exemplar; `view.side` is that of the exemplar's square."""

    def find(self, exemplars: Sequence[Exemplar], views: Sequence[View]) -> list[Sighting]:
        """Find N targets by one pass of the network; each `view.side` is that of its search region."""


def together(tensors: Sequence[Tensor]) -> Tensor:
    """N tensors (1, ...) as one (N, ...); one alone is handed on as it is, which costs nothing.

    The tensors must lie in memory as `torch.cat` lays them, so that one alone and one of many are multiplied alike.
    """
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))
