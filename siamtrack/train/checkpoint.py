"""Checkpoints of a training run: tensors and plain data, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from siamtrack.config import to_plain
from siamtrack.errors import ConfigError
from siamtrack.train.schedule import Schedule

CHECKPOINT = "checkpoint.pt"


def load_checkpoint(path: Path, recipe: Schedule) -> dict[str, Any] | None:
    """The state to go on from, or None where no run was started.

    Raises:
        ConfigError: the run was started with another recipe; the message names the keys that differ.
    """
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    was, now = state["recipe"], to_plain(recipe)
    changed = sorted(key for key in now if now[key] != was.get(key))
    if changed:
        raise ConfigError(f"{path} was made with other values of {', '.join(changed)}; give another --out, or the old recipe")
    return state


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint by a newer one."""
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    os.replace(partial, path)
