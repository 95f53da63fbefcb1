"""Towers of sibling networks: from one item (a picture, a sequence of numbers) to one embedding vector."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from siamtrack.model.backbone import AlexNet
from siamtrack.model.folding import folded_backbone
from siamtrack.model.siamese import InputSpec

TowerName = Literal["alexnet", "cnn", "gru"]
MIN_ALEXNET_PX = 87


@dataclass(frozen=True)
class TowerSpec:
    """What a tower is, and what it eats. It travels in the weights file.

    Attributes:
        kind: `alexnet` (the tracker's backbone, for colour pictures), `cnn` (for small pictures) or `gru` (for sequences).
        dim: numbers of an embedding.
        size: side in pixels that pictures are brought to; at least 87 for alexnet.
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
        for name in ("dim", "size", "features", "width", "length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if self.kind == "alexnet" and (self.size < MIN_ALEXNET_PX or self.gray):
            raise ValueError(
                f"an alexnet tower takes colour pictures of {MIN_ALEXNET_PX} px or more, not {self.size} px, gray {self.gray}"
            )
        if self.kind == "cnn" and self.size < 16:
            raise ValueError(f"size is {self.size}; a cnn tower takes pictures of 16 px or more")

    @property
    def channels(self) -> int:
        """Channels of a picture."""
        return 1 if self.gray else 3


class AlexNetTower(nn.Module):
    """The tracker's backbone up to conv4, 2 x 2 cells of it, and one linear layer. (N, 3, S, S) RGB to (N, dim).

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
        # Set by `fold`, and not part of the state dict.
        self._folded: list[AlexNet] = []
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
        """Prepare for running alone: norms folded into convolutions, channels last. Training goes on elsewhere."""
        folded = folded_backbone(self.backbone, self.mean, self.std)
        self._folded = [folded.to(memory_format=torch.channels_last)]  # type: ignore[call-overload]


class SmallCNN(nn.Module):
    """Four convolutions of 3 x 3, each halving the picture, for glyphs, signatures, small faces. (N, C, S, S) to (N, dim)."""

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
        return SmallCNN(spec.dim, spec.channels, spec.width)
    return GRUTower(spec.dim, spec.features, spec.width)
