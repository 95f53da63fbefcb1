"""The network of a verifier: one tower embeds both items, a similarity compares the embeddings.

| tower | takes | for |
|---|---|---|
| `AlexNetTower` | pictures (N, 3, S, S), RGB, 0..255 | objects, as the tracker crops them |
| `SmallCNN` | pictures (N, C, S, S), 0..255 | glyphs, signatures, small faces |
| `GRUTower` | sequences (N, T, F) and their lengths (N,) | strokes, tracks |
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from siamtrack.config import build, nearest, to_plain
from siamtrack.errors import WeightsError
from siamtrack.model.backbone import AlexNet
from siamtrack.model.graphs import folded_backbone
from siamtrack.model.tensors import check_state, fill, read_tensors, write_tensors
from siamtrack.model.weights import ASSETS
from siamtrack.models import InputSpec
from siamtrack.verify.header import Metric, TowerSpec, VerifierHeader
from siamtrack.verify.items import VerifierItem, tower_input

SHIPPED = ("verifier",)

EMBEDDED = 64
"""Items that are embedded at a time."""


class AlexNetTower(nn.Module):
    """The tracker's backbone up to conv4, 2 x 2 cells of it, and one linear layer. (N, 3, S, S) to (N, dim).

    On tracks that no network here was trained on (21 of them, 20-way one-shot, no training of this layer), 2 x 2 cells
    of conv4 named 81 % rightly, its mean over all cells 77 %, and conv5, which reads what a correlation needs, 73 %.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.backbone = AlexNet()
        del self.backbone.conv5
        spec = InputSpec()
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False)
        self._folded: list[AlexNet] = []  # set by `fold`; a list keeps it out of the state dict
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.norm = nn.BatchNorm1d(4 * 384)
        self.project = nn.Linear(4 * 384, dim)
        # Distances survive an orthogonal projection best, so that training starts from what the features know.
        nn.init.orthogonal_(self.project.weight)

    def forward(self, image: Tensor) -> Tensor:
        """Embed pictures (N, 3, S, S), RGB, 0..255."""
        features = self._folded[0].features(image) if self._folded else self.backbone.features((image - self.mean) / self.std)
        projected: Tensor = self.project(self.norm(self.pool(features).flatten(1)))
        return projected

    def fold(self) -> None:
        """Prepare for inference: norms folded into convolutions, channels last."""
        folded = folded_backbone(self.backbone, self.mean, self.std)
        self._folded = [folded.to(memory_format=torch.channels_last)]  # type: ignore[call-overload]


class SmallCNN(nn.Module):
    """Four convolutions of 3 x 3, each halving the picture. (N, C, S, S) to (N, dim)."""

    def __init__(self, dim: int, channels: int, width: int) -> None:
        super().__init__()
        widths = [channels, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*layers)
        # Where in the picture a stroke lies matters: 2 x 2 cells are kept apart.
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.project = nn.Linear(4 * widths[-1], dim)

    def forward(self, image: Tensor) -> Tensor:
        """Embed pictures (N, C, S, S), 0..255."""
        projected: Tensor = self.project(self.pool(self.layers(image / 127.5 - 1)).flatten(1))
        return projected


class GRUTower(nn.Module):
    """A bidirectional GRU whose states are averaged over time. (N, T, F) with their lengths to (N, dim)."""

    def __init__(self, dim: int, features: int, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(2 * features, width, batch_first=True, bidirectional=True)
        self.project = nn.Linear(2 * width, dim)

    def forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Embed sequences (N, T, F); rows from `lengths` (N,) on are padding and change nothing."""
        # Where the pen is, and where it goes: a GRU would need a layer to find out the second.
        steps = F.pad(sequence[:, 1:] - sequence[:, :-1], (0, 0, 1, 0))
        rows = torch.cat([sequence, steps], dim=2)
        packed = pack_padded_sequence(rows, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        mean = states.sum(dim=1) / lengths.to(states)[:, None]
        projected: Tensor = self.project(mean)
        return projected


def make_tower(spec: TowerSpec) -> nn.Module:
    """The tower of a specification, with random weights."""
    if spec.kind == "alexnet":
        return AlexNetTower(spec.dim)
    if spec.kind == "cnn":
        return SmallCNN(spec.dim, 1 if spec.gray else 3, spec.width)
    return GRUTower(spec.dim, spec.features, spec.width)


class Similarity(nn.Module):
    """Distances of embeddings; smaller is more similar.

    | name | distance | range |
    |---|---|---|
    | `correlation` | -sum of a * b, the cross-correlation of SiamFC | unbounded |
    | `euclidean` | sqrt(sum of (a - b)^2) | 0 and up; 0..2 between vectors of length 1 |
    | `cosine` | 1 - a . b / (|a| |b|) | 0..2 |
    | `absolute` | sum of w * |a - b|, every w learned, none negative | 0 and up |

    Args:
        name: one of the four.
        dim: numbers of an embedding. The weights of `absolute` start at 1 / dim: the mean absolute difference.
    """

    def __init__(self, name: Metric, dim: int) -> None:
        super().__init__()
        self.name = name
        if name == "absolute":
            # The weights are softplus of this, so that learning cannot make a difference count as likeness.
            self.raw_weight = nn.Parameter(torch.log(torch.expm1(torch.full((dim,), 1.0 / dim))))

    @property
    def weight(self) -> Tensor:
        """(dim,) weights of `absolute`, each above 0."""
        return F.softplus(self.raw_weight)

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (N,) of N pairs of embeddings (N, D); a ValueError if the two differ in shape."""
        _check_shapes(a.shape, b.shape)
        if self.name == "correlation":
            return -(a * b).sum(dim=1)
        if self.name == "cosine":
            return 1 - (F.normalize(a, dim=1) * F.normalize(b, dim=1)).sum(dim=1)
        if self.name == "absolute":
            return ((a - b).abs() * self.weight).sum(dim=1)
        return torch.linalg.vector_norm(a - b, dim=1)  # its gradient is taken as 0 where both are equal

    def distance_matrix(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (N, M) of each of N embeddings (N, D) to each of M (M, D); a ValueError if D differs."""
        _check_shapes(a.shape[1:], b.shape[1:])
        if self.name == "correlation":
            return -(a @ b.T)
        if self.name == "cosine":
            return 1 - F.normalize(a, dim=1) @ F.normalize(b, dim=1).T
        if self.name == "absolute":
            return torch.cdist(a * self.weight, b * self.weight, p=1)
        # |a|^2 + |b|^2 - 2 a.b would be faster and lose half of the digits where it matters: between near embeddings.
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _check_shapes(one: torch.Size, other: torch.Size) -> None:
    if one != other:
        raise ValueError(f"embeddings of one shape can be compared, got {tuple(one)} and {tuple(other)}")


class Siblings(nn.Module):
    """Any module as the shared tower, and a similarity that compares what it makes of two items.

    Args:
        tower: items to embeddings (N, D); called with whatever `embed` is given.
        similarity: compares embeddings.
        normalise: bring embeddings to length 1, so that distances have one range whatever the tower's scale.

    Examples:
        >>> net = Siblings(nn.Linear(8, 4), Similarity("euclidean", 4))
        >>> net(torch.zeros(2, 8), torch.ones(2, 8)).shape
        torch.Size([2])
    """

    def __init__(self, tower: nn.Module, similarity: Similarity, normalise: bool = True) -> None:
        super().__init__()
        self.tower, self.similarity, self.normalise = tower, similarity, normalise
        # A distance becomes a logit for the logistic loss: `sharpness * (midpoint - distance)`.
        self.log_sharpness = nn.Parameter(torch.tensor(1.0))
        self.midpoint = nn.Parameter(torch.tensor(0.0 if similarity.name == "correlation" else 1.0))

    def embed(self, *items: Tensor) -> Tensor:
        """Embeddings (N, D) of a batch, as the tower takes it."""
        embedding: Tensor = self.tower(*items).float()
        return F.normalize(embedding, dim=1) if self.normalise else embedding

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (N,) of N pairs of items; smaller is more similar."""
        return self.similarity.distance(self.embed(a), self.embed(b))

    def logit(self, distance: Tensor) -> Tensor:
        """The larger, the more similar: what the logistic loss learns from."""
        return self.log_sharpness.exp() * (self.midpoint - distance)


def as_batch(inputs: Sequence[NDArray[Any]]) -> tuple[Tensor, ...]:
    """What `Siblings.embed` takes of items as `siamtrack.verify.items.tower_input` gives them.

    Pictures (N, C, S, S) float32; or sequences (N, T, F), padded with zeros, and their lengths (N,).
    """
    if inputs[0].dtype == np.uint8:
        return (torch.from_numpy(np.stack(inputs)).permute(0, 3, 1, 2).float(),)  # channels last already
    rows = [torch.from_numpy(item) for item in inputs]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([len(item) for item in inputs])


@torch.inference_mode()
def embed_items(net: Siblings, items: Sequence[VerifierItem], spec: TowerSpec, device: str | torch.device = "cpu") -> Tensor:
    """Embeddings (N, D), on the CPU, of N items by a network on a device; errors as of `tower_input`."""
    parts = [torch.zeros(0, spec.dim)]
    for at in range(0, len(items), EMBEDDED):
        inputs = as_batch([tower_input(item, spec) for item in items[at : at + EMBEDDED]])
        parts.append(net.embed(*(part.to(device) for part in inputs)).cpu())
    return torch.cat(parts)


@dataclass(frozen=True)
class VerifierWeights:
    """A network in evaluation mode, its header, and the sha256 of their file."""

    net: Siblings
    header: VerifierHeader
    sha256: str


def make_network(header: VerifierHeader) -> Siblings:
    """The network that a header describes, with random weights."""
    return Siblings(make_tower(header.tower), Similarity(header.similarity, header.tower.dim), header.normalise)


def load_verifier(name_or_path: str | Path) -> VerifierWeights:
    """Load a verifier by a shipped name, or from a .safetensors file.

    Raises:
        FileNotFoundError: no such verifier or file.
        WeightsError: corrupt, too large, of another kind, missing or misshapen tensors.
    """
    name = str(name_or_path)
    if name not in SHIPPED and not name.endswith(".safetensors"):
        raise FileNotFoundError(f"no verifier {name!r}; {nearest(name, SHIPPED)} Or give a .safetensors file")
    path = ASSETS / f"{name}.safetensors" if name in SHIPPED else Path(name)
    file = read_tensors(path)
    kind = file.header.get("model") if isinstance(file.header, dict) else None
    if kind != "verifier":
        what = f"a tracker ({kind})" if kind else "not a verifier of this package"
        raise WeightsError(f"{path}: holds {what}; a verifier is made by siamtrack train with a recipe of model: verifier")
    header = build(VerifierHeader, file.header, str(path))
    with torch.device("meta"):  # its shapes, without its numbers: a header may ask for more than there is memory
        shapes = {key: tuple(value.shape) for key, value in make_network(header).state_dict().items()}
    check_state(file.state, shapes, path, f"a verifier with a tower {header.tower.kind}")
    net = make_network(header)
    fill(net, file.state)
    return VerifierWeights(net.eval(), header, file.sha256)


def save_verifier(path: str | Path, net: Siblings, header: VerifierHeader) -> None:
    """Write float16 weights with their header, whole or not at all."""
    write_tensors(Path(path), net.state_dict(), to_plain(header))
