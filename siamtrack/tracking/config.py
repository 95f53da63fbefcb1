"""The tracker's constants as one frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from siamtrack.outside import finite

LARGEST = 1e6
"""No constant is larger: products of two could be infinite, and their difference no number."""

LIMITS = {
    "window_influence": (0, 1),
    "scale_damping": (0, 1),
    "scale_penalty": (0, 1),
    "scale_step": (1, 2),
    "size_penalty": (0, LARGEST),
    "score_offset": (-LARGEST, LARGEST),
    "tracking_score": (0, 1),
    "redetect_score": (0, 1),
    "redetect_slack": (0, LARGEST),
}
"""Least and largest value of constants that need not be whole."""


@dataclass(frozen=True)
class TrackerConfig:
    """Constants of the tracker. A weights file states its own; a user needs few of them (configs/siamfc-lite.yaml).

    Attributes:
        search_size: side of the search crop in pixels.
        search_sizes: sides to choose from by how fast the target moves, ascending, `search_size` among them; none for
            `search_size` alone.
        window_influence: share of the Hann window in the response, 0..1.
        scale_damping: share of the new scale in the size update, 0..1; for a box it is multiplied by its score.
        update_weight: share of later exemplars in what is looked for, 0 (the first frame alone) to below 1.
        redetect: whether a LOST target is looked for in the whole frame.
        scale_count, scale_step: how many search regions are embedded in a frame (odd), each at another scale, and the ratio of
            neighbours. They and the next three change nothing in `siamfc-lite`, whose box head says how large the target is.
        scale_penalty: factor on the response of every scale but the middle one.
        penalty_from: what that response counts from: the `lowest` of any scale, or `zero`, as in the paper's form.
        peaks: where a peak lies between cells: `parabola` fits one to three cells, `bicubic` upsamples the map 16 times, which
            is as exact and slower.
        size_penalty: how strongly a box that changes scale or shape is doubted (box only); 0: not at all.
        score_weights, score_offset: the log-odds of the score in a frame are the offset plus `weights . (logit, margin,
            quality, shape change)`; experiments/lost/fit_score.py fits them.
        tracking_score, doubt_score: the state becomes TRACKING at the first, and UNCERTAIN below the second.
        lost_score: LOST after three frames in a row that by themselves score below it, and far below the target's mean.
        redetect_score, redetect_slack: LOST no more after three frames in a row with a score of at least the first, whose
            log-odds are at most the second below the target's mean.
    """

    search_size: int = 255
    search_sizes: tuple[int, ...] = ()
    window_influence: float = 0.3
    scale_damping: float = 0.59
    update_weight: float = 0.0
    redetect: bool = True
    scale_count: int = 3
    scale_step: float = 1.0375
    scale_penalty: float = 0.9745
    penalty_from: Literal["lowest", "zero"] = "lowest"
    peaks: Literal["parabola", "bicubic"] = "parabola"
    size_penalty: float = 0.1
    score_weights: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    score_offset: float = 0.0
    tracking_score: float = 0.5
    doubt_score: float = 0.5
    lost_score: float = 0.2
    redetect_score: float = 0.5
    redetect_slack: float = 1.0

    OLD_KEYS: ClassVar[dict[str, str | None]] = {
        "memory_share": "update_weight",
        "refind_score": "redetect_score",
        "refind_slack": "redetect_slack",
        **dict.fromkeys(("exemplar_size", "follow_rivals", "search_side_min", "search_side_max", "lost_frames", "lost_drop")),
        **dict.fromkeys(("refind_frames", "refind_odds", "memory_score", "memory_frames", "memory_looks", "scale_search")),
    }

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            finite(getattr(self, name), name, least, most)
        for weight in self.score_weights:
            finite(weight, "score_weights", -LARGEST, LARGEST)
        if not 1 <= self.scale_count <= 99 or self.scale_count % 2 == 0:
            raise ValueError(
                f"scale_count is {self.scale_count}; it must be odd, so that one scale is the present one, and below 100"
            )
        for size in (self.search_size, *self.search_sizes):
            if size < 159 or size > 511 or (size - 127) % 16:
                raise ValueError(f"search_size is {size}; it must be 127 plus a multiple of 16, from 159 to 511")
        sizes = list(self.search_sizes)
        if sizes and (sizes != sorted(set(sizes)) or self.search_size not in sizes):
            raise ValueError(f"search_sizes {sizes} must rise, and hold search_size {self.search_size}; [] for that one alone")
        if not 0 <= self.lost_score <= self.doubt_score <= self.tracking_score:
            raise ValueError(
                f"lost_score {self.lost_score}, doubt_score {self.doubt_score}, tracking_score {self.tracking_score}: "
                "they must lie in 0..1 and not fall in this order"
            )
        if not 0 <= self.update_weight < 1:  # NaN is not, either
            raise ValueError(f"update_weight is {self.update_weight}; it must be 0 or more, and leave the first frame a share")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Every side that a search crop may have, ascending."""
        return self.search_sizes or (self.search_size,)

    @property
    def scales(self) -> NDArray[np.float64]:
        """(scale_count,) scale factors, ascending, the middle one 1."""
        return self.scale_step ** (np.arange(self.scale_count) - self.scale_count // 2).astype(np.float64)

    @property
    def penalties(self) -> NDArray[np.float32]:
        """(scale_count,) factor on each scale's response."""
        penalties = np.full(self.scale_count, self.scale_penalty, dtype=np.float32)
        penalties[self.scale_count // 2] = 1
        return penalties


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "scale_count": 3,  # one search region for each of 3 scales (SiamFC-3s, section 3.2), ...
        "scale_step": 1.0375,  # ... 1.0375 apart, ...
        "scale_penalty": 0.9745,  # ... of which those that change the size count less, ...
        "penalty_from": "zero",  # ... by their raw responses
        "scale_damping": 0.59,  # share of the new size
        "window_influence": 0.176,  # share of the cosine window
        "peaks": "bicubic",  # the 17 x 17 map upsampled to 272 x 272
        "search_size": 255,  # pixels of the search crop
        "search_sizes": [],  # always that
        "update_weight": 0.0,  # the exemplar of the first frame alone
        "redetect": False,  # never anywhere but around the last place
    }
}
"""Constants by the name of a preset. `paper` is SiamFC as it was published (arXiv 1606.09549), for `siamfc` and weights of
siamfc-pytorch; what the text leaves open has the values of the authors' code and siamfc-pytorch's."""
