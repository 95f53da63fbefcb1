"""A recipe that trains a verifier on labelled items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from siamtrack.train.task import Schedule
from siamtrack.verify.header import Metric, TowerSpec, VerifierHeader

BLOCKS = ("conv1", "conv2", "conv3", "conv4")
"""What an alexnet tower has of the tracker's backbone."""


@dataclass(frozen=True)
class ItemAugmentConfig:
    """How much an item changes each time that it is drawn; zero switches a change off.

    Attributes:
        rotate_deg: largest turn, degrees. Pictures, and the first two columns of a sequence.
        scale: largest change of size, fraction: 0.1 draws from 1/1.1 to 1.1.
        aspect: largest change of width to height, the same way. Pictures.
        shift: largest shift, as a share of the picture's side. Pictures.
        flip: probability of a mirror image. Pictures.
        brightness: largest offset, grey levels of 255. contrast: largest change of gain, fraction. Pictures.
        blur: probability of a Gaussian blur of up to 1.5 pixels. Pictures.
        noise: standard deviation as a share of the item's own; every number of it. Pictures and sequences.
    """

    rotate_deg: float = 10.0
    scale: float = 0.1
    aspect: float = 0.1
    shift: float = 0.05
    flip: float = 0.0
    brightness: float = 20.0
    contrast: float = 0.2
    blur: float = 0.1
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0 or (name in ("flip", "blur") and value > 1):
                wanted = "lie in 0..1" if name in ("flip", "blur") else "be 0 or more"
                raise ValueError(f"{name} is {value}; it must {wanted}")


@dataclass(frozen=True)
class VerifierRecipe(Schedule):
    """See configs/train_verifier.yaml, which comments every key."""

    model: Literal["verifier"] = "verifier"
    tower: TowerSpec = field(default_factory=TowerSpec)
    similarity: Metric = "euclidean"
    normalise: bool = True
    loss: Literal["contrastive", "triplet", "logistic"] = "contrastive"
    margin: float = 1.0
    mining: Literal["batch_hard", "semi_hard"] = "batch_hard"
    items_per_class: int = 4
    holdout: float = 0.2
    init: str = ""
    frozen: tuple[str, ...] = ()
    augment: ItemAugmentConfig = field(default_factory=ItemAugmentConfig)
    optimizer: Literal["sgd", "adamw"] = "adamw"
    lr: float = 1e-3
    schedule: Literal["exponential", "cosine"] = "cosine"
    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.margin <= 0:
            raise ValueError(f"margin is {self.margin}; it must be positive")
        if self.loss == "contrastive" and self.similarity == "correlation":
            raise ValueError("contrastive needs distances from 0 up, a correlation has none; take another similarity or loss")
        if self.items_per_class < 2:
            raise ValueError(f"items_per_class is {self.items_per_class}; a class needs two items to make a pair")
        if not 0 < self.holdout < 1:
            raise ValueError(f"holdout is {self.holdout}; it must lie between 0 and 1: thresholds are measured on it")
        if self.accumulate != 1:
            raise ValueError("accumulate must be 1: a verifier's loss compares the items of one batch with each other")
        if self.tower.kind != "alexnet" and (self.init or self.frozen):
            raise ValueError("init and frozen are for the tower alexnet, which takes its backbone from a tracker")
        for name in self.frozen:
            if name not in BLOCKS:
                raise ValueError(f"frozen names {name!r}; the backbone's blocks are {', '.join(BLOCKS)}")

    def header(self) -> VerifierHeader:
        """The header of the network that is trained, without thresholds."""
        return VerifierHeader(tower=self.tower, similarity=self.similarity, normalise=self.normalise)
