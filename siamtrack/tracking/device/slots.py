"""What was learned of the targets, at fixed places on the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from siamtrack.tracking.locator import Exemplar


class ExemplarSlots:
    """Room for a number of exemplars. One that stays where it is costs nothing; one that comes is copied once.

    Args:
        count: how many there is room for. The memory is taken when the first comes and says how large they are.
        device: where to.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self._count, self._device = count, device
        self._held: list[Exemplar | None] = [None] * count
        self._embedding = self._kernel = torch.empty(0)

    def hold(self, exemplars: Sequence[Exemplar]) -> None:
        """Put exemplars into the first slots, in their order.

        Raises:
            ValueError: more than there are slots, or one of another shape than the first that ever came.
        """
        if len(exemplars) > self._count:
            raise ValueError(f"{len(exemplars)} exemplars for {self._count} slots; give fewer at a time")
        for slot, exemplar in enumerate(exemplars):
            if self._held[slot] is exemplar:
                continue
            if not len(self._embedding):
                self._embedding, self._kernel = (self._room(each) for each in (exemplar.embedding, exemplar.kernel))
            for room, tensor in ((self._embedding, exemplar.embedding), (self._kernel, exemplar.kernel)):
                if room.shape[1:] != tensor.shape[1:]:
                    raise ValueError(
                        f"an exemplar holds {tuple(tensor.shape[1:])}, the others {tuple(room.shape[1:])}; "
                        "learn all targets of a locator with the same model and settings"
                    )
                room[slot].copy_(tensor[0])
            self._held[slot] = exemplar

    def first(self, count: int) -> tuple[Tensor, Tensor]:
        """Embeddings (count, K, C, 6, 6) and kernels (count, c, 4, 4) or (count, 0); the same memory at every call."""
        return self._embedding[:count], self._kernel[:count]

    def _room(self, tensor: Tensor) -> Tensor:
        return torch.zeros((self._count, *tensor.shape[1:]), dtype=tensor.dtype, device=self._device)
