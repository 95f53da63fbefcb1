"""The training loop: read from top to bottom, resumed from its last checkpoint, the same on a CPU and many GPUs."""

from __future__ import annotations

import copy
import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

import cv2
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, Subset

from siamtrack.config import to_plain
from siamtrack.errors import SiamtrackError, WeightsError, one_line
from siamtrack.train.bookkeeping import CHECKPOINT, Average, Log, StepReport, check_health, load_checkpoint, save_checkpoint
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.task import N, Schedule, Task, TrainingBatch, Validate


def train(
    task: Task[N],
    out: str | Path,
    device: str = "cpu",
    workers: int = 1,
    stop_after: int | None = None,
    report: Callable[[StepReport], None] = lambda _: None,
    validate: Validate | None = None,
    group: Group = ALONE,
) -> N:
    """Train, or go on with, the run in `out`.

    Args:
        task: what to train on what. A run resumes only under the recipe that it was started with.
        out: folder of the run: `checkpoint.pt` after every epoch, `log.csv` with one row a step, `val.csv`.
        device: a torch device.
        workers: processes that load data; 0 loads in this one.
        stop_after: end the session at this step; the schedule stays that of the whole recipe.
        report: called after every step.
        validate: called every `validate_epochs` epochs; the best weights by its first score are what is returned.
        group: the processes that share each batch.

    Returns:
        The network in evaluation mode: the averaged weights where the recipe averages, the best where it validates.

    Raises:
        ConfigError: the run in `out` was started with another recipe.
        SiamtrackError: a loss is no longer finite; the message names the step and what went bad first.
    """
    out, where = Path(out), torch.device(device)
    out.mkdir(parents=True, exist_ok=True)
    _keep_freed_memory()

    # What learns, and how.
    schedule, net, objective = task.schedule, task.net, task.objective
    objective.to(where, memory_format=torch.channels_last if where.type == "cuda" else torch.contiguous_format)  # type: ignore[call-overload]
    group.sync_norms(objective)
    optimizer, scaler = _optimizer(task, where), GradScaler(where.type, enabled=task.float16)
    run = _Run(net, optimizer, scaler, Average(net, schedule.ema))
    run.go_on_from(out / CHECKPOINT, schedule)
    start, stop = run.step, min(schedule.steps, stop_after or schedule.steps)
    log = Log(out, start, task.parts, group.is_main)

    def tell(numbers: _Numbers) -> None:
        done = numbers.read(schedule)
        check_health(done, objective, schedule, out / CHECKPOINT)
        log.add(done)
        report(done)

    step_module: nn.Module = objective
    if group.size > 1:
        # Norms are synchronised already.
        step_module = DistributedDataParallel(objective, broadcast_buffers=False)
    objective.train()
    batches = _load(task.batches, range(start, stop), workers, pin=where.type == "cuda")
    pending: _Numbers | None = None
    clock = time.perf_counter()
    for step in range(start, stop):
        asked = time.perf_counter()
        batch = next(batches)
        waited_s = time.perf_counter() - asked

        for options in optimizer.param_groups:
            options["lr"] = schedule.lr_at(step) * options["factor"]
        optimizer.zero_grad(set_to_none=True)
        loss, parts = _accumulate(step_module, batch.to(where), schedule, scaler)
        norm = _update(optimizer, scaler, objective, schedule.clip_norm)
        run.average.update(net, step)
        run.step = step + 1

        # Numbers are read off the device one step late: a GPU never waits for its own bookkeeping.
        if pending is not None:
            tell(pending)
        now = time.perf_counter()
        pending = _Numbers(step, list(parts), torch.stack([loss, norm, *parts.values()]), now - clock, waited_s)
        clock = now
        if run.step % schedule.epoch_steps and run.step != stop:
            continue

        # The end of an epoch.
        tell(pending)
        pending = None
        epoch = run.step // schedule.epoch_steps
        if validate is not None and (epoch % schedule.validate_epochs == 0 or run.step == schedule.steps):
            log.add_validation(run.step, run.judged(validate))
        log.flush()
        if group.is_main:
            run.save(out / CHECKPOINT, schedule)
        group.barrier()
        clock = time.perf_counter()

    return run.result()


@dataclass
class _Run(Generic[N]):
    """What a checkpoint holds: what learns, and how far it has come.

    Attributes:
        step: done so far. best: the highest first score of a validation, and its step; best_state: the weights that had it.
    """

    net: N
    optimizer: torch.optim.Optimizer
    scaler: GradScaler
    average: Average
    step: int = 0
    best: dict[str, float] = field(default_factory=lambda: {"score": -1.0, "step": 0})
    best_state: dict[str, Tensor] = field(default_factory=dict)

    def go_on_from(self, path: Path, schedule: Schedule) -> None:
        """Go on where an earlier session stopped, if there was one; errors as of `train`, or a WeightsError."""
        state = load_checkpoint(path, schedule)
        if state is None:
            return
        try:
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            if state["scaler"]:
                self.scaler.load_state_dict(state["scaler"])
            self.average.load(state["average"])
            self.step, self.best, self.best_state = int(state["step"]), dict(state["best"]), dict(state["best_state"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            what = f"{type(error).__name__} {one_line(error)}"
            raise WeightsError(f"{path} does not fit ({what}); remove it to begin anew, or give another --out") from error

    def save(self, path: Path, schedule: Schedule) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state,
            "best": self.best,
            "best_state": self.best_state,
            "step": self.step,
            "recipe": to_plain(schedule),
        }
        save_checkpoint(path, state)

    def judged(self, validate: Validate) -> dict[str, float]:
        """The scores of the averaged weights, which are kept if they are the best so far."""
        scores = validate(self.averaged())
        score = next(iter(scores.values()))
        if score > self.best["score"]:
            self.best = {"score": score, "step": self.step}
            self.best_state = {key: value.cpu().clone() for key, value in self.average.state.items()}
        return scores

    def averaged(self) -> N:
        """A copy of the network with the averaged weights, on the CPU, in evaluation mode."""
        copied = copy.deepcopy(self.net).cpu()
        copied.load_state_dict(self.average.state)
        return copied.eval()

    def result(self) -> N:
        """The averaged network, or the best one, where there were validations."""
        result = self.averaged()
        if self.best_state:
            result.load_state_dict(self.best_state)
        return result


@dataclass(frozen=True)
class _Numbers:
    """A step's loss, gradient norm and parts, still on the device; its seconds, and those in which it waited for its batch."""

    step: int
    parts: list[str]
    values: Tensor
    seconds: float
    waited_s: float

    def read(self, schedule: Schedule) -> StepReport:
        loss, norm, *parts = self.values.tolist()
        named = dict(zip(self.parts, parts, strict=True))
        rate, waited = schedule.batch_size / self.seconds, self.waited_s / self.seconds
        return StepReport(self.step, schedule.lr_at(self.step), loss, named, norm, rate, waited)


def _load(data: Dataset[Any], steps: range, workers: int, pin: bool) -> Iterator[TrainingBatch]:
    """The batches of some steps. An error in a loading process is raised as it was, without that process's traceback."""
    loader: DataLoader[TrainingBatch] = DataLoader(
        Subset(data, steps),
        batch_size=None,
        num_workers=workers,
        pin_memory=pin,
        prefetch_factor=4 if workers else None,
    )
    # Processes that load data are many, so each has one thread of torch's, and is forked with one of OpenCV's: set in the
    # child, it would wait for ever for the end of threads that only the parent has.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    batches = iter(loader)
    cv2.setNumThreads(threads)
    try:
        yield from batches
    except (SiamtrackError, FileNotFoundError, ValueError) as error:
        text = str(error)
        if not text.startswith("Caught "):
            raise
        raise type(error)(text.strip().splitlines()[-1].partition(": ")[2]) from None


def _accumulate(
    module: nn.Module, batch: TrainingBatch, schedule: Schedule, scaler: GradScaler
) -> tuple[Tensor, dict[str, Tensor]]:
    """Gradients of a batch, a slice at a time where memory is short; the mean of the slices' losses and parts."""
    losses: list[Tensor] = []
    every: list[dict[str, Tensor]] = []
    slices = batch.split(schedule.accumulate)
    for k, piece in enumerate(slices):
        # Gradients travel between processes once, with the last slice.
        quiet: Any = module.no_sync() if isinstance(module, DistributedDataParallel) and k + 1 < len(slices) else nullcontext()
        with quiet:
            loss, parts = module(piece)
            scaler.scale(loss / len(slices)).backward()
        losses.append(loss.detach())
        every.append(parts)
    means = {key: torch.stack([parts[key] for parts in every]).mean() for key in every[0]}
    return torch.stack(losses).mean(), means


def _update(optimizer: torch.optim.Optimizer, scaler: GradScaler, module: nn.Module, clip_norm: float) -> Tensor:
    """One step of the optimiser; the norm of the gradients before clipping.

    A step whose float16 gradients overflowed is left out, the factor on the loss halves (arXiv 1710.03740, section 3.2), and
    the norm is 0. Below a factor of one the gradients themselves are too large: then the norm is told as it is.
    """
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(module.parameters(), clip_norm)
    scaler.step(optimizer)
    scaler.update()
    if scaler.is_enabled() and scaler.get_scale() >= 1:
        return torch.where(torch.isfinite(norm), norm, 0.0)
    return norm


def _optimizer(task: Task[Any], where: torch.device) -> torch.optim.Optimizer:
    schedule = task.schedule
    slow = {id(parameter) for module in task.backbone for parameter in module.parameters()}
    learning = [parameter for parameter in task.objective.parameters() if parameter.requires_grad]
    groups = []
    for factor, members in (
        (schedule.backbone_lr, [p for p in learning if id(p) in slow]),
        (1.0, [p for p in learning if id(p) not in slow]),
    ):
        # Norms, biases and the head's scale are not decayed: pulling them to zero only shrinks the logits.
        for decay, chosen in (
            (schedule.weight_decay, [p for p in members if p.dim() > 1]),
            (0.0, [p for p in members if p.dim() <= 1]),
        ):
            groups.append({"params": chosen, "weight_decay": decay, "factor": factor})
    fused = where.type == "cuda"
    if schedule.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=schedule.lr, momentum=schedule.momentum, fused=fused)
    return torch.optim.AdamW(groups, lr=schedule.lr, fused=fused)


def _keep_freed_memory() -> None:
    """Let glibc reuse large blocks instead of giving them back after every step: a sixth of a CPU step's time."""
    mmap_threshold, trim_threshold = -3, -1
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # another C library: nothing to gain, nothing lost
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)
