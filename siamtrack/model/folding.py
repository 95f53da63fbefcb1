"""The backbone as a plain chain of convolutions, for running and not for training."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from siamtrack.model.backbone import AlexNet


def folded_backbone(backbone: AlexNet, mean: Tensor, std: Tensor) -> nn.Sequential:
    """`(pixel - mean) / std` folded into conv1, every batch norm into its convolution; the backbone is left as it is.

    Exact because nothing pads: a padded border would be zeros of the scaled image, not of the pixels.

    Args:
        backbone: in evaluation mode; its last blocks may be missing.
        mean, std: (1, 3, 1, 1) of the pixels.

    Returns:
        (N, 3, H, W) in 0..255 to the embedding of the last block that is there.
    """
    backbone = copy.deepcopy(backbone).requires_grad_(False)
    first: Any = backbone.conv1[0]
    first.bias.data -= (first.weight * (mean / std)).sum(dim=(1, 2, 3))
    first.weight.data /= std
    layers: list[nn.Module] = []
    for block in backbone.children():
        modules: list[Any] = list(block.children())
        if len(modules) > 1 and isinstance(modules[1], nn.BatchNorm2d):
            modules[:2] = [fuse_conv_bn_eval(modules[0], modules[1])]
        layers.extend(modules)
    return nn.Sequential(*layers)
