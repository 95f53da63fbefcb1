"""What a training run writes down: one CSV row a step, and the same for TensorBoard where that is installed."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    """Rows wait in memory until the checkpoint that knows them is written; on resume, later rows are dropped.

    Args:
        folder: of the run: `log.csv`, and `tensorboard/` for TensorBoard.
        start: first step of this session.
        parts: every part that the loss can have: a CSV has one header for the whole run.
        write: False in every process but one.
    """

    def __init__(self, folder: Path, start: int, parts: Iterable[str], write: bool = True) -> None:
        self.path = folder / "log.csv"
        self.fields = ("step", "lr", "loss", *parts, "gradient_norm", "pairs_per_s", "waited")
        self.write = write
        self.waiting: list[dict[str, Any]] = []
        self.board = _board(folder / "tensorboard", start) if write else None
        if not write:
            return
        kept: list[dict[str, str]] = []
        if start and self.path.is_file():
            with self.path.open(newline="") as lines:
                kept = [row for row in csv.DictReader(lines) if int(row["step"]) < start]
        with self.path.open("w", newline="") as lines:
            writer = csv.DictWriter(lines, self.fields)
            writer.writeheader()
            writer.writerows(kept)

    def add(self, done: StepReport) -> None:
        """Note a step."""
        if not self.write:
            return
        values = {"lr": done.lr, "loss": done.loss, **done.parts, "gradient_norm": done.gradient_norm}
        self.waiting.append({"step": done.step, **{key: f"{value:.6g}" for key, value in values.items()}})
        self.waiting[-1].update(pairs_per_s=f"{done.pairs_per_s:.4g}", waited=f"{done.waited:.3f}")
        if self.board is not None:
            for key, value in values.items():
                self.board.add_scalar(f"train/{key}", value, done.step)

    def add_validation(self, step: int, scores: dict[str, float]) -> None:
        """Note the scores of the weights after `step` steps: a row of `val.csv`."""
        if not self.write:
            return
        path = self.path.with_name("val.csv")
        rows: list[dict[str, Any]] = []
        if path.is_file():
            with path.open(newline="") as lines:
                rows = [row for row in csv.DictReader(lines) if int(row["step"]) < step]
        rows.append({"step": step, **{key: f"{value:.4f}" for key, value in scores.items()}})
        with path.open("w", newline="") as lines:
            writer = csv.DictWriter(lines, list(rows[-1]))
            writer.writeheader()
            writer.writerows(rows)
        if self.board is not None:
            for key, value in scores.items():
                self.board.add_scalar(f"val/{key}", value, step)

    def flush(self) -> None:
        """Write what waits."""
        if not self.write:
            return
        with self.path.open("a", newline="") as lines:
            csv.DictWriter(lines, self.fields).writerows(self.waiting)
        self.waiting = []
        if self.board is not None:
            self.board.flush()


def _board(folder: Path, start: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None  # the CSV says the same
    return SummaryWriter(str(folder), purge_step=start)  # type: ignore[no-untyped-call]
