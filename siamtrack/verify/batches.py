"""Batches of labelled items: a few items of each of several classes, or pairs that a CSV lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from siamtrack.data.labelled import DISSIMILAR, Classes, Pairs
from siamtrack.errors import ConfigError
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.task import TrainingBatch
from siamtrack.verify.header import TowerSpec
from siamtrack.verify.items import tower_input
from siamtrack.verify.network import as_batch
from siamtrack.verify.verifier_recipe import ItemAugmentConfig, VerifierRecipe


@dataclass(frozen=True)
class VerifierBatch(TrainingBatch):
    """Items, and which pairs of them the pair losses learn from.

    Attributes:
        items: (B, C, S, S) or (B, T, F) float32.
        lengths: (B,) int64 rows of each sequence; (0,) for pictures.
        classes: (B,) int64. sources: (B,) int64, the item's number in the data set: an item and a changed copy
            of it are no pair to learn from. Items of listed pairs have classes of their own.
        first, second: (P,) int64 rows of this batch. label: (P,) float32, 0 similar to 1 dissimilar.
    """

    items: Tensor
    lengths: Tensor
    classes: Tensor
    sources: Tensor
    first: Tensor
    second: Tensor
    label: Tensor

    def inputs(self) -> tuple[Tensor, ...]:
        """What `Siblings.embed` takes."""
        return (self.items, self.lengths) if len(self.lengths) else (self.items,)


def check_kind(data: Classes | Pairs, spec: TowerSpec) -> None:
    """Raise a ConfigError if a tower is not for the kind of items that were found."""
    wanted = "sequence" if spec.kind == "gru" else "picture"
    if data.kind != wanted:
        fitting = "gru" if data.kind == "sequence" else "cnn or alexnet"
        raise ConfigError(f"{data.root} holds {data.kind}s; a tower {spec.kind} takes {wanted}s, take {fitting}")


class ItemBatches(Dataset[VerifierBatch]):
    """Item `step` is this process's share of the batch of that step, drawn by seed, step and process alone.

    Args:
        data: what to train on.
        recipe: sizes, augmentation, seed.
        group: the processes that share the batch; each draws classes of its own.

    Raises:
        ConfigError: the batch cannot be shared evenly, or the tower is not for this kind of item.
    """

    def __init__(self, data: Classes | Pairs, recipe: VerifierRecipe, group: Group = ALONE) -> None:
        self.data, self.recipe, self.rank = data, recipe, group.rank
        check_kind(data, recipe.tower)
        each = 2 if isinstance(data, Pairs) else recipe.items_per_class
        if recipe.batch_size % (each * group.size):
            raise ConfigError(
                f"batch_size {recipe.batch_size} must be a multiple of {each} items for each of {group.size} processes"
            )
        self.count = recipe.batch_size // each // group.size
        if isinstance(data, Classes):
            if self.count < 2:
                raise ConfigError(f"batch_size {recipe.batch_size} holds {self.count} class of {each} items; two are needed")
            self.members = [np.flatnonzero(data.classes == k) for k in np.unique(data.classes)]

    def __len__(self) -> int:
        return self.recipe.steps

    def __getitem__(self, step: int) -> VerifierBatch:
        rng = np.random.default_rng([self.recipe.seed, step, self.rank])
        drawn = self._listed(self.data, rng) if isinstance(self.data, Pairs) else self._drawn(rng)
        augment: Callable[..., NDArray[Any]] = augment_sequence if self.recipe.tower.kind == "gru" else augment_picture
        inputs = [tower_input(self.data.items[k], self.recipe.tower) for k in drawn.items]
        items, *lengths = as_batch([augment(item, self.recipe.augment, rng) for item in inputs])
        return VerifierBatch(
            items=items,
            lengths=lengths[0] if lengths else torch.zeros(0, dtype=torch.int64),
            classes=torch.from_numpy(drawn.classes),
            sources=torch.from_numpy(drawn.items),
            first=torch.from_numpy(drawn.first),
            second=torch.from_numpy(drawn.second),
            label=torch.from_numpy(drawn.label.astype(np.float32)),
        )

    def _drawn(self, rng: np.random.Generator) -> _Drawn:
        """Classes and items of them, with all their similar pairs and as many dissimilar ones."""
        each = self.recipe.items_per_class
        which = rng.choice(len(self.members), self.count, replace=self.count > len(self.members))
        chosen = np.concatenate([_draw_items(self.members[k], each, rng) for k in which])
        classes = np.repeat(which, each).astype(np.int64)
        first, second = np.triu_indices(len(chosen), 1)
        equal = classes[first] == classes[second]
        similar = np.flatnonzero(equal & (chosen[first] != chosen[second]))
        dissimilar = np.flatnonzero(~equal)
        dissimilar = rng.permutation(dissimilar)[: max(1, len(similar))]
        pairs = np.concatenate([similar, dissimilar])
        label = np.repeat([0.0, 1.0], [len(similar), len(dissimilar)])
        return _Drawn(chosen, classes, first[pairs], second[pairs], label)

    def _listed(self, data: Pairs, rng: np.random.Generator) -> _Drawn:
        """Listed pairs, half of them similar."""
        halves = []
        for kind, count in ((data.label < DISSIMILAR, (self.count + 1) // 2), (data.label >= DISSIMILAR, self.count // 2)):
            rows = np.flatnonzero(kind)
            halves.append(rng.choice(rows, count, replace=count > len(rows)))
        rows = np.concatenate(halves)
        chosen = np.column_stack([data.first[rows], data.second[rows]]).ravel()
        even = np.arange(0, len(chosen), 2)
        return _Drawn(chosen, np.arange(len(chosen)), even, even + 1, data.label[rows].astype(np.float64))


class _Drawn(NamedTuple):
    items: NDArray[np.int64]
    classes: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    label: NDArray[np.float64]


def _draw_items(members: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """So many items of a class, each as often as any other."""
    rounds = [rng.permutation(members) for _ in range(-(-count // len(members)))]
    return np.concatenate(rounds)[:count]


def augment_picture(picture: NDArray[np.uint8], config: ItemAugmentConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A changed copy of a square picture (S, S, C); what comes in from outside repeats its border."""
    size, channels = picture.shape[0], picture.shape[2]
    angle = np.deg2rad(rng.uniform(-config.rotate_deg, config.rotate_deg))
    scale = np.exp(rng.uniform(-1, 1) * np.log1p(config.scale))
    stretch = np.exp(rng.uniform(-1, 1) * np.log1p(config.aspect) / 2)
    mirror = -1.0 if rng.random() < config.flip else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([mirror * scale * stretch, scale / stretch])
    middle = np.full(2, (size - 1) / 2)
    offset = middle + rng.uniform(-config.shift, config.shift, 2) * size - linear @ middle
    changed = cv2.warpAffine(
        picture,
        np.column_stack([linear, offset]),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).reshape(size, size, channels)
    if rng.random() < config.blur:
        changed = cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.3, 1.5)).reshape(size, size, channels)
    gain = 1 + rng.uniform(-config.contrast, config.contrast)
    levels = (changed.astype(np.float32) - 128) * gain + 128 + rng.uniform(-config.brightness, config.brightness)
    if config.noise:
        levels += rng.normal(0, config.noise * max(1.0, float(levels.std())), levels.shape)
    return np.clip(levels, 0, 255).astype(np.uint8)


def augment_sequence(rows: NDArray[np.float32], config: ItemAugmentConfig, rng: np.random.Generator) -> NDArray[np.float32]:
    """A changed copy of rows (T, F) on one scale: turned in its first two columns, scaled, with noise."""
    changed = rows.astype(np.float64)
    if rows.shape[1] >= 2:
        angle = np.deg2rad(rng.uniform(-config.rotate_deg, config.rotate_deg))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        changed[:, :2] = changed[:, :2] @ turn.T
    changed *= np.exp(rng.uniform(-1, 1) * np.log1p(config.scale))
    changed += rng.normal(0, config.noise, changed.shape) if config.noise else 0.0
    return changed.astype(np.float32)
