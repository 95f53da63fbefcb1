"""The tracker: section 3.1 of the SiamFC paper (arXiv 1606.09549), for one target or many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic

from siamtrack.boxes import Box, from_center
from siamtrack.frames import Image, as_bgr
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.decode import Candidate, Decoder
from siamtrack.tracking.network import Network, Response, Search
from siamtrack.tracking.result import Name, TargetResults, TrackResult
from siamtrack.tracking.scene_cut import SceneCut
from siamtrack.tracking.target import Target


@dataclass(frozen=True)
class FrameDetails:
    """What made a result: for people who want to see why.

    Attributes:
        regions: where the target was searched for, frame pixels: around it, then at a tile while it is LOST.
        candidate: what was seen and made the score; None in the first frame.
    """

    regions: tuple[Box, ...] = ()
    candidate: Candidate | None = None


class MultiTracker(Generic[Name]):
    """Follows any number of targets in one video, which come and go at any frame.

    Use `siamtrack.load_multi` to get one with weights. Each target is followed as a `Tracker` of its own would follow it: on a
    CPU to the last bit; on a GPU sums are in another order, and boxes agree as far as float rounding does.

    Args:
        backend: runs the network. config: the tracker's constants, the same for all targets.

    Examples:
        >>> group = siamtrack.load_multi()                              # doctest: +SKIP
        >>> group.add("car", first_frame, (120, 80, 64, 48))            # doctest: +SKIP
        >>> group.add("bus", first_frame, (300, 60, 90, 70))            # doctest: +SKIP
        >>> group.update(next_frame)["car"].box                         # doctest: +SKIP
        Box(x=122.4, y=80.9, w=64.3, h=48.2)
        >>> group.remove("bus")                                         # doctest: +SKIP
    """

    def __init__(self, backend: Network, config: TrackerConfig) -> None:
        self.backend, self.config = backend, config
        self._decoder = Decoder(config, backend.has_boxes)
        self._targets: dict[Name, Target] = {}
        self._ids: dict[Name, int] = {}
        self._added = 0
        self._scene: SceneCut | None = None

    def add(self, name: Name, frame: Any, box: Iterable[float]) -> TrackResult:
        """Learn a target; one of the same name is replaced.

        Args:
            name: what `update` calls it.
            frame: (H, W, 3) BGR uint8; gray, BGRA and 16-bit frames are converted (`siamtrack.frames`).
            box: `(x, y, w, h)` of the target, 0-based pixels; the part inside the frame is used, and returned with score 1.

        Raises:
            ValueError: a frame or box that cannot be used; the message says why, and the group is as it was.
        """
        image = as_bgr(frame)
        target = Target(image, box, self.config, self.backend)
        if not self._targets and self.config.redetect:
            self._scene = SceneCut(image)
        self._targets[name] = target
        if name not in self._ids:
            self._added += 1
            self._ids[name] = self._added
        return target.first

    def remove(self, name: Name) -> None:
        """Forget a target; a KeyError if there is none of that name."""
        del self._targets[name], self._ids[name]

    def update(self, frame: Any) -> TargetResults[Name]:
        """Find every target in the next frame; nothing is done if there are none.

        Args:
            frame: as for `add`, and of the same size.

        Returns:
            A result a name, in the order in which the names were first added. As detections they have ids: 1 for the first
            target that was ever added, and so on.

        Raises:
            ValueError: the frame cannot be used, or its size is not that of the first; no target has moved.
            WeightsError: the network's answer is not finite; no target has moved.
        """
        image = as_bgr(frame)
        targets = list(self._targets.values())
        _check_size(image, targets)
        # 1. Search regions: around each target, and while it is LOST at a tile of the frame.
        regions = [target.search_regions() for target in targets]

        # 2. Crops, and 3. the network: all of them at once. A GPU cuts its crops by itself.
        searches = [
            Search(crop, target.pad_color, target.template.exemplar)
            for target, searched in zip(targets, regions, strict=True)
            for region in searched
            for crop in self._decoder.crops(region)
        ]
        responses = iter(self.backend.respond(image, searches) if searches else [])

        # 4. Decode: one candidate a region. Up to here no target has changed, so a network that fails leaves all as they were.
        candidates = [self._decode(target, searched, responses) for target, searched in zip(targets, regions, strict=True)]

        cut = self._scene is not None and self._scene.is_cut(image)
        results: dict[Name, TrackResult] = {}
        for (name, target), searched, seen in zip(self._targets.items(), regions, candidates, strict=True):
            # 5. Target: where it went.
            candidate = target.follow(searched, seen)
            # 6. State: how sure that is, how large the target is now, and whether it updates its template.
            results[name] = target.judge(candidate, cut)
            target.update_template(image, results[name])
        return TargetResults(results, list(self._ids.values()))

    def _decode(self, target: Target, regions: list[SearchRegion], responses: Iterator[Response]) -> list[Candidate]:
        """A candidate for each region of a target, of the next responses."""
        # A tile, the second region, may hold the target anywhere: no window there.
        influences = [self.config.window_influence, 0.0]
        return [
            self._decoder.decode(region, [next(responses) for _ in self._decoder.crops(region)], target.size_wh, influence)
            for region, influence in zip(regions, influences, strict=False)
        ]

    @property
    def names(self) -> list[Name]:
        """The targets' names, in the order in which they were first added."""
        return list(self._targets)

    def details(self, name: Name) -> FrameDetails:
        """What made a target's last result; a KeyError if there is none of that name."""
        target = self._targets[name]
        boxes = [from_center(region.center_xy, (region.side, region.side)) for region in target.regions]
        return FrameDetails(tuple(boxes), target.candidate)

    def __len__(self) -> int:
        return len(self._targets)

    def __contains__(self, name: object) -> bool:
        return name in self._targets


class Tracker:
    """Follows one target from the box it is given: a `MultiTracker` of one.

    Use `siamtrack.load` to get one with weights. It may be pickled, and used after a fork; on CUDA it belongs to the process
    that loaded it, and a fork's child is told so. One tracker is for one thread at a time; several may share a backend.

    Args:
        backend: runs the network. config: the tracker's constants.

    Examples:
        >>> tracker = siamtrack.load()                              # doctest: +SKIP
        >>> tracker.init(first_frame, (120, 80, 64, 48))            # doctest: +SKIP
        >>> tracker.update(next_frame).box                          # doctest: +SKIP
        Box(x=122.4, y=80.9, w=64.3, h=48.2)
    """

    def __init__(self, backend: Network, config: TrackerConfig) -> None:
        self._one: MultiTracker[None] = MultiTracker(backend, config)

    @property
    def backend(self) -> Network:
        """What runs the network."""
        return self._one.backend

    engine = backend
    """The name that `backend` had."""

    @property
    def config(self) -> TrackerConfig:
        """The tracker's constants."""
        return self._one.config

    def init(self, frame: Any, box: Iterable[float]) -> TrackResult:
        """Learn the target from the first frame. May be called again at any time, for a new target or video.

        Args:
            frame: (H, W, 3) BGR uint8; gray, BGRA and 16-bit frames are converted (`siamtrack.frames`).
            box: `(x, y, w, h)` of the target, 0-based pixels; the part inside the frame is used, and returned with score 1.

        Raises:
            ValueError: a frame or box that cannot be used; the message says why.
        """
        fresh: MultiTracker[None] = MultiTracker(self.backend, self.config)
        result = fresh.add(None, frame, box)
        self._one = fresh
        return result

    def update(self, frame: Any) -> TrackResult:
        """Find the target in the next frame: its box, how sure that is, and the state.

        Args:
            frame: as for `init`, and of the same size.

        Raises:
            RuntimeError: `init` was not called.
            ValueError: the frame cannot be used, or its size is not that of the first; the target has not moved.
            WeightsError: the network's answer is not finite; the target has not moved.
        """
        if not self._one:
            raise RuntimeError("update() before init(): call init(frame, box) with the first frame and the target's box")
        return self._one.update(frame)[None]

    @property
    def details(self) -> FrameDetails:
        """What made the last result."""
        return self._one.details(None) if self._one else FrameDetails()


def _check_size(image: Image, targets: list[Target]) -> None:
    """Raise if a frame has another size than the targets' first one."""
    for target in targets:
        if (image.shape[1], image.shape[0]) != target.frame_wh:
            width, height = target.frame_wh
            raise ValueError(
                f"frame is {image.shape[1]}x{image.shape[0]}, the first one was {width}x{height}; "
                "a track needs frames of one size; begin a new one with a box in the first frame of the new size"
            )
