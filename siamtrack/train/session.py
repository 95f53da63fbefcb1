"""From a recipe file to a weights file: what `siamtrack train` runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from siamtrack.backends.select import pick_device
from siamtrack.config import build, load_yaml, to_plain
from siamtrack.errors import ConfigError
from siamtrack.model.weights import WeightsHeader, save_weights, shipped_settings
from siamtrack.models import default_input
from siamtrack.system import read_text, usable_cores
from siamtrack.train.bookkeeping import StepReport
from siamtrack.train.crops import CropStore, PairStore
from siamtrack.train.distributed import Group, joined
from siamtrack.train.loop import train
from siamtrack.train.prepare import open_store
from siamtrack.train.preview import write_preview
from siamtrack.train.recipe import Recipe, SourceConfig
from siamtrack.train.soft_targets import SoftTeachers
from siamtrack.train.synthesis import KIND as MASKS
from siamtrack.train.synthesis import Synthesis
from siamtrack.train.task import N, Task, Validate
from siamtrack.train.tracker_task import tracker_task, tracking_validation

MAX_LOADERS = 16
"""Each keeps four batches ready, and maps the crops for itself."""


class Watcher(Protocol):
    """Is told how a session goes on."""

    def cropping(self, track: str) -> None:
        """A track's crops are being made."""

    def checking(self, item: str) -> None:
        """A labelled item is being opened."""

    def left_out(self, lines: list[str]) -> None:
        """Data that is not used, one line each with its reason. Called before the first step, if there is any."""

    def step(self, report: StepReport, total: int) -> None:
        """A step of `total` is done."""


@dataclass(frozen=True)
class TrainSession:
    """What the command line says of a session; see `siamtrack train --help`.

    Attributes:
        data: folder that the recipe's paths are relative to; for a verifier, the folder of classes or the CSV of pairs.
        out: folder of the run.
        cache: folder of the crops; None for `out / "crops"`.
        device, stop_after: as for `loop.train`.
        workers: processes that load data, beside each one that trains; None for as many as `loading_processes` says.
    """

    data: Path
    out: Path
    cache: Path | None = None
    device: str = "auto"
    workers: int | None = None
    stop_after: int | None = None


def train_from_config(recipe_path: Path, session: TrainSession, watcher: Watcher) -> Path:
    """Train a tracker by a YAML recipe and export the weights. Under torchrun, one call in each process.

    Returns:
        The path of `model.safetensors` in the run's folder.

    Raises:
        ConfigError, DataError, FileNotFoundError: as the parts raise them.
    """
    recipe = read_recipe(recipe_path)
    device = pick_device(session.device)
    with joined(device) as group:
        where = device_of(group, device)
        stores = _stores(recipe, session, watcher, group)
        task = tracker_task(recipe, stores, where, group, open_soft_teachers(recipe, session.data))
        net = run_task(task, session, device, watcher, tracking_validation(recipe, session.data, where, group), group)
        path = session.out / "model.safetensors"
        if group.is_main:
            header = WeightsHeader(
                model=recipe.model,
                head=recipe.head,
                input=default_input(recipe.model, recipe.color_order),
                tracker=shipped_settings(recipe.model),
                training={
                    "data": [f"{source.path} x{source.weight:g}" for source in recipe.sources],
                    "recipe": {**to_plain(recipe), "init": Path(recipe.init).name},  # where it lay says nothing to others
                    "steps": min(recipe.steps, session.stop_after or recipe.steps),
                    "torch": torch.__version__,
                },
            )
            save_weights(path, net.cpu().state_dict(), header)
        group.barrier()
    return path


def run_task(
    task: Task[N], session: TrainSession, device: torch.device, watcher: Watcher, validate: Validate | None, group: Group
) -> N:
    """`loop.train` as a session wants it."""
    workers, steps = loading_processes(session.workers, device), task.schedule.steps
    where, stop = device_of(group, device), session.stop_after
    return train(task, session.out, where, workers, stop, lambda report: watcher.step(report, steps), validate, group)


def loading_processes(asked: int | None, device: torch.device) -> int:
    """Processes that load data, beside each one that trains.

    One beside a CPU, whose cores the training itself needs; beside a GPU its share of the cores, less one for the loop, and
    no more than `MAX_LOADERS`.
    """
    if asked is not None:
        return asked
    if device.type != "cuda":
        return 1
    share = usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(share - 1, MAX_LOADERS))


def device_of(group: Group, device: torch.device) -> str:
    """The device of this process: of several GPUs, its own."""
    return f"cuda:{group.local_rank}" if device.type == "cuda" and group.size > 1 else str(device)


def preview_from_config(recipe_path: Path, session: TrainSession, picture: Path, watcher: Watcher) -> Path:
    """Draw the views of a recipe's first step into `picture` instead of training; errors as of `train_from_config`."""
    recipe = read_recipe(recipe_path)
    write_preview(picture, recipe, _stores(recipe, session, watcher, Group()))
    return picture


def read_recipe(path: Path) -> Recipe:
    """A tracker's recipe; a ConfigError or FileNotFoundError if it cannot be read, or names no source."""
    recipe = build(Recipe, load_yaml(path), str(path))
    sources = tuple(replace(source, exclude=_patterns(source.exclude, path.parent)) for source in recipe.sources)
    recipe = replace(recipe, sources=sources)
    if not recipe.sources:
        raise ConfigError(f"{path}: no sources; name at least one folder of sequences or .tar of stills")
    return recipe


def _patterns(words: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Patterns, where `@FILE` stands for the lines of a file, without its comments; the file's path is relative to `folder`."""
    found: list[str] = []
    for word in words:
        lines = read_text(folder / word[1:]).splitlines() if word.startswith("@") else [word]
        found += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return tuple(found)


def open_soft_teachers(recipe: Recipe, data: Path) -> SoftTeachers | None:
    """Who gives soft targets, if the recipe wants any: NanoTrackV2 if it names nobody; its path is relative to `data`."""
    if not recipe.soft_teacher:
        return None
    return SoftTeachers(data / recipe.soft_teacher, recipe.soft_teachers or ("nanotrackv2",), recipe.color_order)


def open_source(
    source: SourceConfig, data: Path, cache: str | Path, progress: Callable[[str], None] = lambda _: None
) -> PairStore:
    """Where a recipe's pairs come from; its path is relative to `data`, and errors are as of `open_store` and `Synthesis`."""
    if source.kind == MASKS:
        return Synthesis(data / source.path)
    return open_store(data / source.path, cache, progress, source.kind, source.exclude)


def _stores(recipe: Recipe, session: TrainSession, watcher: Watcher, group: Group) -> list[PairStore]:
    """The crops of every source. One process makes what is missing, the others wait for it."""
    cache = session.cache or session.out / "crops"
    if not group.is_main:
        group.barrier()
    stores = [open_source(source, session.data, cache, watcher.cropping) for source in recipe.sources]
    if group.is_main:
        group.barrier()
        cut = [store.report for store in stores if isinstance(store, CropStore)]
        bad = [f"{Path(report.source).name}/{item.name}: {item.reason}" for report in cut for item in report.bad]
        if bad:
            watcher.left_out(bad)
    return stores
