"""One target and what is known of its looks, for whoever follows one or many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from siamtrack.frames import Image
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.locator import Locator, Sighting
from siamtrack.tracking.memory import ExemplarMemory
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.target import Target


class Followed:
    """A `Target`, which knows where it is, and its `ExemplarMemory`, which knows what to look for.

    Args:
        image: (H, W, 3) BGR uint8, the first frame.
        box: `(x, y, w, h)` of the target, 0-based pixels; the part inside the frame is used.
        locator: learns the target, now and later. config: the tracker's constants.

    Raises:
        ValueError: a box that cannot be used; the message says why.
    """

    def __init__(self, image: Image, box: Iterable[float], locator: Locator, config: TrackerConfig) -> None:
        self.target = Target(image, box, config)
        self._locator = locator
        self.memory = ExemplarMemory(locator.learn(self.target.exemplar_view(image)), config)

    def follow(self, image: Image, sightings: Sequence[Sighting], cut: bool) -> TrackResult:
        """Go where the target was seen (see `Target.follow`), and remember its looks if they are worth it."""
        result = self.target.follow(sightings, cut)
        self.memory.note(result, lambda: self._locator.learn(self.target.look_view(image)))
        return result
