"""Where a network runs: on which device, in which precision, by which runtime."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

import torch

from siamtrack.config import nearest

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
RUNTIMES = ("eager", "compile", "onnx", "openvino", "cuda-graph")
TORCH_RUNTIMES = ("eager", "compile", "cuda-graph")
"""Those that run the graphs as PyTorch modules, on the device and in the precision asked for."""

FASTEST = "fastest"
"""Not a runtime but a question: `siamtrack.tracking.runtimes.fastest` answers it, for one tracker's own sizes."""


@dataclass(frozen=True)
class Placement:
    """Where a network runs; nothing is `auto` any more.

    Attributes:
        device: a torch device. precision: a key of `PRECISIONS`. runtime: one of `RUNTIMES`, or `onnx:DIR`, `openvino:DIR`.
    """

    device: torch.device
    precision: str
    runtime: str


def place(dense: bool, device: str = "auto", precision: str = "auto", runtime: str = "auto") -> Placement:
    """What `auto` means here.

    A rule, and not a measurement: the same install gives the same boxes today and tomorrow.

    Args:
        dense: of the network's backbone.
        device, precision, runtime: as for `siamtrack.tracking.engine.Engine`.

    Raises:
        ValueError: one of them is unknown, or they do not go together.
    """
    where = pick_device(device)
    exact = pick_precision(precision, where, runtime, dense)
    return Placement(where, exact, pick_runtime(runtime, where, exact))


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


def pick_precision(precision: str, device: torch.device, runtime: str = "auto", dense: bool = True) -> str:
    """The name of the backbone's dtype: `auto` is bfloat16 where that is faster, else float32.

    It is on GPUs from Ampere on, and for dense convolutions on CPUs that compute in it, by whatever runs in it there. A light
    network is faster in float32 on ONNX Runtime than in bfloat16 on PyTorch: 4 ms to 8.5 ms a frame on a Zen 4.

    Args:
        precision: `auto` or a key of `PRECISIONS`. device: where. runtime: as asked for. dense: of the network's backbone.

    Raises:
        ValueError: unknown name.
    """
    if precision == "auto":
        able = runtime in ("auto", *TORCH_RUNTIMES) and (dense or device.type == "cuda")
        return "bfloat16" if able and native_bfloat16(device) else "float32"
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is unknown; use auto, {', '.join(PRECISIONS)}")
    return precision


def pick_runtime(runtime: str, device: torch.device, precision: str) -> str:
    """The name of the runtime: `auto` is onnx for float32 on a CPU, where its packages are installed, else eager.

    `siamtrack bench` measures, and `fastest` does so by itself, which is why it is no answer here: it takes a tracker to
    measure. On CUDA `auto` is eager: `cuda-graph` was tested on CPUs alone so far; tools/bench_gpu.py says what it is worth.

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
    if runtime in TORCH_RUNTIMES or (device.type == "cpu" and precision == "float32"):
        return runtime
    if runtime == "openvino" and device.type == "cpu" and precision == "bfloat16":
        if native_bfloat16(device):
            return runtime
        raise ValueError("runtime 'openvino' in bfloat16 needs a CPU with AVX-512 BF16 or AMX, which this is not; use float32")
    also = "float32, or bfloat16 where the CPU has it," if runtime == "openvino" else "float32,"
    raise ValueError(f"runtime {runtime!r} runs on the CPU in {also} not on {device} in {precision}; use eager")


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
