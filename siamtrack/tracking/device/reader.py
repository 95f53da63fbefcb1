"""What reads a pass of the network: part of it on the device, with the rest of the pass, part on the host."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.locator import Sighting, View


class Reader(Protocol):
    """From search embeddings to a few numbers a target, and from those to a sighting. It keeps no target."""

    def read(self, exemplar: Tensor, kernel: Tensor, search: Tensor, looks: Tensor) -> Tensor:
        """What N targets come to: (N, k) float64. Capturable: no step waits for a value or depends on one.

        Args:
            exemplar: (N, K, C, 6, 6). kernel: (N, c, 4, 4), or (N, 0) where there is no box head.
            search: embeddings (N, C, H, W).
            looks: (N, 5) float64: the target's size in the exemplar crop, its present one in the search crop, and the
                window's influence.
        """

    def sighting(self, view: View, window: SearchRegion, found: list[float]) -> Sighting:
        """What the k numbers of one target mean in the frame."""
