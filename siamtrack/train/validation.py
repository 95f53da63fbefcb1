"""Periodic validation by what counts: real tracking of whole sequences."""

from __future__ import annotations

from pathlib import Path

import torch

from siamtrack.config import build
from siamtrack.data.layout import find_sequences
from siamtrack.errors import ConfigError
from siamtrack.eval.evaluate import evaluate, subset
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import shipped_settings
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.tracker import Tracker
from siamtrack.train.distributed import ALONE, Group
from siamtrack.train.recipe import Recipe
from siamtrack.train.task import Validate


def tracking_validation(recipe: Recipe, data: Path, device: str, group: Group = ALONE) -> Validate | None:
    """A function that tracks the recipe's validation sequences with a network; None if the recipe names none.

    The sequences are dealt out to the processes of the group.

    Raises:
        ConfigError: a validation folder that is also trained on.
        FileNotFoundError, DataError: as the reader raises them.
    """
    chosen = recipe.validation
    if chosen is None:
        return None
    root = (data / chosen.path).resolve()
    for source in recipe.sources:
        if (data / source.path).resolve() == root:
            raise ConfigError(f"validation path {chosen.path} is also a training source; validate on sequences held out")
    sequences = subset(find_sequences(root), chosen.only)[group.rank :: group.size]
    settings = build(TrackerConfig, {**shipped_settings(recipe.model), "redetect": False}, warn=False)

    def validate(net: Siamese) -> dict[str, float]:
        tracker = Tracker(Engine(net, device), settings)
        sums = torch.zeros(4, dtype=torch.float64)
        for run in evaluate(tracker, sequences, chosen.frames or None):
            overlaps = torch.from_numpy(run.overlaps)
            sums += torch.stack(
                [overlaps.sum(), (overlaps > 0.5).sum().double(), (overlaps > 0.75).sum().double(), torch.tensor(len(overlaps))]
            )
        sums = group.mean(sums.float().to(device)).cpu().double() if group.size > 1 else sums
        ao, sr50, sr75 = (sums[:3] / sums[3].clamp(min=1)).tolist()
        return {"ao": ao, "sr50": sr50, "sr75": sr75}

    return validate
