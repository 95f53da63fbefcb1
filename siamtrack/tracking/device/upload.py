"""A tensor at a fixed place on the device that is filled from the host, as a captured graph needs its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class Upload:
    """An input of captured graphs.

    On CUDA the host writes into page-locked memory, which the device reads by itself; else it writes into the tensor.

    Args:
        shape: of the tensor. dtype: likewise. device: where it is.

    Attributes:
        tensor: always the same memory.
    """

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self.tensor = torch.zeros(shape, dtype=dtype, device=device)
        self._staging = torch.zeros(shape, dtype=dtype, pin_memory=True) if self._cuda else self.tensor
        self._host: NDArray[Any] = self._staging.numpy()
        self._sent = torch.cuda.Event() if self._cuda else None

    def put(self, values: NDArray[Any]) -> None:
        """Fill the first `len(values)` rows. The device may still be reading them on return, the caller's array is free.

        Raises:
            ValueError: the rows have another shape than the tensor's.
        """
        count = len(values)
        if values.shape[1:] != self._host.shape[1:] or count > len(self._host):
            raise ValueError(f"values are {values.shape}; they must fit into {self._host.shape}")
        if self._sent is not None:
            self._sent.synchronize()  # of the last time: it may still be on its way
        np.copyto(self._host[:count], values)
        if self._sent is not None:
            self.tensor[:count].copy_(self._staging[:count], non_blocking=True)
            self._sent.record(torch.cuda.current_stream(self.tensor.device))
