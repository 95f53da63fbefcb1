"""A training recipe: everything that decides what a run computes, as one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from siamtrack.model.backbone import AlexNet
from siamtrack.model.lite import LiteNet
from siamtrack.models import ARCHITECTURES, HeadName, ModelName
from siamtrack.train.augment import AugmentConfig
from siamtrack.train.task import Schedule

Precision = Literal["auto", "float32", "bfloat16", "float16"]

Negatives = Literal["next", "hardest"]
"""Where the box head learns to find nothing: a view of the next target of the batch, or of the one most alike."""


@dataclass(frozen=True)
class SourceConfig:
    """One source of training crops.

    Attributes:
        path: a folder of sequences, or a .tar of stills beside its .tsv; relative to the data root.
        weight: share of the targets of a batch that come from it, relative to the other sources.
        exclude: patterns of track names that are left out, such as `AUTO_*`; each must match something. `@FILE` stands
            for the lines of a file, whose path is relative to the recipe's folder.
        kind: layout of the source, as `siamtrack data check` names it; auto recognises what lies there. `masks`: a .tar of
            images beside a .jsonl of masks, from which pairs are made, see `siamtrack.train.synthesis`.
    """

    path: str
    weight: float = 1.0
    exclude: tuple[str, ...] = ()
    kind: str = "auto"


@dataclass(frozen=True)
class ValidationConfig:
    """Sequences that are tracked now and then, to keep the weights that track best.

    Attributes:
        path: a folder of labelled sequences, relative to the data root; never one that is trained on.
        frames: only so many first frames of each; 0 for all.
        only: names of sequences; none means all.
    """

    path: str
    frames: int = 100
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe(Schedule):
    """See configs/train_*.yaml, which comment the keys that they use."""

    OLD_KEYS: ClassVar[dict[str, str | None]] = {
        "strangers": "negatives",
        "edge_filters": None,
        "triplet_weight": None,
        "triplet_margin": None,
        "teacher_weight": None,
        "teacher_until": None,
    }

    sources: tuple[SourceConfig, ...] = ()
    model: ModelName = "siamfc"
    init: str = ""
    frozen: tuple[str, ...] = ()
    frozen_norms: bool = False
    backbone_norms: Literal["batch", "kept"] = "batch"
    head: HeadName = "correlation"
    search_size: int = 239
    search_size_start: int = 239
    search_size_order: Literal["growing", "mixed"] = "growing"
    min_gap: int = 0
    max_gap: int = 100
    color_order: Literal["rgb", "bgr"] = "rgb"
    precision: Precision = "auto"
    radius_px: float = 16.0
    softmax_weight: float = 0.0
    box_weight: float = 1.0
    negatives: Negatives = "next"
    soft_teacher: str = ""
    soft_teachers: tuple[str, ...] = ()
    validation: ValidationConfig | None = None
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.radius_px <= 0:
            raise ValueError(f"radius_px is {self.radius_px}; it must be positive")
        if (self.model, self.head) not in ARCHITECTURES.values():
            raise ValueError(f"head is {self.head}, which a {self.model} has not; leave it out")
        blocks = (LiteNet if self.model == "siamfc-lite" else AlexNet).blocks
        for name in self.frozen:
            if name not in blocks:
                raise ValueError(f"frozen names {name!r}; the backbone's blocks are {', '.join(blocks)}")
        for name in ("search_size", "search_size_start"):
            size = getattr(self, name)
            if size < 159 or size > 255 or (size - 127) % 16:
                raise ValueError(f"{name} is {size}; it must be 127 plus a multiple of 16, from 159 to 255")

    def sizes(self) -> list[int]:
        """Search size of every step: grows from start to end in steps of 16 px, so that early epochs are cheap, or is drawn."""
        span = (self.search_size - self.search_size_start) // 16
        if self.search_size_order == "mixed":
            drawn = np.random.default_rng(self.seed).integers(span + 1, size=self.steps)
            return [int(size) for size in self.search_size_start + 16 * drawn]
        return [self.search_size_start + 16 * min(span, step * (span + 1) // self.steps) for step in range(self.steps)]
