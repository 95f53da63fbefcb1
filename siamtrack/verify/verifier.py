"""`siamtrack.Verifier`: are these two the same thing, and which of those that I know is this?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.data.items import read_picture, read_sequence
from siamtrack.errors import DataError
from siamtrack.frames import as_bgr
from siamtrack.model.similarity import AbsoluteDifference
from siamtrack.model.towers import AlexNetTower
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color
from siamtrack.tracking.placement import pick_device
from siamtrack.verify.gallery import Gallery
from siamtrack.verify.inputs import as_batch, picture_input, sequence_input
from siamtrack.verify.metrics import Calibration
from siamtrack.verify.weights import load_verifier

Item = str | Path | NDArray[Any]
"""A file, or an array: a picture (H, W, 3) as OpenCV reads it, or a sequence (T, F)."""

BATCH = 64


@dataclass(frozen=True)
class Verdict:
    """What a verifier says of two items.

    Attributes:
        distance: smaller is more similar.
        score: probability in 0..1 that they are the same, where as many pairs are the same as are not.
        same: whether the distance is at or below the threshold.
        threshold, false_accept: the threshold, and the share of different pairs that passed it on held-out items.
    """

    distance: float
    score: float
    same: bool
    threshold: float
    false_accept: float


@dataclass(frozen=True)
class Candidate:
    """A class of the gallery that a probe may belong to: its name, distance and score as in `Verdict`."""

    name: str
    distance: float
    score: float
    same: bool


class Verifier:
    """Compares items by their embeddings, and finds them in a gallery.

    Args:
        model: `verifier` (inside the package, for objects), or a .safetensors file that `siamtrack train` wrote.
        device: `auto`, `cpu`, `cuda`, `cuda:N`.
        false_accept: wanted share of different pairs that are taken for the same; picks the threshold. None: 0.01, or
            the strictest that was measured where the weights had too few held-out items for that.

    Attributes:
        header: what the weights say of themselves. sha256: of the weights file.
        gallery: the enrolled items.

    Raises:
        FileNotFoundError, WeightsError: the weights cannot be loaded.
        ValueError: so strict a false-accept rate was not measured; the message names the strictest.

    Example:
        >>> verifier = siamtrack.Verifier()                      # doctest: +SKIP
        >>> verifier.verify("mug-1.jpg", "mug-2.jpg").same       # doctest: +SKIP
        True
    """

    def __init__(self, model: str | Path = "verifier", device: str = "auto", false_accept: float | None = None) -> None:
        weights = load_verifier(model)
        self.header, self.sha256 = weights.header, weights.sha256
        self._point = self.header.threshold_at(false_accept)
        self._calibration = Calibration(self.header.slope, self.header.midpoint)
        self._device = pick_device(device)
        self._net = weights.net.to(self._device)
        if isinstance(self._net.tower, AlexNetTower):
            self._net.tower.fold()
        self.gallery = Gallery(self.header.tower.dim, self.header.similarity, self.sha256)

    @property
    def threshold(self) -> float:
        """The largest distance at which two items are called the same."""
        return self._point.threshold

    @torch.inference_mode()
    def embed(self, items: Sequence[Item]) -> NDArray[np.float32]:
        """Embeddings (N, D) of N items.

        Raises:
            DataError, FileNotFoundError, ValueError: an item cannot be read, or is not what the weights are for.
        """
        inputs = [self._input(item) for item in items]
        parts = [np.zeros((0, self.header.tower.dim), np.float32)]
        for at in range(0, len(inputs), BATCH):
            batch = [item.to(self._device) for item in as_batch(inputs[at : at + BATCH])]
            parts.append(self._net.embed(*batch).cpu().numpy())
        return np.concatenate(parts)

    def distance(self, a: Item, b: Item) -> float:
        """Distance of two items; smaller is more similar."""
        one, other = self.embed([a, b])
        return self.embedded_distance(one, other)

    @torch.inference_mode()
    def embedded_distance(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        """Distance of two embeddings (D,)."""
        one, other = (torch.from_numpy(item)[None].to(self._device) for item in (a, b))
        return float(self._net.similarity.distance(one, other))

    def verify(self, a: Item, b: Item) -> Verdict:
        """Whether two items are the same."""
        return self.judge(self.distance(a, b))

    def judge(self, distance: float) -> Verdict:
        """What a distance means."""
        score = self._calibration.probability(distance)
        return Verdict(distance, score, distance <= self.threshold, self.threshold, self._point.false_accept)

    def enroll(self, name: str, items: Sequence[Item]) -> None:
        """Add items of a class to the gallery."""
        vectors = self._for_gallery(self.embed(items))
        self.gallery.add(vectors, [name] * len(vectors))

    def identify(self, probe: Item, count: int = 5) -> list[Candidate]:
        """The nearest classes of the gallery, nearest first, each by its nearest item.

        Raises:
            SiamtrackError: the gallery is empty.
        """
        vectors = self._for_gallery(self.embed([probe]))
        found = self.gallery.search(vectors, count)[0]
        verdicts = [self.judge(match.distance) for match in found]
        return [Candidate(match.name, v.distance, v.score, v.same) for match, v in zip(found, verdicts, strict=True)]

    def open_gallery(self, path: str | Path) -> None:
        """Take a gallery that `gallery.save` wrote.

        Raises:
            FileNotFoundError, DataError: it is missing or damaged, or was enrolled with other weights.
        """
        gallery = Gallery.load(path)
        if gallery.verifier != self.sha256:
            raise DataError(
                f"{path}: enrolled with weights {gallery.verifier[:12] or 'unknown'}, these are {self.sha256[:12]}; "
                "distances across weights mean nothing: enroll again, or load the other weights"
            )
        self.gallery = gallery

    def crop(self, frame: NDArray[Any], box: Sequence[float]) -> NDArray[np.uint8]:
        """A box of a frame with its context, as the tracker cuts exemplars: an item for the other calls.

        Args:
            frame: BGR (H, W, 3). box: (x, y, w, h), frame pixels.
        """
        frame = as_bgr(frame)
        chosen = Box(*(float(value) for value in box))
        center = (chosen.x + chosen.w / 2, chosen.y + chosen.h / 2)
        window = SearchRegion(center, context_side((chosen.w, chosen.h)), self.header.tower.size)
        return window.extract(frame, mean_color(frame))

    def _input(self, item: Item) -> NDArray[Any]:
        spec = self.header.tower
        if spec.kind == "gru":
            rows = item if isinstance(item, np.ndarray) else read_sequence(Path(item))
            if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all():
                raise DataError(f"a sequence is rows of finite numbers (T, {spec.features}), got shape {rows.shape}")
            return sequence_input(rows.astype(np.float32), spec)
        return picture_input(as_bgr(item) if isinstance(item, np.ndarray) else read_picture(Path(item)), spec)

    def _for_gallery(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """A gallery knows no learned weights: they are multiplied in beforehand."""
        similarity = self._net.similarity
        if isinstance(similarity, AbsoluteDifference):
            return vectors * similarity.weight.detach().cpu().numpy()
        return vectors
