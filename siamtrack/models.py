"""The models by name, and the geometry that they share. Light to import: a command line can name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from siamtrack.outside import finite

ModelName = Literal["siamfc", "siamfc-lite"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)
"""Every model; the package has weights of each."""

HeadName = Literal["correlation", "detail"]
"""What a box head reads: the correlation alone, or what the search region shows at each place, too."""

ARCHITECTURES: dict[str, tuple[ModelName, HeadName]] = {
    **{model: (model, "correlation") for model in MODELS},
    "siamfc-lite-detail": ("siamfc-lite", "detail"),
}
"""Model and head of every network that there are ONNX graphs for, by the name of its files in `assets/`."""

BOX_MODELS: tuple[ModelName, ...] = ("siamfc-lite",)
"""Models whose sizes come from a box head."""

PADDED_MODELS: tuple[ModelName, ...] = ("siamfc-lite",)
"""Models whose cells near the edge of an image differ from what they would be further in."""

DEFAULT_MODEL: ModelName = "siamfc-lite"
"""What is used where nobody says which: the most accurate and the fastest of them."""

EXEMPLAR_SIZE = 127
"""Side of an exemplar in pixels."""

STRIDE = 8
"""Image pixels between neighbouring cells of an embedding, and of a response map."""

CELLS = 6
"""Cells along one side of an exemplar's embedding: `embedding_size(EXEMPLAR_SIZE)`."""


@dataclass(frozen=True)
class InputSpec:
    """What the backbone was trained to see.

    Attributes:
        color_order: order of the three channels that the network expects.
        mean, std: per channel, in that order, on the 0..255 scale: `(pixel - mean) / std` enters the backbone.
    """

    color_order: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        for name, least in (("mean", -1e4), ("std", 1e-3)):
            for value in getattr(self, name):
                finite(value, name, least, 1e4)


def default_input(model: ModelName, color_order: Literal["rgb", "bgr"] = "rgb") -> InputSpec:
    """What an architecture is fed unless its weights say otherwise: EfficientNet-lite has its own scaling."""
    if model == "siamfc-lite":
        return InputSpec(color_order, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
    return InputSpec(color_order)


def embedding_size(image_px: int) -> int:
    """Cells along one side of the embedding of an image of `image_px` pixels: 22 for 255 (arXiv 1606.09549, Table 1)."""
    cells = (image_px - 11) // 2 + 1  # conv1, stride 2
    cells = (cells - 3) // 2 + 1  # pool
    cells = cells - 4  # conv2
    cells = (cells - 3) // 2 + 1  # pool
    return cells - 6  # conv3 to conv5


def response_size(search_px: int) -> int:
    """Cells along one side of the response map of a search crop of `search_px` pixels: 17 for 255."""
    return (search_px - EXEMPLAR_SIZE) // STRIDE + 1
