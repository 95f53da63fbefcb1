"""A function of fixed inputs, run again and again: by a CUDA graph on a GPU, as it is on a CPU."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

Key = TypeVar("Key")

WARM_UP = 3
"""Runs before a capture: libraries choose their algorithms and take their workspaces in the first."""

_CAPTURING = threading.Lock()
"""A process may capture one graph at a time."""


class Replay(Generic[Key]):
    """Runs a function, one captured graph a key.

    Args:
        function: reads tensors that stay where they are, and waits for no value on the device. Its shapes may depend on
            the key and on nothing else.
        device: on which it runs.
    """

    def __init__(self, function: Callable[[Key], Tensor], device: torch.device) -> None:
        self._function, self._device = function, device
        self._captured: dict[Key, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        if device.type == "cuda":
            # One pool for all graphs: no two run at a time, and what one gives is read before another runs.
            self._pool = torch.cuda.graph_pool_handle()
            self._stream = torch.cuda.Stream(device)

    def __call__(self, key: Key) -> Tensor:
        """The function's result; on CUDA it is overwritten by the next call, and the device may still be computing it."""
        if self._device.type != "cuda":
            return self._function(key)
        if key not in self._captured:
            self._captured[key] = self._capture(key)
        graph, result = self._captured[key]
        graph.replay()
        return result

    def _capture(self, key: Key) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        graph = torch.cuda.CUDAGraph()
        with _CAPTURING, torch.cuda.device(self._device):
            before = torch.cuda.current_stream(self._device)
            self._stream.wait_stream(before)
            with torch.cuda.stream(self._stream):
                for _ in range(WARM_UP):
                    self._function(key)
            before.wait_stream(self._stream)
            # thread_local: another thread may go on using the GPU meanwhile, as a live page's does.
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                result = self._function(key)
        return graph, result
