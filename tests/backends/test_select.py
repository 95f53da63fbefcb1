from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from siamtrack.backends import select
from siamtrack.backends.select import choose_backend, pick_device
from siamtrack.errors import OldKeyWarning, SiamtrackError

GPU = torch.cuda.is_available()


def test_a_cpu_takes_onnx_in_float32() -> None:
    found = choose_backend("cpu")
    assert (found.backend, found.device, found.precision, found.folder) == ("onnx", "cpu", "float32", None)
    assert choose_backend().device == ("cuda" if GPU else "cpu")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_precisions_are_pytorchs(precision: str) -> None:
    assert choose_backend("cpu", precision).name == "torch"


@pytest.mark.parametrize(
    ("device", "precision", "backend", "words"),
    [
        ("auto", "auto", "onyx", "did you mean 'onnx'"),
        ("auto", "auto", "nope", "known: auto, onnx, openvino, torch"),
        ("cpu", "float8", "auto", "precision 'float8' is unknown"),
        ("gpu", "auto", "torch", "unknown"),
        ("cpu", "bfloat16", "onnx", "'onnx' computes in float32, not in bfloat16; use torch"),
        ("cpu", "float16", "openvino", "computes in float32, or bfloat16 where the CPU has it, not in float16"),
        ("cuda", "float32", "openvino", "runs on the CPU, not on 'cuda'; use torch"),
        ("cpu", "auto", "torch:folder", "a folder goes with onnx or openvino"),
        ("cpu", "auto", "onnx:", "a folder goes with onnx or openvino"),
        ("cuda:99", "auto", "auto", "CUDA devices are there"),
    ],
)
def test_what_cannot_be_is_refused(device: str, precision: str, backend: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        choose_backend(device, precision, backend)


@pytest.mark.parametrize(("old", "new"), [("eager", "torch"), ("compile", "torch"), ("fastest", "onnx")])
def test_old_names_are_still_read(old: str, new: str) -> None:
    with pytest.warns(OldKeyWarning, match=f"backend '{old}'"):
        assert choose_backend("cpu", "float32", old).backend == new


@pytest.mark.parametrize("able", [True, False])
def test_openvino_computes_in_bfloat16_where_the_processor_does(able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "flags: avx512_bf16" if able else "flags: avx2")
    if able:
        assert choose_backend("cpu", "bfloat16", "openvino").precision == "bfloat16"
        return
    with pytest.raises(ValueError, match="needs a CPU with AVX-512 BF16 or AMX, which this is not; use float32"):
        choose_backend("cpu", "bfloat16", "openvino")


def test_without_pytorch_the_cpu_still_tracks_and_a_gpu_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(select.importlib.util, "find_spec", lambda name: None if name == "torch" else real(name))
    assert choose_backend().name == "onnx"
    for device, backend in (("cuda", "auto"), ("cpu", "torch")):
        words = rf"backend 'torch' \(device {device}, precision auto\) needs PyTorch.*\.\[torch\]"
        with pytest.raises(SiamtrackError, match=words):
            choose_backend(device, backend=backend)


def test_tracking_on_a_cpu_imports_no_torch(clip: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "clip, out = sys.argv[1:]\n"
        "sys.argv[1:] = ['track', clip, '--box', '60,80,40,50', '--out', out, '--device', 'cpu', '--video']\n"
        "from siamtrack.cli import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "heavy = {'torch', 'onnx', 'openvino', 'got10k', 'matplotlib', 'optuna'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import os\n"
        "assert os.environ['OPENBLAS_NUM_THREADS'] == '1'\n"
    )
    done = subprocess.run([sys.executable, "-c", code, clip, tmp_path / "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_devices_are_checked() -> None:
    with pytest.raises(ValueError, match="unknown"):
        pick_device("gpu")
    with pytest.raises(ValueError, match="not supported"):
        pick_device("meta")
