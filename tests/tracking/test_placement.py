from __future__ import annotations

import sys

import pytest
import torch

from siamtrack.model.siamese import Siamese
from siamtrack.tracking import placement
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.placement import FASTEST, pick_device, pick_precision, pick_runtime, place

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(params=[True, False], ids=["bfloat16", "none"])
def native(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the processor computes in bfloat16, whatever this one does."""
    able: bool = request.param
    monkeypatch.setattr(placement, "native_bfloat16", lambda _: able)
    return able


def test_devices_and_precisions_are_checked() -> None:
    with pytest.raises(ValueError, match="unknown"):
        pick_device("gpu")
    with pytest.raises(ValueError, match="CUDA devices are there"):
        pick_device(f"cuda:{torch.cuda.device_count() + 1}")
    with pytest.raises(ValueError, match="unknown"):
        pick_precision("float8", CPU)


@pytest.mark.parametrize(
    ("runtime", "device", "precision", "words"),
    [
        ("onyx", "cpu", "float32", "did you mean 'onnx'"),
        ("onnx", "cpu", "bfloat16", "runs on the CPU in float32, not on cpu in bfloat16; use eager"),
        ("onnx:exported", "cpu", "bfloat16", "use eager"),
        ("openvino", "cuda", "float32", "use eager"),
        ("openvino", "cpu", "float16", "float32, or bfloat16 where the CPU has it, not on cpu in float16"),
        ("openvino:exported", "cpu", "bfloat16", "runs on the CPU in float32, not"),
        ("compiled", "cpu", "float32", "did you mean 'compile'"),
        ("fastest", "cpu", "float32", "measured while a tracker is loaded"),
        ("cuda-graph", "cpu", "float32", "runs on CUDA, not on cpu; use auto"),
    ],
)
def test_runtimes_that_cannot_be_are_refused(runtime: str, device: str, precision: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pick_runtime(runtime, torch.device(device), precision)


def test_auto_is_onnx_for_float32_on_a_cpu_and_else_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_runtime("auto", CPU, "float32") == "onnx"
    assert pick_runtime("auto", CPU, "bfloat16") == pick_runtime("auto", CUDA, "float32") == "eager"
    with monkeypatch.context() as patched:
        patched.setattr(placement.importlib.util, "find_spec", lambda _: None)
        assert pick_runtime("auto", CPU, "float32") == "eager"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # installed, and cannot be loaded
    assert pick_runtime("auto", CPU, "float32") == "eager"


def test_a_light_network_stays_in_float32_on_any_cpu(native: bool) -> None:
    light, dense = place(Siamese(model="siamfc-lite").backbone.dense, "cpu"), place(Siamese().backbone.dense, "cpu")
    assert (light.precision, light.runtime) == ("float32", "onnx")
    assert (dense.precision, dense.runtime) == (("bfloat16", "eager") if native else ("float32", "onnx"))
    for runtime in ("eager", "compile"):
        assert place(False, "cpu", "auto", runtime).precision == "float32"
        assert place(True, "cpu", "auto", runtime).precision == ("bfloat16" if native else "float32")


def test_on_a_gpu_every_network_takes_bfloat16_where_there_is_any(native: bool) -> None:
    for dense in (True, False):
        assert pick_precision("auto", CUDA, "cuda-graph", dense) == ("bfloat16" if native else "float32")


def test_what_computes_in_float32_alone_is_given_nothing_else(native: bool) -> None:
    for runtime in ("onnx", "onnx:exported", "openvino:exported"):
        assert place(True, "cpu", "auto", runtime).precision == "float32"


def test_openvino_computes_in_bfloat16_where_the_processor_does(native: bool) -> None:
    if native:
        assert place(False, "cpu", "bfloat16", "openvino").runtime == "openvino"
        return
    with pytest.raises(ValueError, match="needs a CPU with AVX-512 BF16 or AMX, which this is not; use float32"):
        place(False, "cpu", "bfloat16", "openvino")


def test_an_engine_is_where_it_was_placed(native: bool) -> None:
    engine = Engine(Siamese().eval(), "cpu")
    assert (engine.precision, engine.runtime) == (("bfloat16", "eager") if native else ("float32", "onnx"))


def test_a_question_is_no_place() -> None:
    with pytest.raises(ValueError, match="measured while a tracker is loaded"):
        place(True, "cpu", runtime=FASTEST)
