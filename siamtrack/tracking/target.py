"""One target from frame to frame: where it is, how large it is, and its state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from siamtrack.boxes import Box, check_box, clip_box, from_center
from siamtrack.errors import WeightsError
from siamtrack.frames import Image
from siamtrack.models import EXEMPLAR_SIZE
from siamtrack.tracking.confidence import Confidence, log_odds
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color
from siamtrack.tracking.decode import Candidate
from siamtrack.tracking.network import NOT_FINITE, Exemplar, Network
from siamtrack.tracking.redetection import TILE_ODDS, Redetection
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.state import Phase, next_phase
from siamtrack.tracking.template import Template, embed

MIN_TRACKED_PX = 2.0
"""Shortest side that a tracked box may shrink to, frame pixels."""

SIDE_LIMITS = (0.2, 5.0)
"""Smallest and largest side of the search region, as factors of its first value."""

STEPS = 3
"""Frames whose steps say how fast a target moves."""

ROOM_PX = 12.0
"""Room around the target, in pixels of the crop, that every search region leaves to one that stood still."""


class Target:
    """One tracked target: where it is, how large, and its state.

    Args:
        image: (H, W, 3) BGR uint8, the first frame.
        box: `(x, y, w, h)` of the target, 0-based pixels; the part inside the frame is used.
        config: the tracker's constants. network: embeds its exemplars.

    Attributes:
        first: the result of the first frame. center_xy, size_wh: where and how large it is, frame pixels.
        pad_color: of crops that reach out of the frame. template: what is looked for. regions: where it was searched for last.
        candidate: what was seen in the last frame; None after the first.

    Raises:
        ValueError: a box that cannot be used; the message says why.
        WeightsError: the network's answer is not finite.
    """

    def __init__(self, image: Image, box: Iterable[float], config: TrackerConfig, network: Network) -> None:
        self._config, self._network, self._sizes = config, network, config.sizes
        self.frame_wh = (image.shape[1], image.shape[0])
        self.first = TrackResult(check_box(box, self.frame_wh), 1.0, State.TRACKING)
        self.center_xy, self.size_wh = self.first.box.center_xy, self.first.box.size_wh
        self.pad_color = mean_color(image)
        first = self._exemplar(image, config.search_size)
        if not first.is_finite:
            raise WeightsError(f"the network's answer to the first frame is not finite; {NOT_FINITE}")
        self.template = Template(first, config.update_weight)
        self.regions: list[SearchRegion] = []
        self.candidate: Candidate | None = None
        self._confidence, self._phase = Confidence(config, self.size_wh[0] / self.size_wh[1]), Phase()
        self._redetection: Redetection | None = None
        self._last_sure = (self.center_xy, self.size_wh)
        self._steps_px = (0.0,) * STEPS
        low, high = SIDE_LIMITS
        self._side_limits = (self._search_side * low, self._search_side * high)

    @property
    def _search_side(self) -> float:
        """Side of the search region in frame pixels: to the exemplar's square what 255 px are to 127."""
        return context_side(self.size_wh) * self._config.search_size / EXEMPLAR_SIZE

    def search_regions(self) -> list[SearchRegion]:
        """Where to search in the next frame: around the target, and while it is LOST at a tile of the frame.

        Nothing changes before `follow`: where the network fails, the same regions are searched in the frame after.
        """
        size = self._search_size()
        here = SearchRegion(self.center_xy, self._search_side * size / self._config.search_size, size)
        return self._tile_search.regions(here) if self._tile_search else [here]

    @property
    def _tile_search(self) -> Redetection | None:
        """What searches the frame's tiles; not while the target may have been found: the next frames go to that."""
        return self._redetection if not self._phase.confirming_frames else None

    def _search_size(self) -> int:
        """Side of the next search crop: the smallest that leaves room for `ROOM_PX`, and the target's last steps twice."""
        sizes = self._sizes
        if self._phase.state is State.LOST:  # what else it takes is left to the tiles, if there are any
            return sizes[0] if self._redetection is not None else sizes[-1]
        wanted = EXEMPLAR_SIZE + 2 * (ROOM_PX + 2 * max(self._steps_px))
        return next((size for size in sizes if size >= wanted), sizes[-1])

    def follow(self, regions: list[SearchRegion], candidates: Sequence[Candidate]) -> Candidate:
        """Go where the target was seen: around it, unless what is seen in a tile confirms it, and is far likelier.

        A target with distractors scores low where it is, and they score high where they are: without the second condition
        the box goes from one runner to the next.

        Args:
            regions: `search_regions`. candidates: what was seen in each of them.
        """
        self.regions = regions
        if self._tile_search:
            self._tile_search.searched()
        chosen, *elsewhere = candidates
        logit = self._confidence.logit
        needed = max(self._confidence.redetect_logit, logit(chosen) + math.log(TILE_ODDS))
        for candidate in elsewhere:
            if logit(candidate) >= needed and self._redetection is not None:
                chosen, self._redetection.left_place = candidate, True
                break
        (x, y), (width, height) = chosen.center_xy, self.frame_wh
        before, self.center_xy = self.center_xy, (min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height)))
        step = math.dist(before, self.center_xy) * EXEMPLAR_SIZE / context_side(self.size_wh)
        self._steps_px = (*self._steps_px[1:], step)
        self.candidate = chosen
        return chosen

    def judge(self, candidate: Candidate, cut: bool) -> TrackResult:
        """Score and state of the candidate that was followed; its size is taken over while the target is not LOST.

        Args:
            candidate: what `follow` chose. cut: whether a new shot began with this frame.
        """
        confidence, redetection = self._confidence, self._redetection
        logit, was = confidence.logit(candidate), self._phase.state
        left = redetection is not None and redetection.left_place
        if was is State.LOST:  # a new shot brings back only what is surely seen, and where it was lost
            cut = cut and redetection is not None and not left and logit >= confidence.redetect_logit
        confirms = logit >= (confidence.redetect_logit if left else confidence.stay_logit)
        in_place = redetection is None or redetection.in_place
        score = confidence.score(logit, afresh=cut or was is State.LOST)
        missing = confidence.is_missing(logit, cut)
        self._phase = next_phase(self._phase, score, self._config, missing, cut, confirms, in_place)
        if not (self._config.redetect and State.LOST in (was, self._phase.state)):
            self._resize(candidate.scale_wh)
        self._remember(was, logit, cut)
        return TrackResult(self._box(), score, self._phase.state)

    def update_template(self, image: Image, result: TrackResult) -> None:
        """Learn what the target looks like in this frame if it is surely there and it is time."""
        if self.template.count_frame(result):
            # As little around it as there is in the smallest search crop: it costs less.
            later = self._exemplar(image, self._sizes[0])
            if later.is_finite:  # what is not could not be found again, and the target has moved already
                self.template.update(later)

    def _exemplar(self, image: Image, search_size: int) -> Exemplar:
        return embed(self._network, image, self.center_xy, self.size_wh, self.pad_color, search_size)

    def _remember(self, was: State, logit: float, cut: bool) -> None:
        """Keep the last sure place and size; while the target is LOST, look for what was seen then, from there on."""
        state = self._phase.state
        if state is not State.LOST and not self._phase.missing_frames:
            self._confidence.note(logit)
        if state is State.TRACKING:
            self._last_sure = (self.center_xy, self.size_wh)
        if state is not State.LOST:
            self._redetection = None
        elif was is not State.LOST and self._config.redetect:
            last_xy, self.size_wh = self._last_sure
            reach = context_side(self.size_wh) * (self._sizes[-1] / EXEMPLAR_SIZE - 1)
            self._redetection = Redetection(last_xy, self.frame_wh, reach, self._sizes, cut)
        elif self._redetection is not None:
            self._redetection.note(sign=logit >= log_odds(self._config.lost_score))

    def _resize(self, scale_wh: tuple[float, float]) -> None:
        """Grow or shrink the target, within the limits of the search side."""
        (width, height), (wider, higher) = self.size_wh, scale_wh
        # A side that shrinks to nothing would never grow again: its box head sees no target in it.
        self.size_wh = (max(width * wider, MIN_TRACKED_PX), max(height * higher, MIN_TRACKED_PX))
        low, high = self._side_limits
        side = self._search_side
        factor = min(max(side, low), high) / side
        self.size_wh = (self.size_wh[0] * factor, self.size_wh[1] * factor)

    def _box(self) -> Box:
        """The target's box, clipped to the frame; never thinner than a pixel or so, even at the very edge."""
        box = clip_box(from_center(self.center_xy, self.size_wh), self.frame_wh)
        width, height = self.frame_wh
        w, h = max(box.w, min(1.0, width)), max(box.h, min(1.0, height))
        return Box(min(box.x, width - w), min(box.y, height - h), w, h)
