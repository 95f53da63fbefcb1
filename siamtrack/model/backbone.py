"""The AlexNet-style backbone of SiamFC (arXiv 1606.09549, Table 1): no padding anywhere, total stride 8."""

from __future__ import annotations

from torch import Tensor, nn


class AlexNet(nn.Module):
    """Five convolutions, 96-256-384-384-256 channels, groups of two in the 2nd, 4th and 5th; 2.3 M parameters.

    Without padding the network is fully convolutional in the strict sense: the embedding of a sub-window
    that lies on the stride-8 grid is the same sub-window of the embedding. The exemplar's embedding can
    therefore be cut out of a search region's, which is what training does.

    Attributes:
        channels: channels of the embedding.
        padded: no cell's value depends on where the image ends.
        blocks: names of its blocks, which a recipe may freeze.
    """

    channels = 256
    padded = False
    blocks = ("conv1", "conv2", "conv3", "conv4", "conv5")

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(*_block(3, 96, 11, stride=2), nn.MaxPool2d(3, 2))
        self.conv2 = nn.Sequential(*_block(96, 256, 5, groups=2), nn.MaxPool2d(3, 2))
        self.conv3 = nn.Sequential(*_block(256, 384, 3))
        self.conv4 = nn.Sequential(*_block(384, 384, 3, groups=2))
        # The last layer is linear: a correlation of rectified features could never say "unlike".
        self.conv5 = nn.Sequential(nn.Conv2d(384, self.channels, 3, groups=2))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Embed images (N, 3, H, W) of 87 px or more into (N, 256, h, w), `h = embedding_size(H)`: 6 for 127 px, 22 for 255."""
        return self.project(self.features(image))

    def features(self, image: Tensor) -> Tensor:
        """Rectified output of conv4, (N, 384, h + 2, w + 2): what the linear last layer reads."""
        features: Tensor = self.conv4(self.conv3(self.conv2(self.conv1(image))))
        return features

    def project(self, features: Tensor) -> Tensor:
        """The embedding of `features`."""
        embedding: Tensor = self.conv5(features)
        return embedding


def _block(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, groups=groups),
        nn.BatchNorm2d(outputs, eps=1e-6, momentum=0.05),
        nn.ReLU(inplace=True),
    ]
