"""What the loop trains: a network, its loss, its batches, and for how long."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

B = TypeVar("B", bound="TrainingBatch")
N = TypeVar("N", bound=nn.Module)

Validate = Callable[[Any], dict[str, float]]
"""Scores of a network in evaluation mode, larger is better; the first one decides which weights are the best."""


class TrainingBatch:
    """One step's data: a base of dataclasses whose fields are tensors, named tuples of tensors, or None."""

    def to(self: B, device: torch.device) -> B:
        """The batch on a device, copied without waiting where the host memory is pinned."""
        return self._each(lambda item: item.to(device, non_blocking=True))

    def pin_memory(self: B) -> B:
        """Called by the data loader: page-locked copies, which a GPU fetches by itself."""
        return self._each(Tensor.pin_memory)

    def split(self: B, count: int) -> list[B]:
        """The batch in `count` equal slices."""

        def piece(k: int) -> B:
            return self._each(lambda item: item.chunk(count)[k])

        return [piece(k) for k in range(count)]

    def _each(self: B, change: Callable[[Tensor], Tensor]) -> B:
        def changed(value: Any) -> Any:
            if value is None or isinstance(value, Tensor):
                return None if value is None else change(value)
            return type(value)(*map(change, value))

        return type(self)(**{item.name: changed(getattr(self, item.name)) for item in fields(self)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Schedule:
    """The part of a recipe that the loop reads.

    Attributes:
        seed: of weights, sampling and augmentation.
        steps, epoch_steps: optimiser steps of the run, and between two checkpoints.
        batch_size, accumulate: items a step, and slices in which they go through the network.
        optimizer, momentum, weight_decay: of the optimiser; momentum for sgd alone.
        lr, lr_end, schedule, warmup_steps: learning rate from the linear warm-up's end to the run's; `constant` keeps it.
        backbone_lr: factor on the learning rate for the backbone.
        clip_norm: largest norm of the gradient.
        ema: decay of the moving average of the weights; 0 for none.
        validate_epochs: epochs between two validations.
    """

    seed: int = 0
    steps: int = 2000
    epoch_steps: int = 100
    batch_size: int = 32
    accumulate: int = 1
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 1e-2
    lr_end: float = 1e-5
    backbone_lr: float = 1.0
    schedule: Literal["exponential", "cosine", "linear", "constant"] = "exponential"
    warmup_steps: int = 0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip_norm: float = 10.0
    ema: float = 0.0
    validate_epochs: int = 10

    def __post_init__(self) -> None:
        for name in ("steps", "epoch_steps", "batch_size", "accumulate", "validate_epochs", "lr", "lr_end", "clip_norm"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        if not 0 <= self.ema <= 1:
            raise ValueError(f"ema is {self.ema}; it must lie in 0..1")

    def lr_at(self, step: int) -> float:
        """Learning rate of a step, warm-up included."""
        if step < self.warmup_steps:
            return self.lr * (step + 1) / self.warmup_steps
        if self.schedule == "constant":
            return self.lr
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        if self.schedule == "exponential":
            return self.lr * math.pow(self.lr_end / self.lr, progress)
        if self.schedule == "linear":
            return self.lr + (self.lr_end - self.lr) * progress
        return self.lr_end + (self.lr - self.lr_end) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Task(Generic[N]):
    """All that a run computes.

    Attributes:
        schedule: the recipe.
        net: what is averaged, validated and shipped.
        objective: batch to (loss, parts without gradient). Holds `net`, and whatever else learns.
        batches: item `step` is this process's share of the batch of that step, drawn by step number and seed alone.
        parts: names of every part that the loss can have.
        backbone: the modules whose learning rate has the schedule's factor `backbone_lr`.
        float16: whether the objective computes in float16, so that its loss must be scaled.
    """

    schedule: Schedule
    net: N
    objective: nn.Module
    batches: Dataset[Any]
    parts: tuple[str, ...]
    backbone: tuple[nn.Module, ...] = ()
    float16: bool = False
