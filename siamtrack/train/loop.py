"""The training loop: read from top to bottom, resumed from its last checkpoint, the same on a CPU and many GPUs."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Subset

from siamtrack.config import to_plain
from siamtrack.errors import ConfigError
from siamtrack.model.siamese import InputSpec, Siamese
from siamtrack.tracking.engine import native_bfloat16
from siamtrack.train.average import Average
from siamtrack.train.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from siamtrack.train.crops import CropStore
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.health import check_health
from siamtrack.train.log import Log, StepReport
from siamtrack.train.objective import Objective
from siamtrack.train.pairs import Batch, PairBatches
from siamtrack.train.recipe import Recipe
from siamtrack.train.soft_targets import NanoTeacher
from siamtrack.train.start import start_network
from siamtrack.train.teacher import Teacher

Validate = Callable[[Siamese], dict[str, float]]
"""Scores of a network in evaluation mode; `ao` decides which weights are the best."""


def train(
    recipe: Recipe,
    stores: list[CropStore],
    out: str | Path,
    device: str = "cpu",
    amp: bool | None = None,
    workers: int = 1,
    stop_after: int | None = None,
    report: Callable[[StepReport], None] = lambda _: None,
    validate: Validate | None = None,
    group: Group = ALONE,
    soft_teacher: NanoTeacher | None = None,
) -> Siamese:
    """Train, or go on with, the run in `out`.

    Args:
        recipe: what to compute. A run resumes only under the recipe that it was started with.
        stores: one crop store for each of the recipe's sources.
        out: folder of the run: `checkpoint.pt` after every epoch, `log.csv` with one row a step, `val.csv`.
        device: a torch device.
        amp: bfloat16 autocast for the backbone; None switches it on where the device computes in it natively.
        workers: processes that load data; 0 loads in this one.
        stop_after: end the session at this step; the schedule stays that of the whole recipe.
        report: called after every step.
        validate: called every `recipe.validate_epochs` epochs; the best weights by its `ao` are what is returned.
        group: the processes that share each batch.
        soft_teacher: gives the box head soft targets.

    Returns:
        The network in evaluation mode: the averaged weights where the recipe averages, the best where it validates.

    Raises:
        ConfigError: the run in `out` was started with another recipe, or the batch cannot be shared evenly.
        SiamtrackError: a loss is no longer finite; the message names the step and what went bad first.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    where = torch.device(device)
    amp = native_bfloat16(where) if amp is None else amp
    keep_freed_memory()

    net = start_network(recipe)
    teacher = Teacher() if recipe.teacher_weight else None
    objective = Objective(net, teacher, recipe, group, amp, soft_teacher)
    objective.to(where, memory_format=torch.channels_last if where.type == "cuda" else torch.contiguous_format)  # type: ignore[call-overload]
    group.sync_norms(objective)
    optimizer = _optimizer(recipe, net, teacher, where)
    average = Average(net, recipe.ema)

    start, best = 0, {"ao": -1.0, "step": 0}
    best_state: dict[str, Tensor] = {}
    state = load_checkpoint(out / CHECKPOINT, recipe)
    if state:
        net.load_state_dict(state["net"])
        if teacher is not None:
            teacher.load_state_dict(state["teacher"])
        optimizer.load_state_dict(state["optimizer"])
        average.load(state["average"])
        start, best, best_state = state["step"], state["best"], state["best_state"]
    log = Log(out, start, group.is_main)

    stop = min(recipe.steps, stop_after or recipe.steps)
    loader = _loader(recipe, stores, range(start, stop), workers, where, group)
    step_module: nn.Module = objective
    if group.size > 1:
        # The teacher's projection is out of use once its weight is zero. Norms are synchronised already.
        step_module = DistributedDataParallel(objective, broadcast_buffers=False, find_unused_parameters=teacher is not None)

    objective.train()
    clock = time.perf_counter()
    pending: _Values | None = None

    def settle(values: _Values | None) -> None:
        """Read a step's numbers off the device, one step late: a GPU never waits for its own bookkeeping."""
        nonlocal clock
        if values is None:
            return
        loss, norm, *parts = values.tensor.tolist()
        named = dict(zip(values.names, parts, strict=True))
        check_health(values.step, loss, norm, named, objective, recipe, out / CHECKPOINT)
        now = time.perf_counter()
        done = StepReport(values.step, recipe.lr_at(values.step), loss, named, norm, recipe.batch_size / (now - clock))
        clock = now
        log.add(done)
        report(done)

    for step, batch in enumerate(loader, start):
        for options in optimizer.param_groups:
            options["lr"] = recipe.lr_at(step) * options["factor"]
        optimizer.zero_grad(set_to_none=True)
        total, parts = _accumulate(step_module, batch.to(where), recipe, step)
        norm = nn.utils.clip_grad_norm_(objective.parameters(), recipe.clip_norm)
        optimizer.step()
        average.update(net, step)

        settle(pending)
        pending = _Values(step, list(parts), torch.stack([total, norm, *parts.values()]))
        if (step + 1) % recipe.epoch_steps and step + 1 != stop:
            continue
        settle(pending)
        pending = None
        epoch = (step + 1) // recipe.epoch_steps
        if validate is not None and (epoch % recipe.validate_epochs == 0 or step + 1 == recipe.steps):
            scores = validate(_averaged(recipe, average))
            log.add_validation(step + 1, scores)
            if scores["ao"] > best["ao"]:
                best = {"ao": scores["ao"], "step": step + 1}
                best_state = {key: value.cpu().clone() for key, value in average.state.items()}
        log.flush()
        if group.is_main:
            save_checkpoint(
                out / CHECKPOINT,
                {
                    "net": net.state_dict(),
                    "teacher": teacher.state_dict() if teacher is not None else {},
                    "optimizer": optimizer.state_dict(),
                    "average": average.state,
                    "best": best,
                    "best_state": best_state,
                    "step": step + 1,
                    "recipe": to_plain(recipe),
                },
            )
        group.barrier()
        clock = time.perf_counter()
    result = _averaged(recipe, average)
    if best_state:
        result.load_state_dict(best_state)
    return result


class _Values:
    """A step's numbers, still on the device."""

    def __init__(self, step: int, names: list[str], tensor: Tensor) -> None:
        self.step, self.names, self.tensor = step, names, tensor


def keep_freed_memory() -> None:
    """Let glibc reuse large blocks instead of giving them back after every step: a sixth of a CPU step's time."""
    mmap_threshold, trim_threshold = -3, -1
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # another C library: nothing to gain, nothing lost
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)


def _accumulate(module: nn.Module, batch: Batch, recipe: Recipe, step: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Gradients of a batch, a slice at a time where memory is short; the mean of the slices' losses and parts."""
    losses: list[Tensor] = []
    every: list[dict[str, Tensor]] = []
    slices = batch.split(recipe.accumulate)
    for k, piece in enumerate(slices):
        # Gradients travel between processes once, with the last slice.
        quiet: Any = module.no_sync() if isinstance(module, DistributedDataParallel) and k + 1 < len(slices) else nullcontext()
        with quiet:
            loss, parts = module(piece, recipe.teacher_weight_at(step))
            (loss / len(slices)).backward()
        losses.append(loss.detach())
        every.append(parts)
    means = {key: torch.stack([parts[key] for parts in every]).mean() for key in every[0]}
    return torch.stack(losses).mean(), means


def _loader(
    recipe: Recipe, stores: list[CropStore], steps: range, workers: int, where: torch.device, group: Group
) -> DataLoader[Batch]:
    if recipe.batch_size % (4 * group.size * recipe.accumulate):
        raise ConfigError(
            f"batch_size {recipe.batch_size} must be a multiple of 4 for each of {group.size} processes and "
            f"{recipe.accumulate} slices: of {4 * group.size * recipe.accumulate}"
        )
    return DataLoader(
        Subset(PairBatches(stores, recipe, group), steps),
        batch_size=None,
        num_workers=workers,
        pin_memory=where.type == "cuda",
        prefetch_factor=4 if workers else None,
    )


def _averaged(recipe: Recipe, average: Average) -> Siamese:
    """A copy of the network with the averaged weights, in evaluation mode."""
    net = Siamese(InputSpec(color_order=recipe.color_order), recipe.model)
    net.load_state_dict(average.state)
    return net.eval()


def _optimizer(recipe: Recipe, net: Siamese, teacher: Teacher | None, where: torch.device) -> torch.optim.Optimizer:
    groups = []
    heads: list[nn.Module] = [module for module in (net.head, net.box, teacher) if module is not None]
    parts: list[tuple[float, list[nn.Module]]] = [(recipe.backbone_lr, [net.backbone]), (1.0, heads)]
    for factor, modules in parts:
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        # Norms, biases and the head's scale are not decayed: pulling them to zero only shrinks the logits.
        for decay, members in (
            (recipe.weight_decay, [p for p in parameters if p.dim() > 1]),
            (0.0, [p for p in parameters if p.dim() <= 1]),
        ):
            groups.append({"params": members, "weight_decay": decay, "factor": factor})
    fused = where.type == "cuda"
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, fused=fused)
    return torch.optim.AdamW(groups, lr=recipe.lr, fused=fused)
