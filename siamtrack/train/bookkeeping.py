"""What surrounds the loop: the average of the weights, checkpoints, the log, and the check of every step's numbers."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from siamtrack.config import build, to_plain
from siamtrack.errors import ConfigError, SiamtrackError, WeightsError
from siamtrack.model.weights import load_pickled
from siamtrack.system import MIB, open_text, read_file
from siamtrack.train.task import Schedule

CHECKPOINT = "checkpoint.pt"
MAX_CHECKPOINT = 4096 * MIB


class Average:
    """An exponential moving average of a network's state dict, norms' statistics included: what is shipped.

    Args:
        net: where it starts.
        decay: share of the old average that a step keeps; 0.995 averages over some 200 steps, 0 copies.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {key: value.detach().clone() for key, value in net.state_dict().items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        for key, value in state.items():
            self.state[key].copy_(value)

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Move towards the network; faster in the first steps, whose weights are worth little."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for key, value in net.state_dict().items():
            if value.is_floating_point():
                self.state[key].lerp_(value, share)
            else:
                self.state[key].copy_(value)


def load_checkpoint(path: Path, recipe: Schedule) -> dict[str, Any] | None:
    """The state to go on from, or None where no run was started; a ConfigError names keys whose values were others then."""
    if not path.is_file():
        return None
    state = load_pickled(path, read_file(path, MAX_CHECKPOINT, WeightsError))
    if not isinstance(state, dict) or not isinstance(state.get("recipe"), dict):
        raise WeightsError(f"{path} is no checkpoint of siamtrack train; give another --out, or remove it to begin anew")
    was, now = to_plain(build(type(recipe), state["recipe"], str(path), warn=False)), to_plain(recipe)
    changed = sorted(key for key in now if now[key] != was[key])
    if changed:
        raise ConfigError(f"{path} was made with other values of {', '.join(changed)}; give another --out, or the old recipe")
    return state


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint by a newer one, whole or not at all."""
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    os.replace(partial, path)


@dataclass(frozen=True)
class StepReport:
    """What one step tells a progress bar or a log.

    Attributes:
        step: 0-based. lr: of the heads.
        loss, parts: the sum, and what it is made of, with shares that people like to watch.
        gradient_norm: before clipping.
        pairs_per_s: views a second over all processes, each being an exemplar and a search region.
        waited: share of the step's time, 0..1, in which this process had no batch: more processes must load data.
    """

    step: int
    lr: float
    loss: float
    parts: dict[str, float]
    gradient_norm: float
    pairs_per_s: float
    waited: float


class Log:
    """One row a step in `log.csv`, one a validation in `val.csv`, and the same for TensorBoard where that is installed.

    Rows wait in memory until the checkpoint that knows them is written; on resume, later rows are dropped.

    Args:
        folder: of the run.
        start: first step of this session.
        parts: every part that the loss can have: a CSV has one header for the whole run.
        write: False in every process but one.
    """

    def __init__(self, folder: Path, start: int, parts: Iterable[str], write: bool = True) -> None:
        self.folder, self.write = folder, write
        self.fields = ("step", "lr", "loss", *parts, "gradient_norm", "pairs_per_s", "waited")
        self.waiting: list[dict[str, Any]] = []
        if write:
            self.board = _board(folder / "tensorboard", start)
            _write_rows(folder / "log.csv", self.fields, _rows_before(folder / "log.csv", start))

    def add(self, done: StepReport) -> None:
        """Note a step."""
        if not self.write:
            return
        values = {"lr": done.lr, "loss": done.loss, **done.parts, "gradient_norm": done.gradient_norm}
        self.waiting.append({"step": done.step, **{key: f"{value:.6g}" for key, value in values.items()}})
        self.waiting[-1].update(pairs_per_s=f"{done.pairs_per_s:.4g}", waited=f"{done.waited:.3f}")
        self._draw("train", done.step, values)

    def add_validation(self, step: int, scores: dict[str, float]) -> None:
        """Note the scores of the weights after `step` steps."""
        if not self.write:
            return
        path = self.folder / "val.csv"
        row = {"step": step, **{key: f"{value:.4f}" for key, value in scores.items()}}
        _write_rows(path, row, [*_rows_before(path, step), row])
        self._draw("val", step, scores)

    def flush(self) -> None:
        """Write what waits."""
        if not self.write:
            return
        with (self.folder / "log.csv").open("a", newline="") as lines:
            csv.DictWriter(lines, self.fields).writerows(self.waiting)
        self.waiting = []
        if self.board is not None:
            self.board.flush()

    def _draw(self, group: str, step: int, values: dict[str, float]) -> None:
        if self.board is not None:
            for key, value in values.items():
                self.board.add_scalar(f"{group}/{key}", value, step)


def _rows_before(path: Path, step: int) -> list[dict[str, Any]]:
    if not step or not path.is_file():
        return []
    with open_text(path) as lines:
        return [row for row in csv.DictReader(lines) if (row["step"] or "").isdecimal() and int(row["step"]) < step]


def _write_rows(path: Path, fields: Iterable[str], rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(fields), extrasaction="ignore")  # a part that a loss no longer has
        writer.writeheader()
        writer.writerows(rows)


def _board(folder: Path, start: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None  # the CSV says the same
    return SummaryWriter(str(folder), purge_step=start)  # type: ignore[no-untyped-call]


def check_health(done: StepReport, module: nn.Module, recipe: Schedule, checkpoint: Path) -> None:
    """Nothing, if the numbers of a step are finite.

    Raises:
        SiamtrackError: they are not; the message names the step, the part of the loss, the tensor, and what to do.
    """
    if math.isfinite(done.loss) and math.isfinite(done.gradient_norm):
        return
    what = f"loss is {done.loss}"
    if math.isfinite(done.loss):
        what = f"the loss is {done.loss:.4g}, but its gradient's norm is {done.gradient_norm}"
    bad_parts = [key for key, value in done.parts.items() if not math.isfinite(value)]
    bad_tensors = [name for name, tensor in module.named_parameters() if not bool(torch.isfinite(tensor).all())]
    causes = []
    if bad_parts:
        causes.append(f"not finite: {', '.join(bad_parts)}")
    if bad_tensors:
        causes.append(f"weights are not finite, {bad_tensors[0]} first")
    elif not bad_parts:
        causes.append("all weights are still finite")
    kept = f"the last good weights are in {checkpoint}" if checkpoint.is_file() else "no checkpoint was written yet"
    raise SiamtrackError(
        f"{what} at step {done.step} ({'; '.join(causes)}); lower lr ({recipe.lr:g}) or clip_norm ({recipe.clip_norm:g}), "
        f"or train with precision: float32; {kept}"
    )
