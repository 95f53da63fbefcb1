"""Weights of a verifier: tower, similarity, and what its distances mean, in one safetensors file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from siamtrack.config import build, nearest, to_plain
from siamtrack.errors import WeightsError
from siamtrack.model.siblings import Siblings
from siamtrack.model.similarity import SimilarityName, make_similarity
from siamtrack.model.tensors import fill, read_tensors, write_tensors
from siamtrack.model.towers import TowerSpec, make_tower
from siamtrack.model.weights import ASSETS

SHIPPED = ("verifier",)
USUAL_FALSE_ACCEPT = 0.01


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it lets through, measured on items that were not trained on.

    Attributes:
        false_accept: share of the different pairs at or below the threshold.
        threshold: a distance.
        true_accept: share of the same pairs at or below it.
    """

    false_accept: float
    threshold: float
    true_accept: float


@dataclass(frozen=True)
class VerifierHeader:
    """What a verifier's file says about itself.

    Attributes:
        model: always `verifier`.
        tower, similarity, normalise: the network; see `Siblings`.
        slope, midpoint: `1 / (1 + exp(slope * (distance - midpoint)))` is the probability that two items are the
            same, where as many pairs are the same as are not.
        operating_points: by falling false-accept rate.
        training: data, recipe, scores; free form, for people.
    """

    model: Literal["verifier"] = "verifier"
    tower: TowerSpec = field(default_factory=TowerSpec)
    similarity: SimilarityName = "euclidean"
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
            false_accept = max(USUAL_FALSE_ACCEPT, strictest)
        fitting = [point for point in self.operating_points if point.false_accept <= false_accept]
        if not fitting:
            raise ValueError(
                f"false-accept rate {false_accept:g} is below the strictest that was measured, {strictest:.2g}; "
                f"ask for {strictest:.2g} or more, or train with more held-out items"
            )
        return max(fitting, key=lambda point: point.false_accept)


@dataclass(frozen=True)
class VerifierWeights:
    """A network in evaluation mode, its header, and the sha256 of their file."""

    net: Siblings
    header: VerifierHeader
    sha256: str


def make_network(header: VerifierHeader) -> Siblings:
    """The network that a header describes, with random weights."""
    return Siblings(make_tower(header.tower), make_similarity(header.similarity, header.tower.dim), header.normalise)


def load_verifier(name_or_path: str | Path) -> VerifierWeights:
    """Load a verifier by a shipped name, or from a .safetensors file.

    Raises:
        FileNotFoundError: no such verifier or file.
        WeightsError: corrupt, too large, of another kind, missing or misshapen tensors.
    """
    path = _find(str(name_or_path))
    file = read_tensors(path)
    kind = file.header.get("model") if isinstance(file.header, dict) else None
    if kind != "verifier":
        what = f"a tracker ({kind})" if kind else "not a verifier of this package"
        raise WeightsError(f"{path}: holds {what}; a verifier is made by siamtrack train with a recipe of model: verifier")
    header = build(VerifierHeader, file.header, str(path))
    net = make_network(header)
    fill(net, file.state, path, f"a verifier with a tower {header.tower.kind}")
    return VerifierWeights(net.eval(), header, file.sha256)


def save_verifier(path: str | Path, net: Siblings, header: VerifierHeader) -> None:
    """Write float16 weights with their header, whole or not at all."""
    write_tensors(Path(path), net.state_dict(), to_plain(header))


def _find(name: str) -> Path:
    if name in SHIPPED:
        return ASSETS / f"{name}.safetensors"
    if not name.endswith(".safetensors"):
        raise FileNotFoundError(f"no verifier {name!r}; {nearest(name, SHIPPED)} Or give a .safetensors file")
    return Path(name)
