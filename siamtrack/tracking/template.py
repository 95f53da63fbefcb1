"""What is looked for: the exemplar of the first frame, and its slow update."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from siamtrack.frames import Image
from siamtrack.models import EXEMPLAR_SIZE
from siamtrack.tracking.crop import SearchRegion, context_side
from siamtrack.tracking.network import Exemplar, Floats, Network
from siamtrack.tracking.result import State, TrackResult

Pair = tuple[float, float]

UPDATE_SCORE = 0.85
"""A frame updates the template if it is TRACKING with at least this score ..."""

UPDATE_FRAMES = 30
"""... and the last update is so many frames ago."""

UPDATES_KEPT = 3
"""Only so many updates count, the latest."""


class Template:
    """The first exemplar, blended with the mean of the latest ones that were sure.

    Correlation is linear: to look for the blend is to look for each and to average what they say. The first exemplar keeps
    its share whatever comes, so that a drift cannot feed itself without end; sizes stay those of the first frame, to which
    the box head's distances are relative.

    Args:
        first: the exemplar of the first frame. update_weight: share of the later ones, 0 for none.

    Attributes:
        exemplar: what to look for in the next frame.
    """

    def __init__(self, first: Exemplar, update_weight: float) -> None:
        self.exemplar = self._first = first
        self._weight = update_weight
        self._later: deque[Exemplar] = deque(maxlen=UPDATES_KEPT)
        self._frames = 0

    def count_frame(self, result: TrackResult) -> bool:
        """Count a frame; whether it is to update the template."""
        self._frames += 1
        sure = result.state is State.TRACKING and result.score >= UPDATE_SCORE
        return self._weight > 0 and sure and self._frames >= UPDATE_FRAMES

    def update(self, later: Exemplar) -> None:
        """Blend a later exemplar in."""
        self._frames = 0
        self._later.append(later)
        embedding = _blend(self._first.embedding, [each.embedding for each in self._later], self._weight)
        kernel = self._first.kernel
        if kernel is not None:
            kernel = _blend(kernel, [each.kernel for each in self._later if each.kernel is not None], self._weight)
        self.exemplar = Exemplar(embedding, kernel, self._first.size_wh)


def embed(
    network: Network,
    image: Image,
    center_xy: Pair,
    size_wh: Pair,
    pad_color: tuple[float, float, float],
    search_size: int,
) -> Exemplar:
    """The exemplar of a target in a frame: the 6 x 6 cells that it has inside a search region.

    A network without padding gives a 127 px crop the very cells that it gives the middle of a search region, so the small
    crop will do. One with padding does not: there a crop of `search_size` is embedded.

    Args:
        network: runs the exemplar branch.
        image: (H, W, 3) BGR uint8. center_xy, size_wh: the target in it, frame pixels.
        pad_color: colour outside of the frame. search_size: side of search crops, pixels.
    """
    size = search_size if network.padded else EXEMPLAR_SIZE
    square = context_side(size_wh)
    crop = SearchRegion(center_xy, square * size / EXEMPLAR_SIZE, size).extract(image, pad_color)
    embedding, kernel = network.embed_exemplar(crop)
    return Exemplar(embedding, kernel, np.array([length * EXEMPLAR_SIZE / square for length in size_wh], np.float32))


def _blend(first: Floats, later: Sequence[Floats], weight: float) -> Floats:
    return first + np.float32(weight) * (np.stack(later).mean(axis=0) - first)
