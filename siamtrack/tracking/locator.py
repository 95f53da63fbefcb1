"""What a locator is: it looks at a search region and says where the target went and how it grew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from siamtrack.tracking.crop import Image

Pair = tuple[float, float]


@dataclass(frozen=True)
class View:
    """What the tracker knows before it looks: enough to cut a crop around the target.

    Attributes:
        image: (H, W, 3) BGR uint8.
        center_xy, size_wh: the target as it was last seen, frame pixels.
        side: of the square to cut, frame pixels.
        fill: colour of whatever lies outside the frame.
    """

    image: Image
    center_xy: Pair
    size_wh: Pair
    side: float
    fill: tuple[float, float, float]


@dataclass(frozen=True)
class Sighting:
    """What a locator found.

    Attributes:
        center_xy: frame pixels; may lie outside the frame.
        growth_wh: factors on the target's width and height, damping included.
        value: logit-like evidence that this is the target; the score is a function of it.
    """

    center_xy: Pair
    growth_wh: Pair
    value: float


class Locator(Protocol):
    """Learns a target once, finds it in every frame after."""

    def learn(self, view: View) -> None:
        """Embed the exemplar; `view.side` is that of the exemplar's square."""

    def find(self, view: View) -> Sighting:
        """Find the target; `view.side` is that of the search region."""
