"""The graphs by torch.compile: a search crop's whole way, embedding and head, as one compiled graph for each size."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.errors import ConfigError
from siamtrack.model.siamese import Siamese
from siamtrack.tracking.runtimes.eager import EagerRuntime
from siamtrack.tracking.runtimes.runtime import BoxResponse, Crops

_LONGEST_REASON = 200
"""Characters of what a compiler said that an error repeats."""


class CompiledRuntime(EagerRuntime):
    """Runs what every frame needs compiled, `match` and `box` with the embedding before them; the rest as `EagerRuntime`.

    An exemplar is embedded, and its kernel made, when a target is learned: milliseconds there are not worth the seconds that
    compiling takes. A graph is compiled when its sizes first come up. Inductor keeps what it compiled on disk
    (`TORCHINDUCTOR_CACHE_DIR`), from where the next process has it in a fraction of the time.

    Args:
        net: a trained network; it is copied, not changed.
        device: where to.
        dtype: of the backbone.

    Raises:
        ConfigError: nothing can be compiled here.
    """

    def __init__(self, net: Siamese, device: torch.device, dtype: torch.dtype) -> None:
        require_compiler(str(device))
        super().__init__(net, device, dtype)
        self._compiled: dict[tuple[object, ...], Callable[..., tuple[Tensor, ...]]] = {}

    @torch.inference_mode()
    def match(self, exemplar: Tensor, crops: Crops) -> NDArray[np.float32]:
        """Response logits (N, K, n, n).

        Raises:
            ConfigError: the graph cannot be compiled.
        """
        return np.concatenate([self._find("match", crops[part], exemplar[part])[0] for part in self._parts(len(crops))])

    @torch.inference_mode()
    def match_box(self, exemplar: Tensor, kernel: Tensor, crops: Crops, size_wh: Tensor) -> list[BoxResponse]:
        """What the box head says, one answer an item.

        Raises:
            ConfigError: the graph cannot be compiled.
        """
        found = []
        for part in self._parts(len(crops)):
            maps = self._find("box", crops[part], exemplar[part], kernel[part], size_wh[part])
            found += [BoxResponse(*each) for each in zip(*maps, strict=True)]
        return found

    def _find(self, head: str, crops: Crops, *inputs: Tensor) -> list[NDArray[np.float32]]:
        """A head's outputs over N search crops, from the graph for their sizes, compiled now if it is the first time."""
        # Contiguous: a graph is compiled for how its inputs lie, too.
        tensors = [item.to(self.device).contiguous() for item in padded([torch.from_numpy(crops), *inputs])]
        key = (head, *(item.shape for item in tensors))
        run = self._compiled.get(key)
        if run is None:
            run = compiled(self._way(head), {"freezing": self.device.type == "cpu"})  # not tried on CUDA
            try:
                outputs = run(*tensors)
            except Exception as error:  # whatever the compiler, its cache's folder or Triton have to say
                what = f"{head!r} for crops of {crops.shape[1]} px"
                raise ConfigError(
                    f"runtime 'compile' cannot compile {what} ({_reason(error)}); {_instead(self.device)}"
                ) from None
            self._compiled[key] = run
        else:
            outputs = run(*tensors)
        return [item[: len(crops)].cpu().numpy() for item in outputs]

    def _way(self, head: str) -> Callable[..., tuple[Tensor, ...]]:
        """The whole way of a search crop: embedding and head, as one function."""
        embed, graph = self._graphs["embed"], self._graphs[head]

        def match(crops: Tensor, exemplar: Tensor) -> tuple[Tensor, ...]:
            return (graph(exemplar, embed(crops)),)

        def box(crops: Tensor, exemplar: Tensor, kernel: Tensor, size_wh: Tensor) -> tuple[Tensor, ...]:
            outputs: tuple[Tensor, ...] = graph(exemplar, kernel, embed(crops), size_wh)
            return outputs

        return match if head == "match" else box


def compiled(function: Callable[..., Any], options: dict[str, str | int | bool | Callable[..., Any]]) -> Callable[..., Any]:
    """A function compiled when it is first called, for inputs of one shape. Args: `options` of inductor."""
    assert isinstance(function, FunctionType), "a function written in Python"
    # PyTorch counts by code object what it compiled, and refuses the ninth. So each function gets code of its own.
    own = FunctionType(function.__code__.replace(), function.__globals__, function.__name__, None, function.__closure__)
    run: Callable[..., Any] = torch.compile(own, fullgraph=True, dynamic=False, options=options)
    return run


def padded(tensors: Sequence[Tensor]) -> list[Tensor]:
    """N items as the next power of two of them, the last one again in the room that is left.

    Targets come and go, and each number of them would be compiled anew. One alone, as on a CPU, stays as it is.
    """
    count = len(tensors[0])
    room = (1 << (count - 1).bit_length()) - count
    return [torch.cat([item, item[-1:].expand(room, *item.shape[1:])]) if room else item for item in tensors]


@functools.cache
def require_compiler(device: str) -> None:
    """Compile something small; once a process, where it worked.

    Raises:
        ConfigError: nothing can be compiled for this device.
    """
    # Not from inductor's cache: that it was compiled once does not say that there still is a compiler.
    small = compiled(lambda values: 2 * values + 1, {"fx_graph_cache": False})
    needs = "a C++ compiler such as g++" if torch.device(device).type == "cpu" else "Triton and a C compiler such as gcc"
    try:
        small(torch.ones(64, device=device))
    except Exception as error:  # as above; its own traceback is hundreds of lines of PyTorch
        raise ConfigError(
            f"runtime 'compile' needs {needs}; compiling failed here ({_reason(error)}); {_instead(torch.device(device))}"
        ) from None


def _reason(error: Exception) -> str:
    """One short line of what a compiler said: its first error, or how its output begins."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    line = next((line for line in lines if "error: " in line), lines[0])
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."


def _instead(device: torch.device) -> str:
    return "use auto or onnx" if device.type == "cpu" else "use auto"
