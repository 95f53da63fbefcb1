"""Peers' networks whose maps are in the open, and the tracking of SiamRPN around them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.backends.onnx import Session, open_graph
from siamtrack.boxes import Box
from siamtrack.config import nearest
from siamtrack.errors import SiamtrackError
from siamtrack.eval.peers import onnx_file
from siamtrack.frames import Image
from siamtrack.model.tensors import MAX_BYTES
from siamtrack.system import read_file
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color


class PeerMaps(NamedTuple):
    """What a peer's network says of a search region.

    Attributes:
        score: (n, n) probability that the target's middle is here.
        corners: (4, n, n) x1, y1, x2, y2 of the box that each cell proposes, pixels of the search crop from its middle.
    """

    score: NDArray[np.float32]
    corners: NDArray[np.float32]


class PeerNetwork(ABC):
    """A peer's network: two ONNX graphs. Args: the folder of their files, or the one above it.

    Attributes:
        exemplar_size, search_size: sides of its crops, pixels.
        constants: window influence, size penalty and size damping that go with it.
    """

    exemplar_size, search_size = 127, 255
    constants: ClassVar[tuple[float, float, float]]
    _title: ClassVar[str]
    _folder: ClassVar[str]
    _files: ClassVar[tuple[str, str]] = ("backbone.onnx", "head.onnx")
    _stride = 16

    def __init__(self, onnx_dir: str | Path) -> None:
        needs = f"{self._title} needs its {' and '.join(self._files)} in one folder"
        self._first, self._second = (self._open(onnx_file(Path(onnx_dir), self._folder, name, needs)) for name in self._files)

    def _open(self, path: str) -> Session:
        return open_graph(read_file(Path(path), MAX_BYTES), {}, max(1, cv2.getNumThreads()))

    def exemplar_sides(self, size_wh: tuple[float, float]) -> tuple[float, float]:
        """Width and height in the frame of the exemplar crop of a target of that size."""
        side = context_side(size_wh)
        return side, side

    def search_sides(self, size_wh: tuple[float, float]) -> tuple[float, float]:
        """Width and height in the frame of the search crop."""
        side = context_side(size_wh) * self.search_size / self.exemplar_size
        return side, side

    @abstractmethod
    def learn(self, exemplar: Image) -> NDArray[np.float32]:
        """Embedding of an exemplar crop, (exemplar size, exemplar size, 3) BGR."""

    @abstractmethod
    def find(self, template: NDArray[np.float32], search: Image) -> PeerMaps:
        """Look for what `learn` returned in a search crop, (search size, search size, 3) BGR."""

    def _maps(self, score: NDArray[np.float32], sides: NDArray[np.float32]) -> PeerMaps:
        """Maps of (n, n) probabilities and (4, n, n) distances to the left, top, right and lower side of each cell's box."""
        line = self._stride * (np.arange(score.shape[0], dtype=np.float32) - score.shape[0] // 2)
        across, down = line[None, :], line[:, None]
        return PeerMaps(score, np.stack([across - sides[0], down - sides[1], across + sides[2], down + sides[3]]))


class NanoTrackV3(PeerNetwork):
    """NanoTrackV3: embeddings of 96 channels, maps of 15 x 15 cells."""

    constants = (0.455, 0.138, 0.348)
    _title, _folder = "NanoTrackV3", "nanotrackv3"

    def learn(self, exemplar: Image) -> NDArray[np.float32]:
        """(1, 96, 8, 8)."""
        (embedding,) = self._first({"input": _planes(exemplar)})
        return embedding

    def find(self, template: NDArray[np.float32], search: Image) -> PeerMaps:
        """See the base."""
        logits, sides = self._second({"input1": template, "input2": self.learn(search)})
        return self._maps(1 / (1 + np.exp(logits[0, 0] - logits[0, 1])), sides[0])


class NanoTrackV2(NanoTrackV3):
    """NanoTrackV2, the network of OpenCV's TrackerNano, in the same form: 48 channels, maps of 16 x 16 cells."""

    constants = (0.455, 0.055, 0.37)
    _title, _folder = "NanoTrackV2", "nanotrack"

    def _open(self, path: str) -> Session:
        """By OpenCV: ONNX Runtime holds this backbone to the 255 px that its file states."""
        net = cv2.dnn.readNetFromONNX(path)
        outputs = sorted(net.getUnconnectedOutLayersNames())

        def run(inputs: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
            for name, value in inputs.items():
                net.setInput(value, name)
            return [np.asarray(output, np.float32) for output in net.forward(outputs)]

        return run


class FearXS(PeerNetwork):
    """FEAR-XS, whose crops are not square in the frame: maps of 16 x 16 cells."""

    exemplar_size, search_size = 128, 256
    constants = (0.38, 0.062, 0.765)
    _title, _folder, _files = "FEAR-XS", "fear_xs", ("init.onnx", "track.onnx")

    def exemplar_sides(self, size_wh: tuple[float, float]) -> tuple[float, float]:
        """The box with a fifth of its own sides around it."""
        return _with_margin(size_wh, 0.2)

    def search_sides(self, size_wh: tuple[float, float]) -> tuple[float, float]:
        """Five times the box."""
        return _with_margin(size_wh, 2.0)

    def learn(self, exemplar: Image) -> NDArray[np.float32]:
        """(1, 256, 8, 8)."""
        (template,) = self._first({"image_raw": _planes(exemplar[..., ::-1])})
        return template

    def find(self, template: NDArray[np.float32], search: Image) -> PeerMaps:
        """See the base."""
        sides, logits = self._second({"image_raw": _planes(search[..., ::-1]), "template_features": template})
        return self._maps(1 / (1 + np.exp(-logits[0, 0])), sides[0])


PEER_NETWORKS: dict[str, Callable[[str | Path], PeerNetwork]] = {
    "nanotrackv2": NanoTrackV2,
    "nanotrackv3": NanoTrackV3,
    "fear_xs": FearXS,
}
"""Peers whose maps are in the open, by name."""

_MIN_SIDE = 10.0
"""No box gets smaller, as in the peers' own code."""


class OnnxTracker:
    """A peer's network with the tracking of SiamRPN (Li et al., CVPR 2018, section 4.3): window, size penalty, damping.

    Args:
        name: a key of `PEER_NETWORKS`. onnx_dir: folder of its files, or the folder above it.

    Attributes:
        score: the network's own word on the chosen cell of the last frame.

    Raises:
        SiamtrackError: no such peer, or its files are missing.
    """

    def __init__(self, name: str, onnx_dir: str | Path | None = None) -> None:
        if name not in PEER_NETWORKS:
            raise SiamtrackError(f"no ONNX tracker {name!r}; {nearest(name, PEER_NETWORKS)}")
        self.network = PEER_NETWORKS[name](onnx_dir or ".")
        self.score = 1.0

    def init(self, frame: Image, box: Iterable[float]) -> None:
        """Embed the target."""
        x, y, w, h = (float(value) for value in box)
        self._center, self._size = (x + w / 2, y + h / 2), (w, h)
        self._pad_color = mean_color(frame)
        size = self.network.exemplar_size
        self._template = self.network.learn(
            stretched_crop(frame, self._center, self.network.exemplar_sides(self._size), size, self._pad_color)
        )

    def update(self, frame: Image) -> Box:
        """The box of the next frame, within it."""
        network, (influence, size_penalty, damping) = self.network, self.network.constants
        sides, size = network.search_sides(self._size), network.search_size
        maps = network.find(self._template, stretched_crop(frame, self._center, sides, size, self._pad_color))
        step_x, step_y = sides[0] / size, sides[1] / size
        present_wh = self._size[0] / step_x, self._size[1] / step_y
        x1, y1, x2, y2 = maps.corners
        penalty = _size_penalty(np.maximum(x2 - x1, 1e-3), np.maximum(y2 - y1, 1e-3), present_wh, size_penalty)
        hann = np.hanning(len(maps.score))
        chosen = np.argmax((1 - influence) * penalty * maps.score + influence * np.outer(hann, hann))
        row, column = divmod(int(chosen), maps.score.shape[1])
        left, top, right, bottom = (float(side[row, column]) for side in maps.corners)
        self.score = float(maps.score[row, column])
        share = damping * float(penalty[row, column]) * self.score
        height, width = frame.shape[:2]
        cx = min(max(self._center[0] + (left + right) / 2 * step_x, 0.0), float(width))
        cy = min(max(self._center[1] + (top + bottom) / 2 * step_y, 0.0), float(height))
        w = min(max((1 - share) * self._size[0] + share * (right - left) * step_x, _MIN_SIDE), float(width))
        h = min(max((1 - share) * self._size[1] + share * (bottom - top) * step_y, _MIN_SIDE), float(height))
        self._center, self._size = (cx, cy), (w, h)
        return Box(cx - w / 2, cy - h / 2, w, h)


def stretched_crop(
    frame: Image, center_xy: tuple[float, float], sides: tuple[float, float], size: int, pad_color: tuple[float, float, float]
) -> Image:
    """(size, size, 3) crop of a window that need not be square; outside the frame is `pad_color`."""
    if sides[0] == sides[1]:
        return SearchRegion(center_xy, sides[0], size).extract(frame, pad_color)
    # What is squeezed a lot is averaged first, or a bilinear warp would read four pixels of many.
    width, height = (max(size, round(side)) if side < 2 * size else 2 * size for side in sides)
    step_x, step_y = sides[0] / width, sides[1] / height
    matrix = np.array(
        [
            [step_x, 0, center_xy[0] + (0.5 - width / 2) * step_x - 0.5],
            [0, step_y, center_xy[1] + (0.5 - height / 2) * step_y - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(frame, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=pad_color)
    return cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _size_penalty(
    width: NDArray[np.float32], height: NDArray[np.float32], present_wh: tuple[float, float], strength: float
) -> NDArray[np.float32]:
    """Factor on each cell for how much its box changes scale and shape."""
    context = (width + height) / 2
    scale_change = np.sqrt((width + context) * (height + context)) / context_side(present_wh)
    turn = width / height * (present_wh[1] / present_wh[0])
    change = np.maximum(scale_change, 1 / scale_change) * np.maximum(turn, 1 / turn)
    return np.exp(-strength * (change - 1))  # type: ignore[no-any-return]


def _with_margin(size_wh: tuple[float, float], margin: float) -> tuple[float, float]:
    return size_wh[0] * (1 + 2 * margin), size_wh[1] * (1 + 2 * margin)


def _planes(crop: Image) -> NDArray[np.float32]:
    return np.ascontiguousarray(crop.transpose(2, 0, 1), dtype=np.float32)[None]
