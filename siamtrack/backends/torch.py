"""PyTorch (extra `torch`): CUDA, where a frame's whole way to its maps is one captured graph, and the CPU in any precision."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.backends.torch_crop import FIELDS, Sampling, cut_crops, sum_table
from siamtrack.errors import SiamtrackError
from siamtrack.frames import Image
from siamtrack.model.graphs import make_graphs
from siamtrack.model.siamese import Siamese, exemplar_cells
from siamtrack.system import network_threads
from siamtrack.tracking.network import Floats, Network, Response, Search

Result = TypeVar("Result")

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Searches in a pass: their number is padded to one of these, so that few captured graphs serve any number."""

WARM_UP = 3
"""Runs before a capture: libraries choose their algorithms and take their workspaces in the first."""

_CAPTURING = threading.Lock()
"""A process may capture one graph at a time."""


class TorchBackend(Network):
    """Runs the network in PyTorch.

    On a CPU each crop is cut by OpenCV and goes through the network by itself: a grouped convolution of eight takes nearly
    twice the time of eight alone, and rounds otherwise. On CUDA `DevicePass` takes the frame.

    Args:
        net: a trained network; it is copied, not changed. device: a torch device.
        precision: of the backbone; heads compute in float32.
        crops_on_device: whether crops are cut on the device; None for CUDA alone.
    """

    name = "torch"

    def __init__(
        self, net: Siamese, device: torch.device, precision: str = "float32", crops_on_device: bool | None = None
    ) -> None:
        super().__init__(net.model, str(device), precision)
        self._device, self._pid = device, os.getpid()
        self._thread: ThreadPoolExecutor | None = None
        if device.type == "cpu":
            torch.set_num_threads(network_threads())
        graphs = {name: graph.to(device) for name, graph in make_graphs(net, getattr(torch, precision)).items()}
        self._embed, self._kernel, self._head = graphs["embed"], graphs.get("kernel"), graphs.get("box", graphs["match"])
        self._crops_on_device = device.type == "cuda" if crops_on_device is None else crops_on_device
        self._pass = DevicePass(self._maps, device) if self._crops_on_device else None

    def embed_exemplar(self, crop: Image) -> tuple[Floats, Floats | None]:
        """Embedding (C, 6, 6), and kernel (c, 4, 4) where there is a box head."""
        return self._here(self._embed_exemplar, crop)

    def respond(self, image: Image, searches: Sequence[Search]) -> list[Response]:
        """All searches of one crop size in one pass on CUDA, one by one on a CPU."""
        return self._here(self._respond, image, searches)

    def _here(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Do some work in this process, which may be a fork of the one that made the backend.

        A fork's child has none of the threads of OpenMP that its parent computes with, and the thread that forked would wait
        for them for ever. A thread that the child starts gets some of its own.

        Raises:
            SiamtrackError: this is a fork's child, to which CUDA memory does not belong.
        """
        if os.getpid() != self._pid:
            if self._device.type == "cuda":
                raise SiamtrackError(
                    "a PyTorch backend on CUDA was used after a fork, which cannot work; load the tracker in the process that "
                    "uses it, or start processes by 'spawn'"
                )
            self._pid, self._thread = os.getpid(), ThreadPoolExecutor(1)
        if self._thread is not None:
            return self._thread.submit(work, *arguments).result()
        return work(*arguments)

    @torch.inference_mode()
    def _embed_exemplar(self, crop: Image) -> tuple[Floats, Floats | None]:
        with self._clocked():
            exemplar = exemplar_cells(self._embed(torch.from_numpy(crop[None]).to(self._device)))
            learned = [exemplar] if self._kernel is None else [exemplar, self._kernel(exemplar)]
            # In one order of memory, also after pickling: sums depend on it.
            embedding, *kernel = (np.ascontiguousarray(each[0].cpu().numpy()) for each in learned)
            return embedding, kernel[0] if kernel else None

    @torch.inference_mode()
    def _respond(self, image: Image, searches: Sequence[Search]) -> list[Response]:
        if self._pass is not None:
            with self._clocked():
                return self._pass.respond(image, searches)
        crops = [search.region.extract(image, search.pad_color) for search in searches]
        with self._clocked():
            return [self._one(crop, search) for crop, search in zip(crops, searches, strict=True)]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pass": None, "_thread": None}  # they belong to this process

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _pid=os.getpid())
        self._pass = DevicePass(self._maps, self._device) if self._crops_on_device else None

    def _one(self, crop: Image, search: Search) -> Response:
        exemplar, kernel, size_wh = (torch.from_numpy(each).to(self._device) for each in exemplar_arrays(search))
        maps = self._maps(torch.from_numpy(crop[None]).to(self._device), exemplar[None], kernel[None], size_wh[None])
        return Response.of([each[0].cpu().numpy() for each in maps])

    def _maps(self, crops: Tensor, exemplar: Tensor, kernel: Tensor, size_wh: Tensor) -> tuple[Tensor, ...]:
        """Response logits (N, n, n), and the box head's maps if there is one, of crops (N, S, S, 3).

        Args:
            exemplar: (N, C, 6, 6). kernel: (N, c, 4, 4), anything without a box head. size_wh: (N, 2).
        """
        search = self._embed(crops)
        if self._kernel is None:
            return (self._head(exemplar, search),)
        maps: tuple[Tensor, ...] = self._head(exemplar, kernel, search, size_wh)
        return maps


def exemplar_arrays(search: Search) -> tuple[Floats, Floats, Floats]:
    """Embedding (C, 6, 6), kernel (c, 4, 4), empty without a box head, and size (2,) of what is searched for."""
    exemplar = search.exemplar
    return exemplar.embedding, np.zeros(0, np.float32) if exemplar.kernel is None else exemplar.kernel, exemplar.size_wh


class DevicePass:
    """From a frame to response maps on the device: upload, crops and network in one function of fixed inputs.

    On CUDA the function is captured once a crop size and padded number of searches, and replayed; two captures if some
    region is so large that its crop must be averaged. A capture takes a good part of a second; all are dropped when frames
    of another size come. On a CPU the same function runs as it is, for tests.

    Args:
        maps: crops (N, S, S, 3), exemplars, kernels and sizes to maps. device: on which they run.
    """

    def __init__(self, maps: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, ...]], device: torch.device) -> None:
        self._maps, self._device = maps, device
        self._samplings = FixedInput((BATCHES[-1], FIELDS), torch.float64, device)
        self._frame = FixedInput((1, 1, 3), torch.uint8, device)
        self._exemplars: list[FixedInput] = []
        self._held: list[Any] = []
        self._captured: dict[tuple[int, int, bool], tuple[Any, tuple[Tensor, ...]]] = {}
        if device.type == "cuda":
            # One pool for all graphs: no two run at a time, and what one gives is read before another runs.
            self._pool = torch.cuda.graph_pool_handle()
            self._stream = torch.cuda.Stream(device)

    def respond(self, image: Image, searches: Sequence[Search]) -> list[Response]:
        """What the network says of each search; one upload of the frame, one copy back a pass."""
        if tuple(self._frame.tensor.shape) != image.shape:
            self._captured.clear()
            self._frame = FixedInput(image.shape, torch.uint8, self._device)
        self._frame.put(image)
        found: dict[int, Response] = {}
        for size in sorted({search.region.size for search in searches}):
            chosen = [i for i, search in enumerate(searches) if search.region.size == size]
            for first in range(0, len(chosen), BATCHES[-1]):
                part = chosen[first : first + BATCHES[-1]]
                found.update(zip(part, self._batch(size, [searches[i] for i in part], image), strict=True))
        return [found[i] for i in range(len(searches))]

    def _batch(self, size: int, searches: Sequence[Search], image: Image) -> list[Response]:
        frame_wh = (image.shape[1], image.shape[0])
        samplings = [Sampling.of(search.region, frame_wh, search.pad_color) for search in searches]
        count = next(batch for batch in BATCHES if batch >= len(searches))
        # The last search again in the slots that are left: any would do, nobody reads what comes of it.
        spare = count - len(searches)
        self._samplings.put(np.array(samplings + samplings[-1:] * spare, np.float64))
        self._hold([*searches, *[searches[-1]] * spare])
        maps = self._replay((size, count, any(sampling.factor > 1 for sampling in samplings)))
        arrays = [each.cpu().numpy() for each in maps]
        return [Response.of([each[i] for each in arrays]) for i in range(len(searches))]

    def _hold(self, searches: Sequence[Search]) -> None:
        """Put exemplars into the first slots; those that are there already cost nothing."""
        exemplars = [search.exemplar for search in searches]
        if len(self._held) >= len(exemplars) and all(a is b for a, b in zip(self._held, exemplars, strict=False)):
            return
        arrays = [np.stack(each) for each in zip(*map(exemplar_arrays, searches), strict=True)]
        if [upload.tensor.shape[1:] for upload in self._exemplars] != [array.shape[1:] for array in arrays]:
            self._captured.clear()
            self._exemplars = [FixedInput((BATCHES[-1], *array.shape[1:]), torch.float32, self._device) for array in arrays]
        for upload, array in zip(self._exemplars, arrays, strict=True):
            upload.put(array)
        self._held = exemplars

    def _function(self, key: tuple[int, int, bool]) -> tuple[Tensor, ...]:
        """All that happens on the device, for a crop size and a number of searches, with or without averaging of blocks."""
        size, count, averaged = key
        frame = self._frame.tensor
        crops = cut_crops(frame, self._samplings.tensor[:count], size, sum_table(frame) if averaged else None)
        return self._maps(crops, *(upload.tensor[:count] for upload in self._exemplars))

    def _replay(self, key: tuple[int, int, bool]) -> tuple[Tensor, ...]:
        """The function's results; on CUDA they are overwritten by the next call."""
        if self._device.type != "cuda":
            return self._function(key)
        if key not in self._captured:
            self._captured[key] = self._capture(key)
        graph, results = self._captured[key]
        graph.replay()
        return results

    def _capture(self, key: tuple[int, int, bool]) -> tuple[Any, tuple[Tensor, ...]]:
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
                results = self._function(key)
        return graph, results


class FixedInput:
    """A tensor at a fixed place on the device that is filled from the host, as a captured graph needs its inputs.

    On CUDA the host writes into page-locked memory, which the device reads by itself; else it writes into the tensor.

    Args:
        shape: of the tensor. dtype: likewise. device: where it is.

    Attributes:
        tensor: always the same memory.
    """

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
        cuda = device.type == "cuda"
        self.tensor = torch.zeros(shape, dtype=dtype, device=device)
        self._staging = torch.zeros(shape, dtype=dtype, pin_memory=True) if cuda else self.tensor
        self._host: NDArray[Any] = self._staging.numpy()
        self._sent = torch.cuda.Event() if cuda else None

    def put(self, values: NDArray[Any]) -> None:
        """Fill the first `len(values)` rows. The device may still be reading them on return, the caller's array is free."""
        count = len(values)
        if self._sent is not None:
            self._sent.synchronize()  # of the last time: it may still be on its way
        np.copyto(self._host[:count], values)
        if self._sent is not None:
            self.tensor[:count].copy_(self._staging[:count], non_blocking=True)
            self._sent.record(torch.cuda.current_stream(self.tensor.device))
