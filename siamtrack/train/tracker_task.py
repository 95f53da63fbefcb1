"""Training a tracker: the task that a tracker's recipe describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import torch

from siamtrack.errors import ConfigError
from siamtrack.model.lite import LiteNet
from siamtrack.model.siamese import Siamese
from siamtrack.train.crops import PairStore
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.frozen import FrozenBlocks
from siamtrack.train.log import StepReport
from siamtrack.train.loop import train
from siamtrack.train.objective import PARTS, Objective
from siamtrack.train.pairs import PairBatches
from siamtrack.train.precision import autocast_dtype
from siamtrack.train.recipe import Recipe
from siamtrack.train.soft_targets import SoftTeacher
from siamtrack.train.start import start_network
from siamtrack.train.task import Task, Validate
from siamtrack.train.teacher import Teacher


def tracker_task(
    recipe: Recipe,
    stores: Sequence[PairStore],
    device: str = "cpu",
    group: Group = ALONE,
    soft_teacher: SoftTeacher | None = None,
) -> Task:
    """The network, loss and batches of a recipe.

    Args:
        recipe: what to compute.
        stores: one crop store for each of the recipe's sources.
        device: a torch device; decides what the recipe's `precision: auto` is.
        group: the processes that share each batch.
        soft_teacher: gives the box head soft targets.

    Raises:
        ConfigError: the batch cannot be shared evenly.
        ConfigError, FileNotFoundError, WeightsError: as `start_network` raises them.
    """
    if recipe.batch_size % (4 * group.size * recipe.accumulate):
        raise ConfigError(
            f"batch_size {recipe.batch_size} must be a multiple of 4 for each of {group.size} processes and "
            f"{recipe.accumulate} slices: of {4 * group.size * recipe.accumulate}"
        )
    autocast = autocast_dtype(recipe.precision, torch.device(device))
    net = start_network(recipe)
    teacher = Teacher() if recipe.teacher_weight else None
    objective = Objective(net, teacher, recipe, group, autocast)
    batches = PairBatches(stores, recipe, group, soft_teacher, _frozen_blocks(net, recipe, torch.device(device)))
    return Task(recipe, net, objective, batches, PARTS, (net.backbone,), teacher, autocast is torch.float16)


def _frozen_blocks(net: Siamese, recipe: Recipe, device: torch.device) -> FrozenBlocks | None:
    """The first blocks, to be run ahead, where they are frozen with their norms; a GPU is better off running them itself."""
    blocks = net.backbone.blocks[: len(recipe.frozen)]
    ahead = isinstance(net.backbone, LiteNet) and recipe.frozen_norms and "stage4" not in recipe.frozen
    if device.type != "cpu" or not ahead or not recipe.frozen or blocks != recipe.frozen:
        return None
    return FrozenBlocks(net, len(recipe.frozen))


def train_tracker(
    recipe: Recipe,
    stores: Sequence[PairStore],
    out: str | Path,
    device: str = "cpu",
    workers: int = 1,
    stop_after: int | None = None,
    report: Callable[[StepReport], None] = lambda _: None,
    validate: Validate | None = None,
    group: Group = ALONE,
    soft_teacher: SoftTeacher | None = None,
) -> Siamese:
    """`tracker_task`, trained: see there and `loop.train` for the arguments, the returned network and the errors."""
    task = tracker_task(recipe, stores, device, group, soft_teacher)
    return cast(Siamese, train(task, out, device, workers, stop_after, report, validate, group))
