"""The light backbone: EfficientNet-lite0's first three stages without padding, its fourth one at the same stride.

A tenth of AlexNet's multiplications, on features that have seen ImageNet. Its embeddings have AlexNet's geometry
to the pixel: an image of S px gives `embedding_size(S)` cells, every 8 px, the first one centred at 43.5 px.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUT_MARGIN = 2
"""Pixels left out at each edge: the receptive field is 83 px wide, AlexNet's 87."""


class Bottleneck(nn.Module):
    """Widen, convolve, narrow: MobileNetV2's inverted bottleneck (arXiv 1801.04381, section 3.3).

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
        self.depthwise = ConvNorm(
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


class ConvNorm(nn.Sequential):
    """A convolution without bias, a batch norm, and what follows them.

    A norm that keeps its statistics is computed as part of the convolution while gradients flow, and both go on learning: its
    own passes over the maps are a quarter of a training step on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) to (N, outputs, h', w')."""
        norm: Any = self[1]
        if not isinstance(norm, nn.BatchNorm2d) or norm.training or not torch.is_grad_enabled():
            plain: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return plain
        convolution: Any = self[0]
        gain = norm.weight * (norm.running_var + norm.eps).rsqrt()  # type: ignore[operator, union-attr]
        weight, bias = convolution.weight * gain[:, None, None, None], norm.bias - norm.running_mean * gain  # type: ignore[operator]
        x = _dilated_by_parts(x, weight, bias) if _has_parts(convolution, x) else convolution._conv_forward(x, weight, bias)
        for layer in list(self)[2:]:
            x = layer(x)
        return x


class LiteNet(nn.Module):
    """Stem and the first eight blocks of EfficientNet-lite0 (arXiv 1905.11946; lite: no squeeze, ReLU6), and one linear layer.

    What the network left out: padding up to stride 8, so that a cell never sees a made-up border there; and the stride of
    the fourth stage, whose later blocks are dilated instead. Those two are padded, because an exemplar has no cells to
    lose; hence an exemplar is embedded inside a search region, and its cells are cut out, as in training.

    Attributes:
        channels: channels of the embedding.
        padded: cells near the edge of an image differ from what they would be further in.
        blocks: names of its blocks, which a recipe may freeze.
    """

    channels = 128
    padded = True
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
        return self.later(self.early(image, 0), 0)

    def early(self, image: Tensor, count: int) -> Tensor:
        """What the first `count` blocks make of images, at most the four before `stage4`."""
        x = cropped(image, INPUT_MARGIN)
        for name in self.blocks[:count]:
            x = getattr(self, name)(x)
        return x

    def later(self, x: Tensor, count: int) -> Tensor:
        """`features` from what the first `count` blocks made."""
        for name in self.blocks[count:4]:
            x = getattr(self, name)(x)
        return torch.cat([cropped(x, 1), self.stage4(x)], dim=1)

    def project(self, features: Tensor) -> Tensor:
        """The embedding of `features`."""
        embedding: Tensor = self.last(features)
        return embedding


def cropped(x: Tensor, margin: int) -> Tensor:
    """Without `margin` rows and columns at each edge."""
    return x[..., margin:-margin, margin:-margin] if margin else x


def _has_parts(convolution: nn.Conv2d, x: Tensor) -> bool:
    """Whether `_dilated_by_parts` computes this convolution."""
    dilated = convolution.dilation == (2, 2) and convolution.padding == (2, 2) and convolution.groups == x.shape[1]
    return dilated and x.shape[2] == x.shape[3] and x.shape[2] % 2 == 0


def _dilated_by_parts(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A padded depthwise 3 x 3 convolution of dilation 2 as one without, on four maps of every other row and column.

    The same sums. PyTorch's backward pass of the dilated one takes three times as long on a CPU.
    """
    n, c, side, _ = x.shape
    half = side // 2
    parts = x.permute(0, 2, 3, 1).reshape(n, half, 2, half, 2, c).permute(0, 2, 4, 1, 3, 5).reshape(4 * n, half, half, c)
    y = F.conv2d(parts.permute(0, 3, 1, 2), weight, bias, padding=1, groups=c).permute(0, 2, 3, 1)
    whole = y.reshape(n, 2, 2, half, half, c).permute(0, 3, 1, 4, 2, 5).reshape(n, side, side, c)
    return whole.permute(0, 3, 1, 2)


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, active: bool = False) -> ConvNorm:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, bias=False), _norm(outputs)]
    return ConvNorm(*layers, *([nn.ReLU6(inplace=True)] if active else []))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
