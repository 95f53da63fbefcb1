"""Batches of labelled items: a few items of each of several classes, or pairs that a CSV lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from siamtrack.data.items import read_picture, read_sequence
from siamtrack.data.labelled import DISSIMILAR, Classes, Pairs
from siamtrack.errors import ConfigError, DataError
from siamtrack.model.towers import TowerSpec
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.item_augment import augment_picture, augment_sequence
from siamtrack.train.verifier_recipe import VerifierRecipe
from siamtrack.verify.inputs import as_batch, picture_input, sequence_input


@dataclass(frozen=True)
class VerifierBatch:
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

    def to(self, device: torch.device) -> VerifierBatch:
        """The batch on a device."""
        return VerifierBatch(*(getattr(self, item.name).to(device, non_blocking=True) for item in fields(self)))

    def pin_memory(self) -> VerifierBatch:
        """Called by the data loader: page-locked copies."""
        return VerifierBatch(*(getattr(self, item.name).pin_memory() for item in fields(self)))

    def split(self, count: int) -> list[VerifierBatch]:
        """One slice: items of a batch are compared with each other."""
        if count != 1:
            raise ValueError(f"a batch of labelled items cannot be cut into {count} slices")
        return [self]

    def inputs(self) -> tuple[Tensor, ...]:
        """What `Siblings.embed` takes."""
        return (self.items, self.lengths) if len(self.lengths) else (self.items,)


class Split(NamedTuple):
    """Data to train on, and data held out to measure thresholds on.

    Attributes:
        held_out: `classes`, `items` (too few classes to hold some out: each gives some of its items) or `pairs`.
    """

    train: Classes | Pairs
    test: Classes | Pairs
    held_out: str


def split(data: Classes | Pairs, share: float, seed: int) -> Split:
    """Hold out a share of the classes, of the items where there are fewer than ten classes, or of the listed pairs.

    Raises:
        DataError: what remains on one side is too little to learn from, or to measure on.
    """
    rng = np.random.default_rng([seed, 1])
    if isinstance(data, Pairs):
        order = rng.permutation(len(data.label))
        count = max(1, round(share * len(order)))
        parts = [data.subset(np.sort(order[count:])), data.subset(np.sort(order[:count]))]
        for part, what in zip(parts, ("train on", "hold out"), strict=True):
            if not ((part.label < DISSIMILAR).any() and (part.label >= DISSIMILAR).any()):
                raise DataError(f"{data.root}: {len(order)} pairs leave none of one kind to {what}; list more pairs")
        return Split(parts[0], parts[1], "pairs")
    counts = np.bincount(data.classes)
    if len(counts) >= 10:
        order = rng.permutation(len(counts))
        held = np.zeros(len(counts), np.bool_)
        held[order[: max(2, round(share * len(counts)))]] = True
        test = held[data.classes]
        name = "classes"
    else:
        test = np.zeros(len(data.classes), np.bool_)
        for k in range(len(counts)):
            own = rng.permutation(np.flatnonzero(data.classes == k))
            # Two of each make a pair to measure on, two a pair to learn from.
            test[own[: max(2, round(share * len(own))) if len(own) >= 4 else 0]] = True
        name = "items"
    for chosen, what in ((~test, "train on"), (test, "hold out")):
        sizes = np.bincount(data.classes[chosen], minlength=len(counts))
        if (sizes > 0).sum() < 2 or not (sizes > 1).any():
            raise DataError(
                f"{data.root}: {len(counts)} classes of {counts.min()} to {counts.max()} items leave too little to {what}; "
                "ten classes, or four items in each of two, are enough"
            )
    return Split(data.subset(~test), data.subset(test), name)


class ItemReader:
    """Reads items as a tower takes them.

    Args:
        data: whose items. spec: of the tower.

    Raises:
        ConfigError: the tower is not for this kind of item.
    """

    def __init__(self, data: Classes | Pairs, spec: TowerSpec) -> None:
        wanted = "sequence" if spec.kind == "gru" else "picture"
        if data.kind != wanted:
            fitting = "gru" if data.kind == "sequence" else "cnn or alexnet"
            raise ConfigError(f"{data.root} holds {data.kind}s; a tower {spec.kind} takes {wanted}s, take {fitting}")
        self.items, self.spec = data.items, spec

    def __call__(self, index: int) -> NDArray[Any]:
        """One item: (S, S, C) uint8 or (T, F) float32."""
        path = self.items[index]
        if self.spec.kind == "gru":
            rows = read_sequence(path)
            if rows.shape[1] != self.spec.features:
                raise DataError(f"{path}: {rows.shape[1]} columns; the recipe's tower.features is {self.spec.features}")
            return sequence_input(rows, self.spec)
        return picture_input(read_picture(path), self.spec)


def without_broken(
    data: Classes | Pairs, spec: TowerSpec, watch: Callable[[str], None] = lambda _: None
) -> tuple[Classes | Pairs, list[str]]:
    """Open every item once, and leave out those that cannot be read, with all their pairs.

    Returns:
        What is left, and one line for each item that is left out.

    Raises:
        ConfigError: as `ItemReader` raises it.
        DataError: too little is left.
    """
    read = ItemReader(data, spec)
    good = np.ones(len(data.items), np.bool_)
    reasons: list[str] = []
    for k, path in enumerate(data.items):
        watch(path.name)
        try:
            read(k)
        except (DataError, FileNotFoundError) as error:
            good[k] = False
            reasons.append(str(error))
    if good.all():
        return data, []
    if isinstance(data, Pairs):
        listed = data.subset(np.flatnonzero(good[data.first] & good[data.second]))
        rest: Classes | Pairs = listed
        left = len(listed.label)
    else:
        rest = data.subset(good)
        left = len(rest.items)
    if not left:
        raise DataError(f"{data.root}: none of {len(data.items)} items can be read; the first: {reasons[0]}")
    return rest, reasons


class ItemBatches(Dataset[VerifierBatch]):
    """Item `step` is this process's share of the batch of that step, drawn by seed, step and process alone.

    Args:
        data: what to train on.
        recipe: sizes, augmentation, seed.
        group: the processes that share the batch; each draws classes of its own.

    Raises:
        ConfigError: the batch cannot be shared evenly.
    """

    def __init__(self, data: Classes | Pairs, recipe: VerifierRecipe, group: Group = ALONE) -> None:
        self.data, self.recipe, self.rank = data, recipe, group.rank
        self.read = ItemReader(data, recipe.tower)
        self.augment: Callable[..., NDArray[Any]] = augment_sequence if recipe.tower.kind == "gru" else augment_picture
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
        if isinstance(self.data, Pairs):
            chosen, classes, first, second, label = self._listed(self.data, rng)
        else:
            chosen, classes, first, second, label = self._drawn(rng)
        inputs = [self.augment(self.read(int(k)), self.recipe.augment, rng) for k in chosen]
        items, *lengths = as_batch(inputs)
        return VerifierBatch(
            items=items,
            lengths=lengths[0] if lengths else torch.zeros(0, dtype=torch.int64),
            classes=torch.from_numpy(classes),
            sources=torch.from_numpy(chosen),
            first=torch.from_numpy(first),
            second=torch.from_numpy(second),
            label=torch.from_numpy(label.astype(np.float32)),
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
    chosen: NDArray[np.int64]
    classes: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    label: NDArray[np.float64]


def _draw_items(members: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """So many items of a class, each as often as any other."""
    rounds = [rng.permutation(members) for _ in range(-(-count // len(members)))]
    return np.concatenate(rounds)[:count]
