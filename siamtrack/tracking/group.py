"""Many targets in one video: every frame goes through the network once, with all their crops in one batch."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import islice
from typing import Any, Generic, TypeVar

from siamtrack.frames import as_bgr
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.followed import Followed
from siamtrack.tracking.locators import make_locator
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.scene_cut import SceneCut

Name = TypeVar("Name", bound=Hashable)


class MultiTracker(Generic[Name]):
    """Follows any number of targets, which come and go at any frame.

    Each target is followed as a `Tracker` of its own would follow it: on a CPU to the last bit; on a GPU sums are in
    another order, and boxes agree as far as float rounding does.

    Args:
        engine: runs the network.
        config: the tracker's constants, the same for all targets.

    Example:
        >>> group = MultiTracker(tracker.engine, tracker.config)        # doctest: +SKIP
        >>> group.add("car", first_frame, (120, 80, 64, 48))            # doctest: +SKIP
        >>> group.update(next_frame)["car"].box                         # doctest: +SKIP
        Box(x=122.4, y=80.9, w=64.3, h=48.2)
    """

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        self.engine = engine
        self.config = config
        self._locator = make_locator(engine, config)
        self._targets: dict[Name, Followed] = {}
        self._scene: SceneCut | None = None

    def add(self, name: Name, frame: Any, box: Iterable[float]) -> TrackResult:
        """Learn a target; one of the same name is replaced.

        Args:
            name: what `update` calls it.
            frame: (H, W, 3) BGR uint8; gray, BGRA and 16-bit frames are converted (`siamtrack.frames`).
            box: `(x, y, w, h)` of the target, 0-based pixels; the part inside the frame is used.

        Returns:
            The box as it is used, with score 1.

        Raises:
            ValueError: a frame or box that cannot be used; the message says why, and the group is as it was.
        """
        image = as_bgr(frame)
        followed = Followed(image, box, self._locator, self.config)
        if not self._targets and self.config.redetect:
            self._scene = SceneCut(image)
        self._targets[name] = followed
        return followed.target.first

    def remove(self, name: Name) -> None:
        """Forget a target.

        Raises:
            KeyError: there is none of that name.
        """
        del self._targets[name]

    def update(self, frame: Any) -> dict[Name, TrackResult]:
        """Find every target in the next frame; nothing is done if there are none.

        Args:
            frame: as for `add`, and of the same size.

        Returns:
            A result a name, in the order in which the names were first added.

        Raises:
            ValueError: the frame cannot be used, or its size is not that of the first; no target has moved.
        """
        image = as_bgr(frame)
        views = {name: followed.target.search_views(image) for name, followed in self._targets.items()}
        looks = [(self._targets[name].memory.exemplar, view) for name, each in views.items() for view in each]
        # One batch for all. Where there is no target, there is nothing to look for.
        seen = iter(self._locator.find(*map(list, zip(*looks, strict=True))) if looks else [])
        cut = self._scene is not None and self._scene.is_cut(image)
        return {
            name: followed.follow(image, list(islice(seen, len(views[name]))), cut) for name, followed in self._targets.items()
        }

    @property
    def names(self) -> list[Name]:
        """The targets' names, in the order in which they were first added."""
        return list(self._targets)

    def __len__(self) -> int:
        return len(self._targets)

    def __contains__(self, name: object) -> bool:
        return name in self._targets
