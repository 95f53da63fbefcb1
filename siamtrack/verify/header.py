"""What a verifier's weights file says of itself: its tower, its distance, and what its distances mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from siamtrack.errors import shown

Metric = Literal["correlation", "euclidean", "cosine", "absolute"]
"""How two embeddings are compared; `siamtrack.verify.network.Similarity` has the formulas."""

TowerName = Literal["alexnet", "cnn", "gru"]

MIN_ALEXNET_PX = 87
DEFAULT_FALSE_ACCEPT = 0.01

LIMITS = {"dim": 4096, "size": 1024, "features": 1024, "width": 1024, "length": 65536}
"""The most that a tower may ask for: a weights file from elsewhere must not ask for more than a computer has."""


@dataclass(frozen=True)
class TowerSpec:
    """What a tower is, and what it takes.

    Attributes:
        kind: `alexnet` (the tracker's backbone, for colour pictures), `cnn` (for small pictures) or `gru` (for sequences).
        dim: numbers of an embedding.
        size: side in pixels that pictures are brought to; at least 87 for alexnet, 16 for cnn.
        gray: pictures in one channel; cnn alone.
        features: columns of a sequence; gru alone.
        width: channels of the cnn's first layer, or of the gru's state in each direction.
        length: a longer sequence is thinned to so many rows; gru alone.
    """

    kind: TowerName = "cnn"
    dim: int = 64
    size: int = 48
    gray: bool = False
    features: int = 2
    width: int = 32
    length: int = 256

    def __post_init__(self) -> None:
        for name, most in LIMITS.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {shown(getattr(self, name))}; it must be 1 or more, and {most} at most")
        if self.kind == "alexnet" and (self.size < MIN_ALEXNET_PX or self.gray):
            raise ValueError(
                f"an alexnet tower takes colour pictures of {MIN_ALEXNET_PX} px or more, not {self.size} px, gray {self.gray}"
            )
        if self.kind == "cnn" and self.size < 16:
            raise ValueError(f"size is {self.size}; a cnn tower takes pictures of 16 px or more")


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it lets through, measured on items that were not trained on.

    Attributes:
        false_accept: share of the different pairs at or below the threshold.
        threshold: a distance.
        true_accept: share of the same pairs at or below it.
    """

    MAY_BE_INFINITE: ClassVar[tuple[str, ...]] = ("threshold",)
    """Where nothing is accepted; see `siamtrack.verify.metrics`."""

    false_accept: float
    threshold: float
    true_accept: float


@dataclass(frozen=True)
class VerifierHeader:
    """The header of a weights file.

    Attributes:
        model: always `verifier`.
        tower, similarity, normalise: the network; see `siamtrack.verify.network.Siblings`.
        slope, midpoint: of `siamtrack.verify.metrics.Calibration`.
        operating_points: by falling false-accept rate.
        training: data, recipe, scores; free form, for people.
    """

    model: Literal["verifier"] = "verifier"
    tower: TowerSpec = field(default_factory=TowerSpec)
    similarity: Metric = "euclidean"
    normalise: bool = True
    slope: float = 1.0
    midpoint: float = 1.0
    operating_points: tuple[OperatingPoint, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)

    def threshold_at(self, false_accept: float | None = None) -> OperatingPoint:
        """The operating point whose false-accept rate is nearest to, and not above, the wanted one.

        Args:
            false_accept: the wanted rate; None for 0.01, or the strictest that was measured if that is laxer.

        Raises:
            ValueError: nothing so strict was measured; the message names the strictest.
        """
        if not self.operating_points:
            raise ValueError("these weights state no thresholds: they were saved without held-out pairs to measure them on")
        strictest = min(point.false_accept for point in self.operating_points)
        if false_accept is None:
            false_accept = max(DEFAULT_FALSE_ACCEPT, strictest)
        fitting = [point for point in self.operating_points if point.false_accept <= false_accept]
        if not fitting:
            raise ValueError(
                f"false-accept rate {false_accept:g} is below the strictest that was measured, {strictest:.2g}; "
                f"ask for {strictest:.2g} or more, or train with more held-out items"
            )
        return max(fitting, key=lambda point: point.false_accept)
