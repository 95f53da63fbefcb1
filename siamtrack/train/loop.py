"""The training loop: read from top to bottom, resumed from its last checkpoint, the same on a CPU and a GPU."""

from __future__ import annotations

import csv
import ctypes
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from siamtrack.config import to_plain
from siamtrack.errors import ConfigError, SiamtrackError
from siamtrack.model.filters import plant_edges
from siamtrack.model.siamese import InputSpec, Siamese
from siamtrack.model.weights import load_weights
from siamtrack.tracking.engine import native_bfloat16
from siamtrack.train.crops import CropStore
from siamtrack.train.objective import siamese_loss
from siamtrack.train.pairs import Batch, PairBatches
from siamtrack.train.recipe import Recipe
from siamtrack.train.teacher import Teacher

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class StepReport:
    """What one step tells a progress bar or a log."""

    step: int
    lr: float
    loss: float
    parts: dict[str, float]
    pairs_per_s: float


def train(
    recipe: Recipe,
    stores: list[CropStore],
    out: str | Path,
    device: str = "cpu",
    amp: bool | None = None,
    workers: int = 1,
    stop_after: int | None = None,
    report: Callable[[StepReport], None] = lambda _: None,
) -> Siamese:
    """Train, or go on with, the run in `out`.

    Args:
        recipe: what to compute. A run resumes only under the recipe that it was started with.
        stores: one crop store for each of the recipe's sources.
        out: folder of the run: `checkpoint.pt` after every epoch, `log.csv` with one row a step.
        device: a torch device.
        amp: bfloat16 autocast for the backbone; None switches it on where the device computes in it natively.
        workers: processes that load data; 0 loads in this one.
        stop_after: end the session at this step; the schedule stays that of the whole recipe.
        report: called after every step.

    Returns:
        The network in evaluation mode.

    Raises:
        ConfigError: the run in `out` was started with another recipe.
        SiamtrackError: the loss is no longer finite; the message names the step and the parts.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    where = torch.device(device)
    keep_freed_memory()
    amp = native_bfloat16(where) if amp is None else amp

    torch.manual_seed(recipe.seed)
    # Backward passes on a CPU are a sixth faster without channels_last; tensor cores want it.
    layout = torch.channels_last if where.type == "cuda" else torch.contiguous_format
    net = start_network(recipe).to(where, memory_format=layout)  # type: ignore[call-overload]
    teacher = Teacher().to(where) if recipe.teacher_weight else None
    trained = torch.nn.ModuleList([net] + ([teacher] if teacher else []))
    optimizer = _optimizer(recipe, net, teacher)
    average = Average(net, recipe.ema) if recipe.ema else None

    start = 0
    state = _load_checkpoint(out / CHECKPOINT, recipe)
    if state:
        net.load_state_dict(state["net"])
        if teacher is not None:
            teacher.load_state_dict(state["teacher"])
        optimizer.load_state_dict(state["optimizer"])
        if average is not None:
            average.load(state["average"])
        start = state["step"]
    log = _Log(out / "log.csv", start)

    stop = min(recipe.steps, stop_after or recipe.steps)
    weights = [source.weight for source in recipe.sources]
    batches = PairBatches(
        stores, weights, recipe.sizes(), recipe.batch_size, recipe.augment, recipe.max_gap, recipe.color_order, recipe.seed
    )
    loader: DataLoader[Batch] = DataLoader(
        Subset(batches, range(start, stop)),
        batch_size=None,
        num_workers=workers,
        pin_memory=where.type == "cuda",
        prefetch_factor=4 if workers else None,
    )

    trained.train()
    clock = time.perf_counter()
    for step, batch in enumerate(loader, start):
        lr = recipe.lr_at(step)
        for group in optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        batch = batch.to(where)
        image = batch.images.permute(0, 3, 1, 2).to(torch.float32, memory_format=layout)
        with torch.autocast(where.type, torch.bfloat16, enabled=amp):
            features = net.backbone.features((image - net.mean) / net.std)
            embedding = net.backbone.conv5(features)
        loss, parts = siamese_loss(net, embedding, batch, recipe.radius_px, recipe.softmax_weight, recipe.box_weight)
        teacher_weight = recipe.teacher_weight_at(step)
        if teacher is not None and teacher_weight:
            rgb = image if recipe.color_order == "rgb" else image.flip(1)
            with torch.autocast(where.type, torch.bfloat16, enabled=amp):
                # One view of each target: half of the cost, and the other shows much the same.
                taught = teacher(features[::2], rgb[::2])
            loss = loss + teacher_weight * taught
            parts["teacher"] = float(taught.detach())
        value = float(loss.detach())
        if not math.isfinite(value):
            raise SiamtrackError(
                f"loss is {value} at step {step} ({parts}); lower lr ({recipe.lr}) and start again from {out / CHECKPOINT}"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), recipe.clip_norm)
        optimizer.step()
        if average is not None:
            average.update(net, step)

        now = time.perf_counter()
        done = StepReport(step, lr, value, parts, recipe.batch_size / (now - clock))
        clock = now
        log.add(done)
        report(done)
        if (step + 1) % recipe.epoch_steps == 0 or step + 1 == stop:
            log.flush()
            _save_checkpoint(
                out / CHECKPOINT,
                {
                    "net": net.state_dict(),
                    "teacher": teacher.state_dict() if teacher is not None else {},
                    "optimizer": optimizer.state_dict(),
                    "average": average.state if average is not None else {},
                    "step": step + 1,
                    "recipe": to_plain(recipe),
                },
            )
    if average is not None:
        net.load_state_dict(average.state)
    return net.eval()


def keep_freed_memory() -> None:
    """Let glibc reuse large blocks instead of giving them back after every step: a sixth of a CPU step's time."""
    mmap_threshold, trim_threshold = -3, -1
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # another C library: nothing to gain, nothing lost
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)


def start_network(recipe: Recipe) -> Siamese:
    """A network with random weights, or with those of `recipe.init` wherever it has them."""
    net = Siamese(InputSpec(color_order=recipe.color_order), recipe.model)
    if recipe.init:
        given = load_weights(recipe.init).net
        if given.input_spec != net.input_spec:
            raise ConfigError(f"init {recipe.init}: was trained on {given.input_spec}, the recipe wants {net.input_spec}")
        net.load_state_dict(given.state_dict(), strict=False)
    if recipe.edge_filters:
        plant_edges(net.backbone, recipe.edge_filters, torch.Generator().manual_seed(recipe.seed))
    for name in recipe.frozen:
        # Norms go on following their input: only what a gradient would change is frozen.
        getattr(net.backbone, name).requires_grad_(False)
    return net


class Average:
    """Exponential moving average of a network's state: what is shipped when the recipe's `ema` is set."""

    def __init__(self, net: Siamese, decay: float) -> None:
        self.decay = decay
        self.state = {key: value.detach().clone() for key, value in net.state_dict().items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        for key, value in state.items():
            self.state[key].copy_(value)

    @torch.no_grad()
    def update(self, net: Siamese, step: int) -> None:
        """Move towards the network; faster in the first steps, whose weights are worth little."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for key, value in net.state_dict().items():
            if value.is_floating_point():
                self.state[key].lerp_(value, share)
            else:
                self.state[key].copy_(value)


def _optimizer(recipe: Recipe, net: Siamese, teacher: Teacher | None) -> torch.optim.Optimizer:
    groups = []
    heads: list[torch.nn.Module] = [module for module in (net.head, net.box, teacher) if module is not None]
    parts: list[tuple[float, list[torch.nn.Module]]] = [(recipe.backbone_lr, [net.backbone]), (1.0, heads)]
    for factor, modules in parts:
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        # Norms, biases and the head's scale are not decayed: pulling them to zero only shrinks the logits.
        for decay, members in (
            (recipe.weight_decay, [p for p in parameters if p.dim() > 1]),
            (0.0, [p for p in parameters if p.dim() <= 1]),
        ):
            groups.append({"params": members, "weight_decay": decay, "factor": factor})
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum)
    return torch.optim.AdamW(groups, lr=recipe.lr)


def _load_checkpoint(path: Path, recipe: Recipe) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    was, now = state["recipe"], to_plain(recipe)
    changed = sorted(key for key in now if now[key] != was.get(key))
    if changed:
        raise ConfigError(f"{path} was made with other values of {', '.join(changed)}; give another --out, or the old recipe")
    return state


def _save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    os.replace(partial, path)


class _Log:
    """One CSV row a step. On resume, rows that the checkpoint does not know are dropped."""

    FIELDS = (
        *("step", "lr", "loss", "logistic", "softmax", "teacher", "class", "sides", "quality", "iou", "hit"),
        "pairs_per_s",
    )

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        kept: list[dict[str, str]] = []
        if start and path.is_file():
            with path.open(newline="") as lines:
                kept = [row for row in csv.DictReader(lines) if int(row["step"]) < start]
        with path.open("w", newline="") as lines:
            writer = csv.DictWriter(lines, self.FIELDS)
            writer.writeheader()
            writer.writerows(kept)
        self.waiting: list[dict[str, Any]] = []

    def add(self, done: StepReport) -> None:
        row = {"step": done.step, "lr": f"{done.lr:.6g}", "loss": f"{done.loss:.6g}", "pairs_per_s": f"{done.pairs_per_s:.4g}"}
        row.update({key: f"{value:.6g}" for key, value in done.parts.items()})
        self.waiting.append(row)

    def flush(self) -> None:
        with self.path.open("a", newline="") as lines:
            csv.DictWriter(lines, self.FIELDS).writerows(self.waiting)
        self.waiting = []
