"""The light backbone: EfficientNet-lite0's first three stages without padding, its fourth one at the same stride.

A tenth of AlexNet's multiplications, on features that have seen ImageNet. Its embeddings have AlexNet's geometry
to the pixel: an image of S px gives `embedding_size(S)` cells, every 8 px, the first one centred at 43.5 px.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

INPUT_MARGIN = 2
"""Pixels left out at each edge: the receptive field is 83 px wide, AlexNet's 87."""


class Bottleneck(nn.Module):
    """Widen, look around, narrow: MobileNetV2's inverted bottleneck (arXiv 1801.04381, section 3.3).

    Args:
        inputs, outputs: channels.
        kernel, stride, dilation: of the depthwise convolution.
        expand: factor of the channels in between; 1 for none.
        padded: keep the cells of the map. Without, the residual path is cropped as the convolution crops.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, expand: int = 6, padded: bool = False
    ) -> None:
        super().__init__()
        wide = inputs * expand
        reach = dilation * (kernel // 2)
        self.expand = _conv_bn(inputs, wide, 1, active=True) if expand > 1 else nn.Identity()
        self.depthwise = nn.Sequential(
            nn.Conv2d(wide, wide, kernel, stride, reach if padded else 0, dilation, groups=wide, bias=False),
            _norm(wide),
            nn.ReLU6(inplace=True),
        )
        self.project = _conv_bn(wide, outputs, 1)
        self.residual = stride == 1 and inputs == outputs
        self.crop = 0 if padded else reach

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) to (N, outputs, h', w')."""
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return out + cropped(x, self.crop) if self.residual else out


class LiteNet(nn.Module):
    """Stem and the first eight blocks of EfficientNet-lite0 (arXiv 1905.11946; lite: no squeeze, ReLU6), and one linear layer.

    What the network left out: padding up to stride 8, so that a cell never sees a made-up border there; and the stride of
    the fourth stage, whose later blocks are dilated instead. Those two are padded, because an exemplar has no cells to
    lose; hence an exemplar is embedded inside a search region, and its cells are cut out, as in training.

    Attributes:
        channels: channels of the embedding.
        padded: cells near the edge of an image differ from what they would be further in.
        dense: much of its time goes into depthwise convolutions, which wait for memory, however few the bits.
        blocks: names of its blocks, which a recipe may freeze.
    """

    channels = 128
    padded = True
    dense = False
    blocks = ("stem", "stage1", "stage2", "stage3", "stage4", "last")

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv_bn(3, 32, 3, stride=2, active=True)
        self.stage1 = nn.Sequential(Bottleneck(32, 16, 3, expand=1))
        self.stage2 = nn.Sequential(Bottleneck(16, 24, 3, stride=2), Bottleneck(24, 24, 3))
        self.stage3 = nn.Sequential(Bottleneck(24, 40, 5, stride=2), Bottleneck(40, 40, 5))
        self.stage4 = nn.Sequential(
            Bottleneck(40, 80, 3),
            Bottleneck(80, 80, 3, dilation=2, padded=True),
            Bottleneck(80, 80, 3, dilation=2, padded=True),
        )
        # The last layer is linear, as AlexNet's is: a correlation of rectified features could never say "unlike".
        self.last = nn.Conv2d(120, self.channels, 1)
        # Lite0's features deviate by 6.5: embeddings that deviate by 1 give a correlation whose logits are of a sane size.
        nn.init.normal_(self.last.weight, std=1 / (6.5 * 120**0.5))
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> Tensor:
        """Embed images (N, 3, H, W) into (N, 128, h, w) with `h = embedding_size(H)`: 22 for 255 px."""
        return self.project(self.features(image))

    def features(self, image: Tensor) -> Tensor:
        """(N, 120, h, w): the third stage's detail beside the fourth's meaning."""
        x = cropped(image, INPUT_MARGIN)
        near = self.stage3(self.stage2(self.stage1(self.stem(x))))
        far = self.stage4(near)
        return torch.cat([cropped(near, 1), far], dim=1)

    def project(self, features: Tensor) -> Tensor:
        """The embedding of `features`."""
        embedding: Tensor = self.last(features)
        return embedding


def cropped(x: Tensor, margin: int) -> Tensor:
    """Without `margin` rows and columns at each edge."""
    return x[..., margin:-margin, margin:-margin] if margin else x


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, active: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, bias=False), _norm(outputs)]
    return nn.Sequential(*layers, *([nn.ReLU6(inplace=True)] if active else []))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
