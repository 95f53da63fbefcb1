"""The backbone with its scalings and norms folded into its convolutions, for running and not for training."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Module = TypeVar("Module", bound=nn.Module)


def folded_norms(module: Module) -> Module:
    """A copy, in evaluation mode, in which every batch norm behind a convolution is part of it."""
    module = copy.deepcopy(module).eval().requires_grad_(False)
    for chain in [part for part in module.modules() if isinstance(part, nn.Sequential)]:
        for i in range(len(chain) - 1):
            if isinstance(chain[i], nn.Conv2d) and isinstance(chain[i + 1], nn.BatchNorm2d):
                convolution: Any = chain[i]
                norm: Any = chain[i + 1]
                chain[i], chain[i + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return module


def folded_backbone(backbone: Module, mean: Tensor, std: Tensor, reverse: bool = False) -> Module:
    """`(pixel - mean) / std` folded into the first convolution, every norm into its own; the backbone is left as it is.

    Exact because nothing pads the image: a padded border would be zeros of the scaled image, not of the pixels.

    Args:
        backbone: its last blocks may be missing.
        mean, std: (1, 3, 1, 1) of the pixels, in the order that the backbone was trained with.
        reverse: let it take the channels in the opposite order.

    Returns:
        A copy that takes pixels in 0..255.
    """
    backbone = folded_norms(backbone)
    first: Any = next(part for part in backbone.modules() if isinstance(part, nn.Conv2d))
    first.bias.data -= (first.weight * (mean / std)).sum(dim=(1, 2, 3))
    first.weight.data /= std
    if reverse:
        first.weight.data = first.weight.data.flip(1)
    return backbone
