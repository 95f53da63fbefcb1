"""Runs the network for the tracker: crops in, embeddings and response maps out, on one device, by one of several runtimes."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.config import nearest
from siamtrack.errors import ConfigError
from siamtrack.model.siamese import Siamese
from siamtrack.tracking.crop import Image
from siamtrack.tracking.runtimes.compiled import CompiledRuntime
from siamtrack.tracking.runtimes.eager import EagerRuntime
from siamtrack.tracking.runtimes.exported import ExportedGraphs
from siamtrack.tracking.runtimes.exported_folder import FolderGraphs
from siamtrack.tracking.runtimes.graph_runtime import GraphRuntime, Graphs
from siamtrack.tracking.runtimes.onnx import onnx_sessions
from siamtrack.tracking.runtimes.openvino import openvino_sessions
from siamtrack.tracking.runtimes.runtime import BoxResponse, Crops, Runtime
from siamtrack.tracking.settings import TrackerConfig

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
RUNTIMES = ("eager", "compile", "onnx", "openvino", "cuda-graph")
TORCH_RUNTIMES = ("eager", "compile", "cuda-graph")
"""Those that run the graphs as PyTorch modules, on the device and in the precision asked for."""

FASTEST = "fastest"
"""Not a runtime but a question: `siamtrack.tracking.runtimes.fastest` answers it, for one tracker's own sizes."""

MOST_THREADS = 8
"""Threads of a graph: one crop's maps hold no work for more, and each of them must be woken for every layer."""


class Engine:
    """One network on one device.

    Args:
        net: a trained network; it is copied, not changed.
        device: `auto` (CUDA if there is one, else CPU) or a torch device.
        precision: `auto`, float32, bfloat16 or float16, of the backbone. The correlation is always float32.
        runtime: what runs the graphs: `auto` (see `pick_runtime`), `eager`, `compile` (eager through torch.compile), `onnx`
            or `openvino`, which may both be followed by `:DIR`, a folder that `siamtrack export` wrote; or `cuda-graph`,
            eager with the whole of a frame's way on the GPU (see `siamtrack.tracking.device`).

    Attributes:
        model: name of the architecture. padded: whether its cells depend on where an image ends.
        device, precision, runtime: what was chosen; the precision of an export is its own, such as int8.
        network_s: seconds spent in the network so far (CUDA synchronised), and `network_calls`, for fps figures.

    Raises:
        ValueError: unknown device, precision or runtime, or three that do not go together.
        SiamtrackError: the runtime's package or compiler is not there, or the export is of other weights.
    """

    def __init__(self, net: Siamese, device: str = "auto", precision: str = "auto", runtime: str = "auto") -> None:
        self.device = pick_device(device)
        self.precision = pick_precision(precision, self.device, runtime)
        self.runtime = pick_runtime(runtime, self.device, self.precision)
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
        sessions = {"onnx": onnx_sessions, "openvino": openvino_sessions}[name]
        graphs: Graphs = ExportedGraphs(net)
        if folder:
            graphs = exported = FolderGraphs(Path(folder), net)
            self.precision = exported.about.precision
        return GraphRuntime(graphs, sessions(min(torch.get_num_threads(), MOST_THREADS)))

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


def pick_device(device: str) -> torch.device:
    """The torch device for `auto`, `cpu`, `cuda`, `cuda:1`, ...

    Raises:
        ValueError: no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device {device!r} is unknown; use auto, cpu, cuda or cuda:N") from error
    if chosen.type not in ("cpu", "cuda"):
        raise ValueError(f"device {device!r} is not supported; use auto, cpu, cuda or cuda:N")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {device!r} asked for, but {torch.cuda.device_count()} CUDA devices are there; use cpu")
    return chosen


def pick_precision(precision: str, device: torch.device, runtime: str = "auto") -> str:
    """The name of the backbone's dtype: `auto` is bfloat16 where the device computes in it natively, else float32.

    Raises:
        ValueError: unknown name.
    """
    if precision == "auto":
        return "bfloat16" if runtime in ("auto", FASTEST, *TORCH_RUNTIMES) and native_bfloat16(device) else "float32"
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is unknown; use auto, {', '.join(PRECISIONS)}")
    return precision


def pick_runtime(runtime: str, device: torch.device, precision: str) -> str:
    """The name of the runtime: `auto` is onnx for float32 on a CPU, where its packages are installed, else eager.

    A rule, and not a measurement: the same install gives the same boxes today and tomorrow. `siamtrack bench` measures, and
    `fastest` does so by itself, which is why it is no answer here: it takes a tracker to measure.
    On CUDA it is eager: `cuda-graph` was tested on CPUs alone so far, and tools/bench_gpu.py says what it is worth.

    Raises:
        ValueError: unknown name, or a runtime that does not run there.
    """
    if runtime == "auto":
        return "onnx" if device.type == "cpu" and precision == "float32" and _onnx_works() else "eager"
    name, colon, folder = runtime.partition(":")
    if colon and (name not in ("onnx", "openvino") or not folder):
        raise ValueError(f"runtime {runtime!r}: a folder goes with onnx or openvino, as in onnx:exported/lite")
    if runtime == FASTEST:
        raise ValueError(
            f"runtime {FASTEST!r} is measured while a tracker is loaded (siamtrack.load, siamtrack track); "
            "here use auto, or the runtime that it found"
        )
    if name not in RUNTIMES:
        raise ValueError(f"runtime {runtime!r} is unknown; {nearest(name, ('auto', FASTEST, *RUNTIMES))}")
    if runtime == "cuda-graph" and device.type != "cuda":
        raise ValueError(f"runtime 'cuda-graph' runs on CUDA, not on {device}; use auto")
    if runtime not in TORCH_RUNTIMES and (device.type != "cpu" or precision != "float32"):
        raise ValueError(f"runtime {runtime!r} runs on the CPU in float32, not on {device} in {precision}; use eager")
    return runtime


def _onnx_works() -> bool:
    """Whether ONNX Runtime can be loaded, which a broken install cannot, and graphs be written for it."""
    try:
        importlib.import_module("onnxruntime")
    except ImportError:
        return False
    return importlib.util.find_spec("onnx") is not None


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 by itself: GPUs from Ampere on, CPUs with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    probe: Any = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe()) if device.type == "cpu" and probe else False
