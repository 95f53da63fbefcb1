"""`siamtrack.Verifier`: are these two the same thing, and which of those that I know is this?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import check_box
from siamtrack.errors import DataError, needs
from siamtrack.frames import as_bgr
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color
from siamtrack.verify.gallery import Gallery
from siamtrack.verify.items import VerifierItem
from siamtrack.verify.metrics import Calibration


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
class Identity:
    """A class of the gallery that a probe may belong to: its name; distance, score and same as in `Verdict`."""

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
        SiamtrackError: PyTorch is not installed.

    Examples:
        >>> verifier = siamtrack.Verifier()                      # doctest: +SKIP
        >>> verifier.verify("mug-1.jpg", "mug-2.jpg").same       # doctest: +SKIP
        True
    """

    def __init__(self, model: str | Path = "verifier", device: str = "auto", false_accept: float | None = None) -> None:
        try:
            from siamtrack.backends.select import pick_device
            from siamtrack.verify.network import AlexNetTower, load_verifier
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise needs("torch", "a verifier needs PyTorch") from error
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

    def embed(self, items: Sequence[VerifierItem]) -> NDArray[np.float32]:
        """Embeddings (N, D) of N items.

        Raises:
            DataError, FileNotFoundError, ValueError: an item cannot be read, or is not what the weights are for.
        """
        from siamtrack.verify.network import embed_items

        return embed_items(self._net, items, self.header.tower, self._device).numpy()

    def distance(self, a: VerifierItem, b: VerifierItem) -> float:
        """Distance of two items; smaller is more similar."""
        one, other = self.embed([a, b])
        return float(self.embedded_distances(one[None], other[None])[0, 0])

    def embedded_distances(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distances (N, M) of embeddings (N, D) and (M, D)."""
        import torch

        with torch.inference_mode():
            one, other = (torch.from_numpy(rows).to(self._device) for rows in (a, b))
            return self._net.similarity.distance_matrix(one, other).cpu().numpy()

    def verify(self, a: VerifierItem, b: VerifierItem) -> Verdict:
        """Whether two items are the same."""
        return self.judge(self.distance(a, b))

    def judge(self, distance: float) -> Verdict:
        """What a distance means."""
        score = float(self._calibration.probability(distance))
        return Verdict(distance, score, distance <= self.threshold, self.threshold, self._point.false_accept)

    def enroll(self, name: str, items: Sequence[VerifierItem]) -> None:
        """Add items of a class to the gallery."""
        vectors = self._for_gallery(self.embed(items))
        self.gallery.add(vectors, [name] * len(vectors))

    def identify(self, probe: VerifierItem, count: int = 5) -> list[Identity]:
        """The nearest classes of the gallery, nearest first, each by its nearest item.

        Raises:
            SiamtrackError: the gallery is empty.
        """
        vectors = self._for_gallery(self.embed([probe]))
        found = self.gallery.search(vectors, count)[0]
        verdicts = [self.judge(match.distance) for match in found]
        return [Identity(match.name, v.distance, v.score, v.same) for match, v in zip(found, verdicts, strict=True)]

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
        """A box (x, y, w, h) of a BGR frame (H, W, 3) with its context, as the tracker cuts exemplars: an item for other calls.

        Raises:
            ValueError: not a box, or one outside the frame.
        """
        frame = as_bgr(frame)
        chosen = check_box(box, (frame.shape[1], frame.shape[0]), least=0.0)
        center = (chosen.x + chosen.w / 2, chosen.y + chosen.h / 2)
        window = SearchRegion(center, context_side((chosen.w, chosen.h)), self.header.tower.size)
        return window.extract(frame, mean_color(frame))

    def _for_gallery(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """A gallery knows no learned weights: they are multiplied in beforehand."""
        if self.header.similarity != "absolute":
            return vectors
        return vectors * self._net.similarity.weight.detach().cpu().numpy()
