"""What the tracker asks of a network: its two branches, arrays in and arrays out. Each of `siamtrack.backends` is one."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.frames import Image
from siamtrack.models import BOX_MODELS, PADDED_MODELS, ModelName
from siamtrack.tracking.crop import SearchRegion

Floats = NDArray[np.float32]

NOT_FINITE = "its weights are damaged, or too large for the precision; try precision='float32', or other weights"


class Exemplar(NamedTuple):
    """What is looked for.

    Attributes:
        embedding: (C, 6, 6).
        kernel: (c, 4, 4), what the box head keeps of it; None where there is no such head.
        size_wh: (2,), size of the target in the exemplar crop, pixels.
    """

    embedding: Floats
    kernel: Floats | None
    size_wh: Floats

    @property
    def is_finite(self) -> bool:
        """Whether it is made of numbers, and of none too large to be multiplied."""
        return _is_finite(self.embedding) and (self.kernel is None or _is_finite(self.kernel))


class BoxMaps(NamedTuple):
    """What a box head says of every cell of a response map.

    Attributes:
        target: (n, n) logits, "the target's middle is here". quality: (n, n) logits of the overlap of this cell's box.
        distances: (4, n, n) from the cell's centre to the left, top, right and lower side, pixels of the search crop.
    """

    target: Floats
    quality: Floats
    distances: Floats


class Response(NamedTuple):
    """What the network says of one search region.

    Attributes:
        response: (n, n) logits of SiamFC's correlation. boxes: of the box head, if there is one.
    """

    response: Floats
    boxes: BoxMaps | None

    @classmethod
    def of(cls, maps: Sequence[Floats]) -> Response:
        """From the network's outputs of one item, in their order."""
        response, *boxes = maps
        return cls(response, BoxMaps(*boxes) if boxes else None)


class Search(NamedTuple):
    """One search in a frame: where, and for what. `pad_color` (blue, green, red) is the colour outside of the frame."""

    region: SearchRegion
    pad_color: tuple[float, float, float]
    exemplar: Exemplar


class Network(ABC):
    """A Siamese network on some device. On a CPU, each search comes out as it would alone, to the last bit.

    Attributes:
        name: of the backend. model: of the architecture. device, precision: where and in what it computes.
        padded: whether cells near the edge of an image differ from what they would be further in: an exemplar is then
            embedded inside a crop as large as a search region's.
        has_boxes: whether there is a box head.
        network_s: seconds spent in the network so far; on CUDA its crops are part of that. network_calls: in so many calls.
    """

    name: str

    def __init__(self, model: ModelName, device: str, precision: str) -> None:
        self.model, self.device, self.precision = model, device, precision
        self.padded, self.has_boxes = model in PADDED_MODELS, model in BOX_MODELS
        self.network_s, self.network_calls = 0.0, 0

    @abstractmethod
    def embed_exemplar(self, crop: Image) -> tuple[Floats, Floats | None]:
        """The embedding (C, 6, 6) and the box head's kernel (c, 4, 4) of an exemplar crop (S, S, 3) BGR uint8."""

    @abstractmethod
    def respond(self, image: Image, searches: Sequence[Search]) -> list[Response]:
        """Crop each search region out of a frame (H, W, 3), embed it, correlate it with its exemplar."""

    @contextmanager
    def _clocked(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.network_s += time.perf_counter() - started
        self.network_calls += 1


def _is_finite(values: Floats) -> bool:
    return math.isfinite(np.add.reduce(values, axis=None))  # a quarter of the time of `isfinite(values).all()`
