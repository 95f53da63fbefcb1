"""Mixed precision: which number format the backbone trains in, and the loss scaling that float16 needs."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from siamtrack.tracking.placement import native_bfloat16

Precision = Literal["auto", "float32", "bfloat16", "float16"]

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype | None:
    """The format that autocast uses on a device; None for plain float32.

    `auto` takes bfloat16 where the device computes in it natively, float16 on older GPUs, and float32 elsewhere.
    """
    if precision == "auto":
        older = torch.float16 if device.type == "cuda" else None
        return torch.bfloat16 if native_bfloat16(device) else older
    return _DTYPES.get(precision)


class LossScaler:
    """Multiplies the loss, so that small gradients do not vanish in float16; without `enabled` it does nothing.

    Its factor halves after a step whose gradients overflowed, which is left out, and grows again slowly (arXiv
    1710.03740, section 3.2).

    Args:
        device: a torch device.
        enabled: whether the backbone computes in float16.
    """

    def __init__(self, device: torch.device, enabled: bool) -> None:
        self._scaler = torch.amp.GradScaler(device.type, enabled=enabled)  # type: ignore[attr-defined]

    def scale(self, loss: Tensor) -> Tensor:
        """The loss to call `backward` on."""
        return self._scaler.scale(loss)

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring gradients back to their size, so that they can be clipped."""
        self._scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer, norm: Tensor) -> Tensor:
        """Let the optimiser take its step, unless gradients overflowed.

        Args:
            norm: of the gradients.

        Returns:
            The norm; 0 for a step that was left out while the factor can still go down. A factor below one means that
            the gradients themselves are too large, and then the norm is handed on for the health check to see.
        """
        self._scaler.step(optimizer)
        self._scaler.update()
        if self._scaler.is_enabled() and self._scaler.get_scale() >= 1:
            return torch.where(torch.isfinite(norm), norm, 0.0)
        return norm

    @property
    def factor(self) -> float:
        """The present factor on the loss; 1 where there is no scaling."""
        return float(self._scaler.get_scale())

    def state(self) -> dict[str, Any]:
        """Plain numbers for a checkpoint; empty where there is no scaling."""
        return {key: value for key, value in self._scaler.state_dict().items() if math.isfinite(value)}

    def load(self, state: dict[str, Any]) -> None:
        """Go on with a checkpoint's factor."""
        if state:
            self._scaler.load_state_dict(state)
