"""From a recipe file to a weights file: what `siamtrack train` runs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from siamtrack.config import build, load_yaml, to_plain
from siamtrack.model.siamese import InputSpec
from siamtrack.model.weights import WeightsHeader, save_weights
from siamtrack.tracking.engine import pick_device
from siamtrack.train.crops import open_store
from siamtrack.train.loop import StepReport, train
from siamtrack.train.recipe import Recipe


class Watcher(Protocol):
    """Is told how a session goes on."""

    def cropping(self, track: str) -> None:
        """A track's crops are being made."""

    def step(self, report: StepReport, total: int) -> None:
        """A step of `total` is done."""


def train_from_config(
    recipe_path: Path,
    data: Path,
    out: Path,
    cache: Path | None,
    device: str,
    workers: int,
    stop_after: int | None,
    watcher: Watcher,
) -> Path:
    """Train by a YAML recipe and export the weights.

    Returns:
        The path of `model.safetensors` in `out`.

    Raises:
        ConfigError, DataError, FileNotFoundError: as the parts raise them.
    """
    recipe = build(Recipe, load_yaml(recipe_path), str(recipe_path))
    if not recipe.sources:
        raise ValueError(f"{recipe_path}: no sources; name at least one folder of sequences or .tar of stills")
    stores = [open_store(data / source.path, cache or out / "crops", watcher.cropping) for source in recipe.sources]
    net = train(
        recipe,
        stores,
        out,
        str(pick_device(device)),
        workers=workers,
        stop_after=stop_after,
        report=lambda report: watcher.step(report, recipe.steps),
    )
    header = WeightsHeader(
        model=recipe.model,
        input=InputSpec(color_order=recipe.color_order),
        training={
            "data": [f"{source.path} x{source.weight:g}" for source in recipe.sources],
            "recipe": to_plain(recipe),
            "steps": min(recipe.steps, stop_after or recipe.steps),
        },
    )
    path = out / "model.safetensors"
    save_weights(path, net, header)
    return path
