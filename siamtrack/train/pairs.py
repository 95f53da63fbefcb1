"""Batches of pairs: two views of each of several targets, drawn by step number and seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from siamtrack.train.augment import PairChoice, view
from siamtrack.train.crops import PairStore
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.frozen import FrozenBlocks
from siamtrack.train.recipe import Recipe
from siamtrack.train.soft_targets import SoftTargets, SoftTeachers
from siamtrack.train.task import TrainingBatch


@dataclass(frozen=True)
class Batch(TrainingBatch):
    """Views of targets; view 2i and view 2i + 1 show the same one.

    Attributes:
        images: (B, S, S, 3) uint8, channels in the network's order.
        center_xy: (B, 2) float32, the target's centre in each view, continuous pixels.
        size_wh: (B, 2) float32, the target's size in each view, pixels.
        instance: (B,) int64 instance ids; views of one id are never each other's negatives.
        boxed: (B,) bool; False where the size bounds no object and must not be learned.
        soft: what a finished tracker says of the B / 2 odd views, or None.
        early: (B, C, h, w) what the backbone's frozen blocks make of the images, or None where they are left to the network.
    """

    images: Tensor
    center_xy: Tensor
    size_wh: Tensor
    instance: Tensor
    boxed: Tensor
    soft: SoftTargets | None = field(default=None, kw_only=True)
    early: Tensor | None = field(default=None, kw_only=True)


class PairBatches(Dataset[Batch]):
    """Item `step` is the whole batch of that training step, or this process's share of it.

    The generator of a target is seeded by (seed, step, place in the batch): a resumed run draws what an
    uninterrupted one would have drawn, however many workers load it and however many processes share it.

    Args:
        stores: one a source of the recipe.
        recipe: sizes, weights, gaps, augmentation, seed.
        group: the processes that share the batch; each loads consecutive targets.
        soft_teachers: are asked about every batch, if there are any.
        frozen: blocks of the backbone that are run ahead, if there are any.
    """

    def __init__(
        self,
        stores: Sequence[PairStore],
        recipe: Recipe,
        group: Group = ALONE,
        soft_teachers: SoftTeachers | None = None,
        frozen: FrozenBlocks | None = None,
    ) -> None:
        self.stores, self.recipe, self.sizes = stores, recipe, recipe.sizes()
        self.soft_teachers, self.frozen = soft_teachers, frozen
        if recipe.batch_size % 4:
            raise ValueError(f"batch_size {recipe.batch_size} must be a multiple of 4: two views of each of two targets")
        weights = np.asarray([source.weight for source in recipe.sources], dtype=np.float64)
        self.weights = weights / weights.sum()
        # An instance's number is unique within its store; this makes it so across them.
        self.instance_offset = np.cumsum([0] + [store.instances for store in stores])
        targets = recipe.batch_size // 2 // group.size
        self.targets = range(group.rank * targets, (group.rank + 1) * targets)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, step: int) -> Batch:
        recipe, size, count = self.recipe, self.sizes[step], 2 * len(self.targets)
        images = np.empty((count, size, size, 3), np.uint8)
        centers = np.empty((count, 2), np.float32)
        sizes = np.empty((count, 2), np.float32)
        instances = np.empty(count, np.int64)
        boxed = np.empty(count, np.bool_)
        for slot, target in zip(range(0, count, 2), self.targets, strict=True):
            rng = np.random.default_rng([recipe.seed, step, target])
            source = int(rng.choice(len(self.stores), p=self.weights))
            pair = self.stores[source].draw_pair(rng, recipe.min_gap, recipe.max_gap)
            choice = PairChoice.draw(recipe.augment, rng)
            for k, (crop, target_wh) in enumerate(pair.views):
                image, centers[slot + k], sizes[slot + k] = view(
                    crop, target_wh, size, recipe.augment, choice, rng, on_grid=k == 0
                )
                if recipe.color_order == "rgb":
                    cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=images[slot + k])
                else:
                    images[slot + k] = image
            instances[slot : slot + 2] = pair.instance + self.instance_offset[source]
            boxed[slot : slot + 2] = pair.boxed
        soft = None
        if self.soft_teachers is not None:
            soft = self.soft_teachers(images, centers, sizes, boxed, step + self.targets[0])
        early = self.frozen(images) if self.frozen is not None else None
        return Batch(*map(torch.from_numpy, (images, centers, sizes, instances, boxed)), soft=soft, early=early)
