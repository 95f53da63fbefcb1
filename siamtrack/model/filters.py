"""A first layer that already sees edges: Gabor filters in place of random ones.

Small data teaches the first layer slowly: after 1,000 steps the learned part of the 11 x 11 filters was nothing but
soft blobs of colour, and cutting off every frequency above three half-waves changed no loss. Edges need not be learned.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from siamtrack.model.backbone import AlexNet

WAVELENGTHS_PX = (4.0, 6.0, 9.0)
CUTOFF = 4.0


def gabor_filters(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Oriented edges and bars in random order.

    Args:
        count: filters wanted. size: their side in pixels.
        generator: for orientation, phase and colour.

    Returns:
        (count, 3, size, size) float32, each without mean and of unit norm; three of four see brightness, the rest
        an opposition of colours.
    """
    line = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    angle = torch.rand(count, generator=generator) * math.pi
    # Edges and bars in turns: a quarter of a period apart, at the same place.
    phase = torch.arange(count) % 2 * math.pi / 2
    wavelength = torch.tensor(WAVELENGTHS_PX)[torch.arange(count) % len(WAVELENGTHS_PX)]
    along = x * angle.cos()[:, None, None] + y * angle.sin()[:, None, None]
    envelope = torch.exp(-(x.square() + y.square()) / (2 * (0.4 * wavelength.clamp(min=5))[:, None, None] ** 2))
    wave = envelope * torch.cos(2 * math.pi * along / wavelength[:, None, None] + phase[:, None, None])
    color = torch.ones(count, 3)
    opposed = torch.arange(count) % 4 == 3
    color[opposed] = torch.randn(int(opposed.sum()), 3, generator=generator)
    color[opposed] -= color[opposed].mean(dim=1, keepdim=True)
    bank = color[:, :, None, None] * wave[:, None]
    bank = bank - bank.mean(dim=(2, 3), keepdim=True)
    return bank / bank.flatten(1).norm(dim=1)[:, None, None, None]


@torch.no_grad()
def plant_edges(backbone: AlexNet, share: float, generator: torch.Generator) -> None:
    """Replace the filters of the first layer that the second one listens to least, and smooth the others.

    Args:
        backbone: changed in place. Each group of the second layer gets the same number of new filters; it starts
            deaf to them when the rest is kept, so a trained network goes on from where it was.
        share: of the filters, 0..1; 1 for a network that was not trained.
        generator: for the filters.
    """
    conv1: Any = backbone.conv1[0]
    norm1: Any = backbone.conv1[1]
    conv2: Any = backbone.conv2[0]
    scale = conv1.weight.flatten(1).norm(dim=1).median()
    conv1.weight.copy_(_low_pass(conv1.weight, CUTOFF))
    groups = conv2.groups
    inputs = conv1.out_channels // groups
    heard = (
        conv2.weight.view(groups, -1, inputs, *conv2.kernel_size).square().sum(dim=(1, 3, 4))
        * norm1.weight.view(groups, inputs).square()
    )
    count = round(share * inputs)
    for group in range(groups):
        weakest = heard[group].argsort()[:count]
        channel = weakest + group * inputs
        conv1.weight[channel] = scale * gabor_filters(count, conv1.kernel_size[0], generator)
        conv1.bias[channel] = 0
        norm1.weight[channel], norm1.bias[channel] = 1.0, 0.0
        if share < 1:
            conv2.weight.view(groups, -1, inputs, *conv2.kernel_size)[group, :, weakest] *= 0.1


def _low_pass(filters: Tensor, cutoff: float) -> Tensor:
    """Filters without the frequencies above `cutoff` half-waves a side."""
    size = filters.shape[-1]
    k = torch.arange(size, dtype=filters.dtype)
    basis = torch.cos(math.pi * k[:, None] * (2 * k[None] + 1) / (2 * size)) * math.sqrt(2 / size)
    basis[0] /= math.sqrt(2)
    keep = (k[:, None].square() + k[None].square() <= cutoff**2).to(filters.dtype)
    return basis.T @ ((basis @ filters @ basis.T) * keep) @ basis
