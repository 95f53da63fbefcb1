"""One target on its way through a video: where it is, how large, and how a sighting changes that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from siamtrack.boxes import Box, check_box, clip_box, from_center
from siamtrack.frames import Image
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import context_side, mean_color
from siamtrack.tracking.evidence import Evidence
from siamtrack.tracking.insight import Insight
from siamtrack.tracking.locator import Sighting, View
from siamtrack.tracking.lost_search import LostSearch
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.rivals import Rivals
from siamtrack.tracking.state import Phase, next_phase

MIN_TRACKED_PX = 2.0
"""Shortest side that a tracked box may shrink to, frame pixels."""

STEPS = 3
"""Frames whose steps say how fast a target moves."""

USUAL_SHARE = 0.05
"""Share of each frame in the running mean of a target's log-odds."""

ROOM_PX = 12.0
"""Room around the target, in pixels of the crop, that every search region leaves to one that stood still."""


class Target:
    """The state of one tracked target; pure arithmetic, no network.

    Args:
        image: (H, W, 3) BGR uint8, the first frame.
        box: `(x, y, w, h)` of the target, 0-based pixels; the part inside the frame is used.
        config: the tracker's constants.

    Attributes:
        first: what is said of the first frame. evidence: what the last frame's score was made of; None after the first.

    Raises:
        ValueError: a box that cannot be used; the message says why.
    """

    def __init__(self, image: Image, box: Iterable[float], config: TrackerConfig) -> None:
        self.config = config
        self.frame_wh = (image.shape[1], image.shape[0])
        self.first = TrackResult(check_box(box, self.frame_wh), 1.0, State.TRACKING)
        self._center_xy, self._size_wh = self.first.box.center_xy, self.first.box.size_wh
        self._fill = mean_color(image)
        self.evidence: Evidence | None = None
        self._phase = Phase()
        self._frames, self._usual = 0, 0.0
        self._steps_px = (0.0,) * STEPS
        self._last = (self._center_xy, self._size_wh)
        self._search: LostSearch | None = None
        self._rivals = Rivals()
        self._regions: tuple[Box, ...] = ()
        side = self.search_side
        self._side_limits = (side * config.search_side_min, side * config.search_side_max)

    @property
    def search_side(self) -> float:
        """Side of the search region in frame pixels: to the exemplar's square what 255 px are to 127."""
        return context_side(self._size_wh) * self.config.search_size / self.config.exemplar_size

    @property
    def insight(self) -> Insight:
        """What lay behind the last result."""
        (x, y), extent = self._center_xy, self._extent
        rivals = [
            from_center((x + dx * extent, y + dy * extent), self._size_wh)
            for dx, dy in (rival.offset_xy for rival in self._rivals.known)
        ]
        return Insight(self._regions, tuple(rivals), self.evidence)

    @property
    def _extent(self) -> float:
        """Side of the square of the target's area, frame pixels."""
        return math.sqrt(self._size_wh[0] * self._size_wh[1])

    def exemplar_view(self, image: Image) -> View:
        """The exemplar's square, around the target as it is in this frame."""
        return View(image, self._center_xy, self._size_wh, context_side(self._size_wh), self._fill)

    def look_view(self, image: Image) -> View:
        """The same for a later look, with as little around it as there is in the smallest search crop: it costs less."""
        return replace(self.exemplar_view(image), size=self.config.sizes[0])

    def search_views(self, image: Image) -> list[View]:
        """Where to look in the next frame: around the target, and while it is LOST at tiles of the frame.

        Raises:
            ValueError: the frame's size is not that of the first.
        """
        if (image.shape[1], image.shape[0]) != self.frame_wh:
            width, height = self.frame_wh
            raise ValueError(
                f"frame is {image.shape[1]}x{image.shape[0]}, the first one was {width}x{height}; "
                "a track needs frames of one size: call init() again after a change"
            )
        size = self._next_search_size()
        side = self.search_side * size / self.config.search_size
        here = View(image, self._center_xy, self._size_wh, side, self._fill, self.config.window_influence, size)
        # No tile while a find is on trial: the next frames go to seeing whether it holds.
        views = [here] if self._search is None or self._phase.high else self._search.views(here)
        self._regions = tuple(from_center(view.center_xy, (view.side, view.side)) for view in views)
        return views

    def _next_search_size(self) -> int:
        """Side of the next search crop: the smallest that leaves room for `ROOM_PX`, and the target's last steps twice."""
        sizes = self.config.sizes
        if self._phase.state is State.LOST:  # what else it takes is left to the search in the whole frame, if there is one
            return sizes[0] if self._search is not None else sizes[-1]
        wanted = self.config.exemplar_size + 2 * (ROOM_PX + 2 * max(self._steps_px))
        return next((size for size in sizes if size >= wanted), sizes[-1])

    def follow(self, sightings: Sequence[Sighting], cut: bool = False) -> TrackResult:
        """Go where the target was seen.

        Args:
            sightings: one for each of `search_views`, in their order.
            cut: whether a new shot began with this frame.
        """
        sighting = self._choice(sightings)
        if cut or self._search is not None:
            self._rivals = Rivals()  # those that were known may be anywhere by now
        elif self.config.follow_rivals:
            sighting = self._rivals.follow(sighting, self._extent)
        self._move(sighting)
        self.evidence, logit = Evidence(sighting.value, sighting.gap), self._logit(sighting)
        score = _sigmoid(logit)
        was, convincing = self._phase.state, logit >= self._believable
        fallen = logit < self._usual - self.config.lost_drop
        if was is State.LOST:  # a new shot brings back only what is surely seen, and where it was lost
            cut = cut and self._search is not None and not self._search.left and logit >= self._convincing
        in_place = self._search is None or self._search.in_place
        self._phase = next_phase(self._phase, score, self.config, fallen, cut, convincing, in_place)
        if not (self.config.redetect and State.LOST in (was, self._phase.state)):
            self._resize(sighting)
        self._remember(was, logit, cut)
        return TrackResult(self._box(), score, self._phase.state)

    def _choice(self, sightings: Sequence[Sighting]) -> Sighting:
        """What is seen here, unless what is seen elsewhere convinces, and is far likelier.

        A target that others resemble scores low where it is, and they score high where they are: on Bolt (val), without
        the second condition, the box went from one runner to the next.
        """
        here, *elsewhere = sightings
        enough = max(self._convincing, self._logit(here) + math.log(self.config.refind_odds))
        found = next((sighting for sighting in elsewhere if self._logit(sighting) >= enough), None)
        if found is not None and self._search is not None:
            self._search.left = True
        return found or here

    @property
    def _convincing(self) -> float:
        """Log-odds at which a lost target may be claimed again: nearly as good as it looked before.

        Targets differ in how well they match their exemplar, each for itself from beginning to end: one threshold for all
        never finds the worst again, and takes anything for the best.
        """
        return max(_logit(self.config.refind_score), self._usual - self.config.refind_slack)

    @property
    def _believable(self) -> float:
        """Log-odds at which a lost target is believed to be seen; where it was lost a doubt will do: it may have changed."""
        if self._search is not None and self._search.left:
            return self._convincing
        doubtful = _logit((self.config.lost_score + self.config.tracking_score) / 2)
        return min(doubtful, self._usual - self.config.refind_slack)

    def _remember(self, was: State, logit: float, cut: bool) -> None:
        """Keep the last sure sight of the target; while it is lost, look for what was seen then, from there on."""
        if self._phase.state is not State.LOST and not self._phase.low:
            self._frames += 1
            self._usual += (logit - self._usual) * max(1 / self._frames, USUAL_SHARE)
        if self._phase.state is State.TRACKING:
            self._last = (self._center_xy, self._size_wh)
        if self._phase.state is not State.LOST:
            self._search = None
        elif was is not State.LOST and self.config.redetect:
            last_xy, self._size_wh = self._last
            reach = context_side(self._size_wh) * (self.config.sizes[-1] / self.config.exemplar_size - 1)
            self._search = LostSearch(last_xy, self.frame_wh, reach, self.config.sizes, cut)
        elif self._search is not None:
            self._search.note(sign=logit >= _logit(self.config.lost_score))

    def _move(self, sighting: Sighting) -> None:
        """The centre goes where the target was seen, but not out of the frame."""
        (x, y), (width, height) = sighting.center_xy, self.frame_wh
        before, self._center_xy = self._center_xy, (min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height)))
        step = math.dist(before, self._center_xy) * self.config.exemplar_size / context_side(self._size_wh)
        self._steps_px = (*self._steps_px[1:], step)

    def _resize(self, sighting: Sighting) -> None:
        """Grow or shrink the target, within the limits of the search side (0.2 to 5 times its first value)."""
        (width, height), (wider, higher) = self._size_wh, sighting.growth_wh
        # A side that shrinks to nothing would never grow again: its box head sees no target in it.
        self._size_wh = (max(width * wider, MIN_TRACKED_PX), max(height * higher, MIN_TRACKED_PX))
        low, high = self._side_limits
        side = self.search_side
        factor = min(max(side, low), high) / side
        self._size_wh = (self._size_wh[0] * factor, self._size_wh[1] * factor)

    def _box(self) -> Box:
        """The target's box, clipped to the frame; never thinner than a pixel or so, even at the very edge."""
        box = clip_box(from_center(self._center_xy, self._size_wh), self.frame_wh)
        width, height = self.frame_wh
        w, h = max(box.w, min(1.0, width)), max(box.h, min(1.0, height))
        return Box(min(box.x, width - w), min(box.y, height - h), w, h)

    def _logit(self, sighting: Sighting) -> float:
        """Log-odds of the score: that the box overlaps the target by more than one half, as far as the response can tell."""
        of_value, of_gap = self.config.score_weights
        return of_value * sighting.value + of_gap * sighting.gap + self.config.score_offset


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-min(max(logit, -50.0), 50.0)))


def _logit(probability: float) -> float:
    """Log-odds; of 0 and 1, infinite."""
    if probability in (0, 1):
        return math.inf if probability else -math.inf
    return math.log(probability / (1 - probability))
