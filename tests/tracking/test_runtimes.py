from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import siamtrack
from siamtrack.errors import SiamtrackError
from siamtrack.model.siamese import Siamese
from siamtrack.models import MODELS, ModelName
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.locator import View
from siamtrack.tracking.placement import RUNTIMES, native_bfloat16
from siamtrack.tracking.runtimes import exported

# `compile` takes half a minute a graph where nothing is cached: test_compiled.py asks the same of it, of small graphs.
CPU_RUNTIMES = [name for name in RUNTIMES if name not in ("compile", "cuda-graph")]


@pytest.fixture(scope="module", params=MODELS)
def net(request: pytest.FixtureRequest) -> Siamese:
    model: ModelName = request.param
    torch.manual_seed(3)
    net = Siamese(model=model).eval()
    # Norms and last layers as after training: a zero would hide what is wired wrongly.
    for name, tensor in net.state_dict().items():
        if name.endswith(("running_mean", "running_var")) or name.startswith(("box.to_", "head.")):
            tensor.copy_(tensor + 0.1 * torch.rand_like(tensor))
    return net


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIAMTRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def crops(count: int, size: int) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8))


@pytest.mark.parametrize("runtime", [name for name in CPU_RUNTIMES if name != "eager"])
def test_every_runtime_says_what_pytorch_says(net: Siamese, runtime: str) -> None:
    ours, theirs = Engine(net, "cpu", "float32", runtime), Engine(net, "cpu", "float32", "eager")
    assert ours.runtime == runtime
    two = crops(2, 255)
    search, other = ours.embed(two), theirs.embed(two)
    assert torch.allclose(search, other, atol=1e-4 * float(other.abs().max()))
    exemplar = other[..., 8:14, 8:14].contiguous()
    if net.box is None:
        response, expected = (engine.match(exemplar[:, None], two) for engine in (ours, theirs))
        np.testing.assert_allclose(response, expected, rtol=1e-4, atol=1e-4)
        return
    kernel = theirs.box_kernel(exemplar)
    assert torch.allclose(ours.box_kernel(exemplar), kernel, atol=1e-4 * float(kernel.abs().max()))
    size_wh = torch.tensor([[40.0, 60.0], [55.0, 30.0]])
    for mine, reference in zip(
        ours.match_box(exemplar, kernel, two, size_wh), theirs.match_box(exemplar, kernel, two, size_wh), strict=True
    ):
        for name, expected in reference._asdict().items():
            atol = 2e-4 * max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(getattr(mine, name), expected, rtol=1e-3, atol=atol, err_msg=name)


@pytest.mark.skipif(not native_bfloat16(torch.device("cpu")), reason="this processor does not compute in bfloat16")
@pytest.mark.parametrize("runtime", ["eager", "openvino"])
def test_in_bfloat16_every_runtime_says_nearly_what_float32_says(net: Siamese, runtime: str) -> None:
    ours, exact = Engine(net, "cpu", "bfloat16", runtime), Engine(net, "cpu", "float32", "eager")
    assert (ours.runtime, ours.precision) == (runtime, "bfloat16")
    one = crops(1, 191)
    search, expected = ours.embed(one), exact.embed(one)
    error = float((search - expected).abs().max() / expected.abs().max())
    assert 1e-5 < error < 0.05  # not float32 under another name, and not something else


@pytest.mark.parametrize("runtime", CPU_RUNTIMES)
def test_an_item_is_the_same_alone_and_among_others_to_the_last_bit(net: Siamese, runtime: str) -> None:
    engine = Engine(net, "cpu", "float32", runtime)
    three = crops(3, 255)
    together = engine.embed(three)
    for i, crop in enumerate(three):
        assert torch.equal(together[i], engine.embed([crop])[0])


def test_graphs_are_exported_once_and_then_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Siamese(model="siamfc-lite").eval()
    first = Engine(net, "cpu", "float32", "onnx").embed(crops(1, 255))
    assert [path.name.rpartition("-")[2] for path in (cache / "graphs").iterdir()] == ["embed.onnx"]
    monkeypatch.setattr(exported, "export_graph", lambda *_: pytest.fail("exported again"))
    assert torch.equal(Engine(net, "cpu", "float32", "onnx").embed(crops(1, 255)), first)


@pytest.mark.parametrize("runtime", CPU_RUNTIMES)
def test_a_response_is_the_same_alone_and_among_others_to_the_last_bit(net: Siamese, runtime: str) -> None:
    engine = Engine(net, "cpu", "float32", runtime)
    three = crops(3, 191)
    exemplar = engine.embed(three)[..., 4:10, 4:10].contiguous()
    if net.box is None:
        for i, alone in enumerate(three):
            assert np.array_equal(
                engine.match(exemplar[:, None], three)[i], engine.match(exemplar[i : i + 1, None], [alone])[0]
            )
        return
    kernel, size_wh = engine.box_kernel(exemplar), torch.tensor([[40.0, 60.0]]).repeat(3, 1)
    together = engine.match_box(exemplar, kernel, three, size_wh)
    for i, crop in enumerate(three):
        part = slice(i, i + 1)
        (alone,) = engine.match_box(exemplar[part], kernel[part], [crop], size_wh[part])
        assert all(np.array_equal(one, other) for one, other in zip(alone, together[i], strict=True))


def test_a_joined_graph_is_made_once_and_a_damaged_one_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Siamese(model="siamfc-lite").eval()

    def again() -> bytes:  # as another process asks for it
        return exported.ExportedGraphs(net).joined("box", 191)

    first, join = again(), exported.joined
    monkeypatch.setattr(exported, "joined", lambda *_: pytest.fail("joined again"))
    assert again() == first
    (path,) = (cache / "graphs").glob("*191-embed-box.onnx")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    monkeypatch.setattr(exported, "joined", join)
    assert again() == first
    assert path.read_bytes() == whole


@pytest.mark.parametrize("writable", [True, False])
def test_a_track_exports_each_graph_once(writable: bool, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    export = exported.export_graph

    def counting(net: Siamese, name: str, search_size: int) -> bytes:
        calls.append(name if name in exported.SIZELESS else (name, search_size))
        return export(net, name, search_size)

    monkeypatch.setattr(exported, "export_graph", counting)
    if not writable:
        cache.write_text("in the way", encoding="utf-8")
    tracker = siamtrack.load("siamfc-lite", device="cpu", precision="float32", runtime="onnx")
    views = [
        View(np.zeros((96, 128, 3), np.uint8), (64.0, 48.0), (30.0, 30.0), 90.0, (0, 0, 0), 0.3, size) for size in (191, 223)
    ]
    exemplar = tracker._locator.learn(views[0])
    for _ in range(2):
        tracker._locator.find([exemplar] * 2, views)
    # At every size when it is loaded: no frame of the track waits for one.
    assert calls == ["embed", ("box", 191), ("box", 223), ("box", 255), "kernel"]


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: b"\0" + data[1:], lambda data: b""])
def test_a_damaged_file_in_the_cache_is_made_anew(cache: Path, damage) -> None:  # type: ignore[no-untyped-def]
    net = Siamese(model="siamfc-lite").eval()
    first = Engine(net, "cpu", "float32", "onnx").embed(crops(1, 255))
    (path,) = (cache / "graphs").glob("*embed.onnx")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert torch.equal(Engine(net, "cpu", "float32", "onnx").embed(crops(1, 255)), first)
    assert path.read_bytes() == whole


def test_other_weights_are_other_graphs(cache: Path) -> None:
    for seed in (0, 1):
        torch.manual_seed(seed)
        Engine(Siamese(model="siamfc-lite").eval(), "cpu", "float32", "onnx").embed(crops(1, 127))
    assert len(list((cache / "graphs").glob("*embed.onnx"))) == 2


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("SIAMTRACK_CACHE", str(tmp_path / "file"))
    net = Siamese(model="siamfc-lite").eval()
    assert Engine(net, "cpu", "float32", "onnx").embed(crops(1, 255)).shape == (1, 128, 22, 22)


@pytest.mark.parametrize(("runtime", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_a_missing_package_is_named(runtime: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SiamtrackError, match=f"(?s){package}.*use '"):
        Engine(Siamese().eval(), "cpu", "float32", runtime)


def test_a_home_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    code = (
        "import numpy as np, siamtrack\n"
        "frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)\n"
        "tracker = siamtrack.load('siamfc', precision='float32')\n"
        "tracker.init(frame, (40, 30, 30, 30))\n"
        "print(tracker.engine.runtime, tracker.update(frame).state)\n"
    )
    home = tmp_path / "home"
    home.write_text("not a folder", encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key not in ("SIAMTRACK_CACHE", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment | {"HOME": str(home)}, check=False
    )
    assert done.stdout.split()[:1] == ["onnx"], done.stderr
