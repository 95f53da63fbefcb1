"""Which backend, on which device, in which precision: what `auto` means here. PyTorch is imported only where it is used."""

from __future__ import annotations

import ctypes
import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamtrack.config import nearest
from siamtrack.errors import OldKeyWarning, needs
from siamtrack.model.weights import Weights
from siamtrack.tracking.network import Network

if TYPE_CHECKING:
    import torch

BACKENDS = ("onnx", "torch", "openvino")
PRECISIONS = ("float32", "bfloat16", "float16")

OLD_BACKENDS = {"eager": "torch", "compile": "torch", "cuda-graph": "torch", "fastest": "auto"}
"""Names that backends had, and what stands for them."""


@dataclass(frozen=True)
class BackendChoice:
    """What runs a network, and where; nothing is `auto` here.

    Attributes:
        backend: one of `BACKENDS`. device: `cpu`, `cuda` or `cuda:N`. precision: one of `PRECISIONS`.
        folder: of exported graphs, for onnx and openvino.
    """

    backend: str
    device: str
    precision: str
    folder: Path | None = None

    @property
    def name(self) -> str:
        """The backend with its folder, as it is asked for."""
        return f"{self.backend}:{self.folder}" if self.folder else self.backend


def choose_backend(device: str = "auto", precision: str = "auto", backend: str = "auto") -> BackendChoice:
    """What `auto` means here: CUDA in bfloat16 by PyTorch where there is a GPU, else ONNX Runtime in float32.

    A rule, and not a measurement: the same install gives the same boxes today and tomorrow.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:N`. precision: `auto` or one of `PRECISIONS`.
        backend: `auto`, `onnx`, `torch`, `openvino`, or `onnx:DIR`, `openvino:DIR` for graphs of `siamtrack export`.

    Raises:
        ValueError: one of them is unknown, or they do not go together. SiamtrackError: PyTorch is needed and not there.
    """
    name, colon, folder = backend.partition(":")
    if name in OLD_BACKENDS:
        warnings.warn(f"backend {name!r} is now {OLD_BACKENDS[name]!r}", OldKeyWarning, stacklevel=2)
        name = OLD_BACKENDS[name]
    if name not in ("auto", *BACKENDS):
        raise ValueError(f"backend {backend!r} is unknown; {nearest(name, ('auto', *BACKENDS))}")
    if colon and (name not in ("onnx", "openvino") or not folder):
        raise ValueError(f"backend {backend!r}: a folder goes with onnx or openvino, as in onnx:exported/lite")
    if precision not in ("auto", *PRECISIONS):
        raise ValueError(f"precision {precision!r} is unknown; use auto, {', '.join(PRECISIONS)}")
    if device == "auto":
        device = "cuda" if name in ("auto", "torch") and _cuda_works() else "cpu"
    if name == "auto":
        name = "onnx" if device == "cpu" and precision in ("auto", "float32") else "torch"
    if name == "torch":
        return _choose_torch(device, precision)
    if device != "cpu":
        raise ValueError(f"backend {name!r} runs on the CPU, not on {device!r}; use torch")
    if precision == "auto":
        precision = "float32"
    if precision == "bfloat16" and name == "openvino":
        _require_bfloat16()
    elif precision != "float32":
        also = ", or bfloat16 where the CPU has it" if name == "openvino" else ""
        raise ValueError(f"backend {name!r} computes in float32{also}, not in {precision}; use torch")
    return BackendChoice(name, "cpu", precision, Path(folder) if folder else None)


def open_backend(weights: Weights, device: str = "auto", precision: str = "auto", backend: str = "auto") -> Network:
    """The network of some weights, ready to run; arguments and errors as for `choose_backend`.

    Raises:
        ConfigError, WeightsError: a folder of exported graphs that cannot be used.
    """
    choice = choose_backend(device, precision, backend)
    if choice.backend == "torch":
        from siamtrack.backends.torch import TorchBackend

        return TorchBackend(weights.net, pick_device(choice.device), choice.precision)
    if choice.backend == "openvino":
        from siamtrack.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(weights, choice.precision, choice.folder)
    from siamtrack.backends.onnx import OnnxBackend

    return OnnxBackend(weights, choice.precision, choice.folder)


def _choose_torch(device: str, precision: str) -> BackendChoice:
    if importlib.util.find_spec("torch") is None:
        raise needs("torch", f"backend 'torch' (device {device}, precision {precision}) needs PyTorch")
    chosen = pick_device(device)
    if precision == "auto":
        precision = "bfloat16" if chosen.type == "cuda" and native_bfloat16(chosen) else "float32"
    return BackendChoice("torch", str(chosen), precision)


def pick_device(device: str) -> torch.device:
    """PyTorch's device for `auto`, `cpu`, `cuda`, `cuda:1`, ...; a ValueError if it is not here."""
    import torch

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


def native_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is the device's quickest: GPUs from Ampere on, CPUs with AMX. AVX-512 BF16 alone trains slower in it."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    probe: Any = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe()) if device.type == "cpu" and probe else False


def _cuda_works() -> bool:
    """Whether PyTorch is installed and finds a GPU. Without an NVIDIA driver PyTorch, which takes a second, is not asked."""
    if importlib.util.find_spec("torch") is None:
        return False
    for library in ("libcuda.so.1", "nvcuda.dll"):
        try:
            ctypes.CDLL(library)
        except OSError:
            continue
        import torch

        return bool(torch.cuda.is_available())
    return False


def _require_bfloat16() -> None:
    """Raise where the CPU does not compute in bfloat16: it would be emulated."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace") if Path("/proc/cpuinfo").is_file() else ""
    if "avx512_bf16" not in flags and "amx_bf16" not in flags:
        raise ValueError("backend 'openvino' in bfloat16 needs a CPU with AVX-512 BF16 or AMX, which this is not; use float32")
