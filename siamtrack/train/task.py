"""What the loop trains: a network, its loss, and its batches, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch
from torch import nn
from torch.utils.data import Dataset

from siamtrack.train.schedule import Schedule

B = TypeVar("B", bound="TrainingBatch")

Validate = Callable[[Any], dict[str, float]]
"""Scores of a network in evaluation mode, larger is better; the first one decides which weights are the best."""


class TrainingBatch(Protocol):
    """One step's data."""

    def to(self: B, device: torch.device) -> B:
        """The batch on a device."""

    def pin_memory(self: B) -> B:
        """Page-locked copies, which a GPU fetches by itself."""

    def split(self: B, count: int) -> list[B]:
        """The batch in `count` equal slices."""


@dataclass(frozen=True)
class Task:
    """Attributes:
    schedule: the recipe.
    net: what is averaged, validated and shipped.
    objective: (batch, step) to (loss, parts without gradient). Holds `net`, and whatever else learns.
    batches: item `step` is this process's share of the batch of that step, drawn by step number and seed alone.
    parts: names of every part that the loss can have.
    backbone: the modules whose learning rate has the schedule's factor `backbone_lr`.
    helper: learns with the network and is not shipped, such as a teacher's projection; it may fall idle.
    float16: whether the objective computes in float16, so that its loss must be scaled.
    """

    schedule: Schedule
    net: nn.Module
    objective: nn.Module
    batches: Dataset[Any]
    parts: tuple[str, ...]
    backbone: tuple[nn.Module, ...] = ()
    helper: nn.Module | None = field(default=None)
    float16: bool = False
