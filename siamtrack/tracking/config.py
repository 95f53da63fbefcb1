"""The tracker's constants as one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siamtrack.model.backbone import STRIDE


@dataclass(frozen=True)
class TrackerConfig:
    """Constants of the tracker; see configs/siamfc.yaml, which comments every key.

    Attributes:
        exemplar_size, search_size: sides of the two crops in pixels.
        search_sizes: sides to choose from by how fast the target moves, ascending, `search_size` among them; none for
            `search_size` alone.
        scale_search: `exemplar` embeds the exemplar at every scale once, at init, and the search region once a
            frame; `search` is the paper's form, which embeds one search region a scale in every frame; `box` takes
            the size from the box head instead (`siamfc-lite` and `siamfc-box`).
        scale_count, scale_step: number of scales (odd), and the ratio of neighbours.
        scale_penalty: factor on the response of every scale but the middle one.
        scale_damping: share of the new scale in the size update, 0..1; for a box it is multiplied by its score.
        size_penalty: how strongly a box that changes scale or shape is doubted (box only); 0: not at all.
        window_influence: share of the Hann window in the response, 0..1.
        follow_rivals: whether look-alikes near the target are followed, so that none takes its place (box only).
        search_side_min, search_side_max: limits of the search side, as factors of its first value.
        score_weights, score_offset: `score = sigmoid(weights . evidence + offset)`, the weights in the order of `Evidence`;
            fitted by tools/fit_score.py.
        tracking_score, doubt_score: the state becomes TRACKING at the first, and UNCERTAIN below the second.
        lost_score, lost_drop, lost_frames: LOST after so many frames in a row with a score below the first, whose log-odds
            are at least the second below the target's usual ones.
        redetect: whether a LOST target is looked for in the whole frame.
        refind_score, refind_slack, refind_frames: LOST no more after so many frames in a row with a score of at least the
            first, whose log-odds are at most the second below the target's usual ones; TRACKING again after as many with
            `tracking_score`.
        refind_odds: how much likelier (as a ratio of odds) the target must be elsewhere than here to be looked for there.
        memory_share: share of later looks at the target in what is looked for, 0 (the first frame alone) to below 1.
        memory_score, memory_frames, memory_looks: a look is remembered of TRACKING frames with at least this score, one in so
            many frames, and only the last so many.
    """

    exemplar_size: int = 127
    search_size: int = 255
    search_sizes: tuple[int, ...] = ()
    scale_search: Literal["exemplar", "search", "box"] = "exemplar"
    scale_count: int = 3
    scale_step: float = 1.0375
    scale_penalty: float = 0.9745
    scale_damping: float = 0.59
    size_penalty: float = 0.1
    window_influence: float = 0.3
    follow_rivals: bool = False
    search_side_min: float = 0.2
    search_side_max: float = 5.0
    score_weights: tuple[float, float] = (1.0, 0.0)
    score_offset: float = 0.0
    tracking_score: float = 0.5
    doubt_score: float = 0.5
    lost_score: float = 0.2
    lost_frames: int = 3
    lost_drop: float = 2.0
    redetect: bool = True
    refind_score: float = 0.5
    refind_slack: float = 1.0
    refind_frames: int = 3
    refind_odds: float = 10.0
    memory_share: float = 0.0
    memory_score: float = 0.8
    memory_frames: int = 20
    memory_looks: int = 3

    def __post_init__(self) -> None:
        if self.scale_count < 1 or self.scale_count % 2 == 0:
            raise ValueError(f"scale_count is {self.scale_count}; it must be odd, so that one scale is the present one")
        if self.exemplar_size != 127:
            raise ValueError(f"exemplar_size is {self.exemplar_size}; the network's exemplar is 127 px")
        for size in (self.search_size, *self.search_sizes):
            if size < 159 or size > 511 or (size - 127) % 16:
                raise ValueError(f"search_size is {size}; it must be 127 plus a multiple of 16, from 159 to 511")
        sizes = list(self.search_sizes)
        if sizes and (sizes != sorted(set(sizes)) or self.search_size not in sizes):
            raise ValueError(f"search_sizes {sizes} must rise, and hold search_size {self.search_size}; [] for that one alone")
        if self.follow_rivals and self.scale_search != "box":
            raise ValueError(f"follow_rivals needs scale_search box, not {self.scale_search}: a model with a box head")
        if self.scale_step < 1:
            raise ValueError(f"scale_step is {self.scale_step}; it must be 1 or more")
        if self.size_penalty < 0:
            raise ValueError(f"size_penalty is {self.size_penalty}; it must be 0 or more")
        for name in ("scale_penalty", "scale_damping", "window_influence", "tracking_score", "refind_score", "memory_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie in 0..1")
        if not 0 <= self.lost_score <= self.doubt_score <= self.tracking_score:
            raise ValueError(
                f"lost_score {self.lost_score}, doubt_score {self.doubt_score}, tracking_score {self.tracking_score}: "
                "they must lie in 0..1 and not fall in this order"
            )
        for name in ("lost_drop", "refind_slack"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        for name in ("lost_frames", "refind_frames", "refind_odds", "memory_frames", "memory_looks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not 0 <= self.memory_share < 1:
            raise ValueError(f"memory_share is {self.memory_share}; it must be 0 or more, and leave the first frame a share")
        if not 0 < self.search_side_min <= 1 <= self.search_side_max:
            raise ValueError("search_side_min must lie in 0..1 and search_side_max be 1 or more")

    @property
    def response_size(self) -> int:
        """Cells along one side of the response map: 17 for 127 and 255 px."""
        return (self.search_size - self.exemplar_size) // STRIDE + 1

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
