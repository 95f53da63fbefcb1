"""Runs the network for the tracker: crops in, embeddings and response maps out, on one device, by one of several runtimes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.errors import ConfigError
from siamtrack.frames import Image
from siamtrack.model.siamese import Siamese
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.placement import PRECISIONS, TORCH_RUNTIMES, place
from siamtrack.tracking.runtimes.compiled import CompiledRuntime
from siamtrack.tracking.runtimes.eager import EagerRuntime
from siamtrack.tracking.runtimes.exported import ExportedGraphs
from siamtrack.tracking.runtimes.exported_folder import FolderGraphs
from siamtrack.tracking.runtimes.graph_runtime import GraphRuntime, Graphs
from siamtrack.tracking.runtimes.onnx import onnx_sessions
from siamtrack.tracking.runtimes.openvino import openvino_sessions
from siamtrack.tracking.runtimes.runtime import BoxResponse, Crops, Runtime

MOST_THREADS = 8
"""Threads of a graph: one crop's maps hold no work for more, and each of them must be woken for every layer."""


class Engine:
    """One network on one device.

    Args:
        net: a trained network; it is copied, not changed.
        device: `auto` (CUDA if there is one, else CPU) or a torch device.
        precision: `auto`, float32, bfloat16 or float16, of the backbone. The correlation is float32, but in OpenVINO.
        runtime: what runs the graphs: `auto` (see `siamtrack.tracking.placement`), `eager`, `compile` (eager through
            torch.compile), `onnx` or `openvino`, which may both be followed by `:DIR`, a folder that `siamtrack export`
            wrote; or `cuda-graph`, eager with the whole of a frame's way on the GPU (see `siamtrack.tracking.device`).

    Attributes:
        model: name of the architecture. padded: whether its cells depend on where an image ends.
        device, precision, runtime: what was chosen; the precision of an export is its own, such as int8.
        network_s: seconds spent in the network so far (CUDA synchronised), and `network_calls`, for fps figures.

    Raises:
        ValueError: unknown device, precision or runtime, or three that do not go together.
        SiamtrackError: the runtime's package or compiler is not there, or the export is of other weights.
    """

    def __init__(self, net: Siamese, device: str = "auto", precision: str = "auto", runtime: str = "auto") -> None:
        placement = place(net.backbone.dense, device, precision, runtime)
        self.device, self.precision, self.runtime = placement.device, placement.precision, placement.runtime
        self.model, self.padded = net.model, net.backbone.padded
        self._has_box = net.box is not None
        self._runtime = self._make(net)
        self.network_s = 0.0
        self.network_calls = 0

    def _make(self, net: Siamese) -> Runtime:
        name, _, folder = self.runtime.partition(":")
        if name in TORCH_RUNTIMES:
            kind = CompiledRuntime if name == "compile" else EagerRuntime
            return kind(net, self.device, PRECISIONS[self.precision])
        threads = min(torch.get_num_threads(), MOST_THREADS)
        sessions = onnx_sessions(threads) if name == "onnx" else openvino_sessions(threads, self.precision)
        graphs: Graphs = ExportedGraphs(net)
        if folder:
            graphs = exported = FolderGraphs(Path(folder), net)
            self.precision = exported.about.precision
        return GraphRuntime(graphs, sessions)

    @property
    def graphs(self) -> Mapping[str, nn.Module]:
        """The graphs of `siamtrack.model.graphs` by name, on the device, for who runs them by himself.

        Raises:
            ConfigError: the runtime has none as PyTorch modules.
        """
        if not isinstance(self._runtime, EagerRuntime):
            raise ConfigError(f"runtime {self.runtime!r} has no PyTorch graphs; use eager or cuda-graph")
        return self._runtime.graphs

    def prepare(self, config: TrackerConfig) -> None:
        """Make ready what a tracker needs, at every size of its search region: else the first loss would be a pause."""
        self._runtime.prepare("box" if config.scale_search == "box" else "match", config.sizes)

    def embed(self, crops: Sequence[Image]) -> Tensor:
        """Embeddings (N, C, h, w), float32, of N crops (S, S, 3) BGR uint8."""
        started = time.perf_counter()
        embedding = self._runtime.embed(_batch(crops))
        self._clock(started)
        return embedding

    def box_kernel(self, exemplar: Tensor) -> Tensor:
        """The box head's kernel (N, c, 4, 4) of exemplar embeddings (N, C, 6, 6)."""
        self._require_box()
        return self._runtime.kernel(exemplar)

    def match(self, exemplar: Tensor, crops: Sequence[Image]) -> NDArray[np.float32]:
        """Response logits (N, K, n, n) of exemplars (N, K, C, h, w) over N search crops (S, S, 3) BGR uint8."""
        started = time.perf_counter()
        response = self._runtime.match(exemplar, _batch(crops))
        self._clock(started)
        return response

    def match_box(self, exemplar: Tensor, kernel: Tensor, crops: Sequence[Image], exemplar_wh: Tensor) -> list[BoxResponse]:
        """What the box head says of N exemplars over N search crops, each over its own.

        Args:
            exemplar: (N, C, 6, 6). kernel: (N, c, 4, 4) by `box_kernel`. crops: (S, S, 3) BGR uint8.
            exemplar_wh: (N, 2) sizes of the targets in their exemplar crops, pixels.
        """
        self._require_box()
        started = time.perf_counter()
        found = self._runtime.match_box(exemplar, kernel, _batch(crops), exemplar_wh)
        self._clock(started)
        return found

    def _require_box(self) -> None:
        if not self._has_box:
            raise ConfigError("scale_search 'box' needs a model with a box head, such as siamfc-box; or use 'exemplar'")

    def _clock(self, started: float) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.network_s += time.perf_counter() - started
        self.network_calls += 1


def _batch(crops: Sequence[Image]) -> Crops:
    """Crops as one array (N, S, S, 3); one alone is not copied."""
    return np.stack(crops) if len(crops) > 1 else crops[0][None]
