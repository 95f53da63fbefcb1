"""Batches of pairs: two views of each of several targets, drawn by step number and seed alone."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from siamtrack.train.augment import AugmentConfig, PairChoice, view
from siamtrack.train.crops import CropStore, Track


@dataclass(frozen=True)
class Batch:
    """Views of targets; view 2i and view 2i + 1 show the same one.

    Attributes:
        images: (B, S, S, 3) uint8, channels in the network's order.
        center_xy: (B, 2) float32, the target's centre in each view, continuous pixels.
        size_wh: (B, 2) float32, the target's size in each view, pixels.
        family: (B,) int64; views of one family are never each other's negatives.
        boxed: (B,) bool; False where the size bounds no object and must not be learned.
    """

    images: Tensor
    center_xy: Tensor
    size_wh: Tensor
    family: Tensor
    boxed: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device, copied without waiting where the host memory is pinned."""
        return Batch(*(item.to(device, non_blocking=True) for item in self._items()))

    def pin_memory(self) -> Batch:
        """Called by the data loader: page-locked copies, which a GPU fetches by itself."""
        return Batch(*(item.pin_memory() for item in self._items()))

    def _items(self) -> list[Tensor]:
        return [getattr(self, item.name) for item in fields(self)]


class PairBatches(Dataset[Batch]):
    """Item `step` is the whole batch of that training step.

    The generator of a batch is seeded by (seed, step): a resumed run draws what an uninterrupted one would
    have drawn, however many workers load it.
    """

    def __init__(
        self,
        stores: list[CropStore],
        weights: list[float],
        sizes: list[int],
        batch_size: int,
        augment: AugmentConfig,
        max_gap: int,
        color_order: str,
        seed: int,
    ) -> None:
        self.stores, self.sizes, self.batch_size = stores, sizes, batch_size
        self.augment, self.max_gap, self.seed = augment, max_gap, seed
        self.color_order = color_order
        self.weights = np.asarray(weights, dtype=np.float64) / np.sum(weights)
        if batch_size % 2 or batch_size < 4:
            raise ValueError(f"batch_size {batch_size} must be even and at least 4: a batch holds two views of each target")
        # A family's number is unique within its store; this makes it so across them.
        self.family_offset = np.cumsum([0] + [1 + max(track.family for track in store.tracks) for store in stores])

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        size = self.sizes[step]
        images = np.empty((self.batch_size, size, size, 3), np.uint8)
        centers = np.empty((self.batch_size, 2), np.float32)
        sizes = np.empty((self.batch_size, 2), np.float32)
        families = np.empty(self.batch_size, np.int64)
        boxed = np.empty(self.batch_size, np.bool_)
        for slot in range(0, self.batch_size, 2):
            source = int(rng.choice(len(self.stores), p=self.weights))
            store = self.stores[source]
            track = store.tracks[rng.integers(len(store.tracks))]
            choice = PairChoice.draw(self.augment, rng)
            for k, index in enumerate(self._draw_pair(track, rng)):
                crop, target_wh = store.crop(index), store.target_wh(index)
                image, centers[slot + k], sizes[slot + k] = view(
                    crop, target_wh, size, self.augment, choice, rng, on_grid=k == 0
                )
                images[slot + k] = image[..., ::-1] if self.color_order == "rgb" else image
            families[slot : slot + 2] = track.family + self.family_offset[source]
            boxed[slot : slot + 2] = track.boxed
        return Batch(*(torch.from_numpy(item) for item in (images, centers, sizes, families, boxed)))

    def _draw_pair(self, track: Track, rng: np.random.Generator) -> tuple[int, int]:
        first = int(rng.integers(len(track.crops)))
        near = np.flatnonzero(np.abs(track.frames - track.frames[first]) <= self.max_gap)
        second = int(rng.choice(near))
        return int(track.crops[first]), int(track.crops[second])
