"""Ends a run that has gone bad, and says what went bad first."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import nn

from siamtrack.errors import SiamtrackError
from siamtrack.train.schedule import Schedule


def check_health(
    step: int, loss: float, gradient_norm: float, parts: dict[str, float], module: nn.Module, recipe: Schedule, checkpoint: Path
) -> None:
    """Nothing, if the numbers of a step are finite.

    Raises:
        SiamtrackError: they are not; the message names the step, the part of the loss, the tensor, and what to do.
    """
    if math.isfinite(loss) and math.isfinite(gradient_norm):
        return
    what = (
        f"loss is {loss}" if not math.isfinite(loss) else f"the loss is {loss:.4g}, but its gradient's norm is {gradient_norm}"
    )
    bad_parts = [key for key, value in parts.items() if not math.isfinite(value)]
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
        f"{what} at step {step} ({'; '.join(causes)}); lower lr ({recipe.lr:g}) or clip_norm ({recipe.clip_norm:g}), "
        f"or train with precision: float32; {kept}"
    )
