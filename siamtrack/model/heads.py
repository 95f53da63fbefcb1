"""Heads: from the similarity of two embeddings to the response that the loss and the tracker read."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from siamtrack.model.correlation import cross_correlation, cross_correlation_all, depthwise_correlation

KERNEL_CELLS = 4
"""Cells along one side of the box head's kernel: the exemplar's 6, less what a 3 x 3 convolution takes."""


class CorrelationHead(nn.Module):
    """Cross-correlation with a learned scale and bias, so that the logistic loss sees logits of a sane size.

    Source: arXiv 1606.09549, section 2.2 (the scalar `b` of equation 1). A raw correlation sums
    6 x 6 x 256 products; the scale starts at 1e-3 to bring that near 1.

    The parameter is a gain on that 1e-3, not the scale itself: one step of a usual learning rate would
    otherwise double the scale or turn it negative (plain SGD at 1e-2 was seen to reach a loss of 38).
    """

    unit_scale = 1e-3

    def __init__(self) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(0.0))

    @property
    def scale(self) -> Tensor:
        """The factor on the correlation, a scalar."""
        return self.gain * self.unit_scale

    def forward(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """Response logits (N, H', W') of exemplars (N, C, h, w), each over its search embedding (N, C, H, W)."""
        return self.scale * cross_correlation(exemplar, search) + self.bias

    def all_pairs(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """Response logits (N, M, H', W') of every exemplar (M, C, h, w) over every search embedding (N, C, H, W)."""
        return self.scale * cross_correlation_all(exemplar, search) + self.bias


class HeadMaps(NamedTuple):
    """What the box head says of every cell of the response map.

    Attributes:
        target: (N, n, n) logits, "the target's middle is here".
        quality: (N, n, n) logits of the overlap that this cell's box has with the target's.
        distances: (N, 4, n, n) from the cell's centre to the left, top, right and lower side, pixels of the search crop.
    """

    target: Tensor
    quality: Tensor
    distances: Tensor


class BoxHead(nn.Module):
    """Anchor-free boxes on top of the correlation: class, distances to the four sides, quality.

    After SiamFC++ (arXiv 1911.06188, section 3.2), with two changes. The class is a *correction* of SiamFC's own
    response, so the head starts as good at finding as the correlation is. And the distances are *relative to the
    exemplar's box*, `half the exemplar's side * exp(output)`: with its last layer at zero the head repeats the shape
    that the user drew, and learns only how shapes change.

    Args:
        channels: of the embeddings.
        width: channels inside the head. Each is convolved by itself before they are mixed, a tenth of the work of a full
            convolution (arXiv 1704.04861).
        detail: give the towers the search region's own features too, see `Detail`. A depthwise correlation sums over
            4 x 4 cells, in which the sides of a target blur.
    """

    def __init__(self, channels: int, width: int = 96, detail: bool = False) -> None:
        super().__init__()
        self.exemplar_adjust = _adjust(channels, 2 * width)
        self.search_adjust = _adjust(channels, 2 * width)
        self.correlation_norm = nn.BatchNorm2d(2 * width)
        self.detail = Detail(2 * width, width) if detail else None
        read = 3 * width if detail else 2 * width
        self.class_tower = _tower(read, width)
        self.box_tower = _tower(read, width)
        self.to_class = nn.Conv2d(width, 2, 1)  # correction of the response, quality
        self.to_distances = nn.Conv2d(width, 4, 1)
        for layer in (self.to_class, self.to_distances):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def kernel(self, exemplar: Tensor) -> Tensor:
        """(N, 2 width, 4, 4) of exemplar embeddings (N, C, 6, 6): once for a track."""
        kernel: Tensor = self.exemplar_adjust(exemplar)
        return kernel

    def features(self, search: Tensor) -> Tensor:
        """(N, 2 width, H - 2, W - 2) of search embeddings (N, C, H, W)."""
        features: Tensor = self.search_adjust(search)
        return features

    def forward(
        self,
        kernel: Tensor,
        features: Tensor,
        response: Tensor,
        exemplar_wh: Tensor,
        correlate: Callable[[Tensor, Tensor], Tensor] = depthwise_correlation,
    ) -> HeadMaps:
        """Boxes of N pairs.

        Args:
            kernel: (N, 2 width, 4, 4). features: (N, 2 width, H - 2, W - 2).
            response: (N, n, n) logits of `CorrelationHead` for the same pairs.
            exemplar_wh: (N, 2) size of the target in the exemplar crop, pixels.
            correlate: computes `depthwise_correlation`.
        """
        matched: Tensor = self.correlation_norm(correlate(kernel, features))
        if self.detail is not None:
            matched = torch.cat([matched, self.detail(kernel, features)], dim=1)
        correction, quality = self.to_class(self.class_tower(matched)).unbind(dim=1)
        # Beyond e^3 lies no target that a search region could show; a bound keeps the first steps finite.
        factors = self.to_distances(self.box_tower(matched)).float().clamp(-3, 3).exp()
        half = exemplar_wh.repeat(1, 2)[:, :, None, None] / 2
        return HeadMaps(response + correction.float(), quality.float(), half * factors)


class Detail(nn.Module):
    """What lies at each place of the search region, in the light of the exemplar: where a target's sides are.

    The likeness of each of the exemplar's cells to each of the search region's (pixel-wise correlation: arXiv 2012.06815,
    section 3.2; arXiv 2112.07957, section 3), beside the search region's features, whose channels the exemplar amplifies
    or silences (arXiv 2503.00516, section 3.2).

    Args:
        channels: of kernel and features. width: of what comes out.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        cells = KERNEL_CELLS**2
        self.gate = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)  # type: ignore[arg-type]
        self.likeness_norm = nn.BatchNorm2d(cells)
        self.mix = nn.Sequential(
            nn.Conv2d(channels + cells, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        # From the embedding's cells to the response's, which lie half a cell beside them: hence an even kernel.
        self.gather = nn.Sequential(
            nn.Conv2d(width, width, KERNEL_CELLS, groups=width, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )

    def forward(self, kernel: Tensor, features: Tensor) -> Tensor:
        """(N, width, H - 3, W - 3) of kernels (N, C, 4, 4) and features (N, C, H, W)."""
        gate = 1 + self.gate(kernel.mean(dim=(2, 3), keepdim=True))
        likeness = (kernel.flatten(2).transpose(1, 2) @ features.flatten(2)).unflatten(2, features.shape[2:])
        seen = torch.cat([features * gate, self.likeness_norm(likeness)], dim=1)
        detail: Tensor = self.gather(self.mix(seen))
        return detail


def _adjust(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
    )


def _tower(inputs: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    # Padded: the map must keep its 17 x 17 cells. Padding of features matters less than padding of images.
    for _ in range(2):  # two depth-wise rounds, for the price of a fifth of one full convolution
        layers += [nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), nn.BatchNorm2d(width)]
        layers += [nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
