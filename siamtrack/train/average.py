"""The exponential moving average of a network: steadier than its last step, and what is shipped."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """A moving average of a network's state dict, norms' statistics included.

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
