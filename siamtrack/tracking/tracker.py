"""The tracker: `init` and `update` read like section 3.1 of the SiamFC paper (arXiv 1606.09549).

One frame's way: `Target.search_views` says where to look, a `Locator` cuts the crop, has it embedded and correlated by
the `Engine` and reads the response map, and `Target.follow` turns what was seen into the next box. What is looked for is
the exemplar of the first frame, or its `ExemplarMemory`'s blend; `Followed` holds a target and its memory together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from siamtrack.frames import as_bgr
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.evidence import Evidence
from siamtrack.tracking.followed import Followed
from siamtrack.tracking.insight import Insight
from siamtrack.tracking.locators import make_locator
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.scene_cut import SceneCut


class Tracker:
    """Follows one target from the box it is given.

    Use `siamtrack.load` to get one with weights, and `MultiTracker` for many targets in one video.

    Args:
        engine: runs the network.
        config: the tracker's constants.

    Example:
        >>> tracker = siamtrack.load()                              # doctest: +SKIP
        >>> tracker.init(first_frame, (120, 80, 64, 48))            # doctest: +SKIP
        >>> tracker.update(next_frame).box                          # doctest: +SKIP
        Box(x=122.4, y=80.9, w=64.3, h=48.2)
    """

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        self.engine = engine
        self.config = config
        self._locator = make_locator(engine, config)
        self._scene: SceneCut | None = None
        self._followed: Followed | None = None

    def init(self, frame: Any, box: Iterable[float]) -> TrackResult:
        """Learn the target from the first frame. May be called again at any time, for a new target or video.

        Args:
            frame: (H, W, 3) BGR uint8; gray, BGRA and 16-bit frames are converted (`siamtrack.frames`).
            box: `(x, y, w, h)` of the target, 0-based pixels; the part inside the frame is used.

        Returns:
            The box as it is used, with score 1.

        Raises:
            ValueError: a frame or box that cannot be used; the message says why.
        """
        image = as_bgr(frame)
        self._followed = Followed(image, box, self._locator, self.config)
        self._scene = SceneCut(image) if self.config.redetect else None
        return self._followed.target.first

    def update(self, frame: Any) -> TrackResult:
        """Find the target in the next frame.

        Args:
            frame: as for `init`, and of the same size.

        Raises:
            RuntimeError: `init` was not called.
            ValueError: the frame cannot be used, or its size is not that of the first.
        """
        if self._followed is None:
            raise RuntimeError("update() before init(): call init(frame, box) with the first frame and the target's box")
        image = as_bgr(frame)
        views = self._followed.target.search_views(image)
        sightings = self._locator.find([self._followed.memory.exemplar] * len(views), views)
        return self._followed.follow(image, sightings, self._scene is not None and self._scene.is_cut(image))

    @property
    def evidence(self) -> Evidence | None:
        """What the last frame's score was made of; None after `init`, and before."""
        return self._followed.target.evidence if self._followed else None

    @property
    def insight(self) -> Insight:
        """What lay behind the last frame's result: search regions, look-alikes, evidence."""
        return self._followed.target.insight if self._followed else Insight()
