"""Our trackers in the experiments of GOT-10k's own toolkit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from got10k.trackers import Tracker as ToolkitBase
from numpy.typing import NDArray

from siamtrack.eval.peers import BoxTracker, box_of
from siamtrack.frames import Image

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage


class GOT10kTracker(ToolkitBase):  # type: ignore[misc]
    """A tracker of this package, or any with `init` and `update`, for the experiments of GOT-10k's toolkit.

    The toolkit hands out RGB images of PIL and asks for a box `(x, y, w, h)`; the tracker gets BGR arrays. The toolkit's time
    of a frame has the conversion in it.

    Args:
        tracker: made by `siamtrack.load(redetect=False)`, say: the benchmarks mean no re-detection.
        name: names the folder of the results.
        one_based: whether the experiment's boxes count pixels from 1, as those of the toolkit's `ExperimentOTB` do. Those of
            `ExperimentGOT10k` count from 0.

    Examples:
        >>> from got10k.experiments import ExperimentGOT10k                             # doctest: +SKIP
        >>> tracker = GOT10kTracker(siamtrack.load(redetect=False), "siamfc-lite")      # doctest: +SKIP
        >>> ExperimentGOT10k("GOT-10k", subset="val").run(tracker)                      # doctest: +SKIP
    """

    def __init__(self, tracker: BoxTracker, name: str = "siamtrack", one_based: bool = False) -> None:
        super().__init__(name=name, is_deterministic=True)
        self.tracker = tracker
        self._first_pixel = float(one_based)

    def init(self, image: PILImage, box: Sequence[float]) -> None:
        """Learn the target: `(x, y, w, h)` in the first frame, an image of PIL of any mode that it turns into RGB.

        Raises:
            ValueError: a box that cannot be used.
        """
        x, y, w, h = (float(value) for value in box)
        self.tracker.init(_bgr(image), (x - self._first_pixel, y - self._first_pixel, w, h))

    def update(self, image: PILImage) -> NDArray[np.float64]:
        """The box (4,) in the next frame; a ValueError if that has another size."""
        x, y, w, h = box_of(self.tracker.update(_bgr(image)))
        return np.array([x + self._first_pixel, y + self._first_pixel, w, h])


def _bgr(image: PILImage) -> Image:
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
