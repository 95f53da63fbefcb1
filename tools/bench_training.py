#!/usr/bin/env python3
"""How fast a recipe trains on this machine, and how much of the time the device has something to do.

    tools/bench_training.py siamfc-lite --data ROOT --cache crops --workers 4 8 14
    tools/bench_training.py siamfc-lite --data ROOT --cache crops --device cpu --workers 0 1 2

For each number of loading processes the recipe's largest views go through the trainer's own loop, in a folder that is
thrown away; nothing is validated or kept. Columns: views a second (median step; the first fifth of the steps is left out);
the share of the time in which the loop waited for its batch; the views a second of one batch shown again and again, which
no loading can beat (on a CPU the loading takes its share of the same cores); and on CUDA the share of the time in which
a kernel or a copy ran, by torch.profiler, which itself slows a step a little. JSON follows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import Dataset

from siamtrack.backends.select import pick_device
from siamtrack.config import find_recipe
from siamtrack.train.bookkeeping import StepReport
from siamtrack.train.loop import train
from siamtrack.train.pairs import Batch
from siamtrack.train.recipe import Recipe
from siamtrack.train.session import loading_processes, open_soft_teachers, open_source, read_recipe
from siamtrack.train.task import Task
from siamtrack.train.tracker_task import tracker_task

WARM_UP = 0.2
"""Share of the steps, and of the profiled time, that is left out: starting processes, choosing kernels."""


@dataclass(frozen=True)
class Measured:
    """One row: see the tool's help. `busy` is None where there is no CUDA."""

    workers: int
    views_per_s: float
    waited: float
    views_per_s_without_loading: float
    busy: float | None


class OneBatch(Dataset[Batch]):
    """The first batch, whatever the step."""

    def __init__(self, batches: Dataset[Batch], steps: int) -> None:
        self.batch, self.steps = batches[0], steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        return self.batch


def main() -> None:
    """Measure every number of workers, then print the table and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a YAML file, or the name of one in configs/")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="crops; made if missing, which is not measured")
    parser.add_argument("--workers", type=int, nargs="+", default=None, help="default: as many as `siamtrack train` takes")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()

    recipe = as_measured(read_recipe(find_recipe(args.recipe)), args.steps)
    device = pick_device(args.device)
    stores = [open_source(item, args.data, args.cache) for item in recipe.sources]
    teachers = open_soft_teachers(recipe, args.data)

    def run(workers: int, repeat: bool) -> tuple[list[StepReport], float | None]:
        task = tracker_task(recipe, stores, str(device), soft_teachers=teachers)
        if repeat:
            task = replace(task, batches=OneBatch(task.batches, recipe.steps))
        return steps_of(task, device, workers)

    bound, _ = run(0, repeat=True)
    rows = []
    for workers in args.workers or [loading_processes(None, device)]:
        reports, busy = run(workers, repeat=False)
        rows.append(Measured(workers, rate(reports), waited(reports), rate(bound), busy))
        print(f"{workers} workers: done", flush=True)
    Console(width=120).print(table(rows, recipe, device))
    print(json.dumps([asdict(row) for row in rows]))


def as_measured(recipe: Recipe, steps: int) -> Recipe:
    """The recipe cut to so many steps of its largest views, without validation, averaging as it does."""
    size = max(recipe.search_size, recipe.search_size_start)
    return replace(
        recipe,
        steps=steps,
        epoch_steps=steps,
        warmup_steps=min(recipe.warmup_steps, steps),
        search_size=size,
        search_size_start=size,
        validation=None,
    )


def steps_of(task: Task[Any], device: torch.device, workers: int) -> tuple[list[StepReport], float | None]:
    """What each step reported, and the share of the time in which the GPU was busy."""
    reports: list[StepReport] = []
    with tempfile.TemporaryDirectory() as folder:
        if device.type != "cuda":
            train(task, folder, str(device), workers, report=reports.append)
            return reports, None
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            train(task, folder, str(device), workers, report=reports.append)
            torch.cuda.synchronize(device)
    events: Iterable[Any] = profiler.events() or ()
    spans = [(item.time_range.start, item.time_range.end) for item in events if item.device_type.name == "CUDA"]
    return reports, busy_share(spans)


def busy_share(spans: Iterable[tuple[float, float]]) -> float | None:
    """Share of the time from `WARM_UP` of the way to the last end in which at least one span runs; None without spans."""
    ordered = sorted(spans)
    if not ordered:
        return None
    last = max(end for _, end in ordered)
    begin = ordered[0][0] + WARM_UP * (last - ordered[0][0])
    covered, reached = 0.0, begin
    for start, end in ordered:
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered / (last - begin)


def after_warm_up(reports: list[StepReport]) -> list[StepReport]:
    """The steps that count."""
    return reports[int(WARM_UP * len(reports)) :]


def rate(reports: list[StepReport]) -> float:
    """Views a second of the median step."""
    return float(np.median([report.pairs_per_s for report in after_warm_up(reports)]))


def waited(reports: list[StepReport]) -> float:
    """Share of all the steps' time in which there was no batch."""
    seconds = np.array([1 / report.pairs_per_s for report in after_warm_up(reports)])
    return float((seconds * [report.waited for report in after_warm_up(reports)]).sum() / seconds.sum())


def table(rows: list[Measured], recipe: Recipe, device: torch.device) -> Table:
    """One line a number of workers."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    title = f"{recipe.model} on {name}: {recipe.batch_size} views of {recipe.search_size} px a step, {recipe.steps} steps"
    result = Table("workers", "views/s", "waits for data", "views/s, one batch again and again", "GPU busy", title=title)
    for row in rows:
        busy = "-" if row.busy is None else f"{row.busy:.0%}"
        bound = f"{row.views_per_s_without_loading:.0f}"
        result.add_row(str(row.workers), f"{row.views_per_s:.0f}", f"{row.waited:.0%}", bound, busy)
    return result


if __name__ == "__main__":
    main()
