"""Every backend says what the network says, alone and among others."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from rendered import rendered_frame

import siamtrack
from siamtrack.backends.exported import write_export
from siamtrack.backends.onnx import OnnxBackend, package_graphs
from siamtrack.backends.openvino import OpenVinoBackend
from siamtrack.backends.torch import BATCHES, TorchBackend
from siamtrack.errors import OutputError, SiamtrackError
from siamtrack.model.siamese import Siamese
from siamtrack.model.tensors import as_float32
from siamtrack.model.weights import Weights, WeightsHeader, load_weights
from siamtrack.models import ARCHITECTURES, default_input
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.network import Exemplar, Network, Response, Search

IMAGE = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
CPU = torch.device("cpu")

MAKERS: dict[str, Callable[[Weights], Network]] = {
    "onnx": OnnxBackend,
    "openvino": OpenVinoBackend,
    "torch": lambda weights: TorchBackend(weights.net, CPU),
    "torch, crops on the device": lambda weights: TorchBackend(weights.net, CPU, crops_on_device=True),
}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def weights(request: pytest.FixtureRequest) -> Weights:
    """An untrained network of each architecture whose norms and last layers are as after training."""
    model, head = ARCHITECTURES[request.param]
    torch.manual_seed(3)
    net = Siamese(model=model, head=head).eval()
    for name, tensor in net.state_dict().items():
        if name.endswith(("running_mean", "running_var")) or name.startswith(("box.to_", "head.", "box.detail.gate")):
            tensor.copy_(tensor + 0.1 * torch.rand_like(tensor))
    return Weights(as_float32(net.state_dict()), WeightsHeader(model, default_input(model), head=head), "")


@pytest.fixture(scope="module")
def searches(weights: Weights) -> list[Search]:
    """Three searches in two crop sizes, one of them beyond the frame, of an exemplar that PyTorch embedded."""
    crop = SearchRegion((150.0, 120.0), 180.0, 223).extract(IMAGE, (1, 2, 3))
    embedding, kernel = TorchBackend(weights.net, CPU).embed_exemplar(crop)
    exemplar = Exemplar(embedding, kernel, np.array([40.0, 60.0], np.float32))
    regions = [
        SearchRegion((150.3, 121.7), 230.0, 255),
        SearchRegion((10.2, 230.0), 140.5, 191),
        SearchRegion((20.0, 9.0), 700, 255),
    ]
    return [Search(region, (90.0, 100.0, 110.0), exemplar) for region in regions]


def arrays(response: Response) -> list[np.ndarray]:
    return [response.response, *(response.boxes or ())]


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_every_backend_says_what_pytorch_says(weights: Weights, searches: list[Search], name: str) -> None:
    ours, theirs = MAKERS[name](weights), MAKERS["torch"](weights)
    crop = searches[0].region.extract(IMAGE, searches[0].pad_color)
    for mine, other in zip(ours.embed_exemplar(crop), theirs.embed_exemplar(crop), strict=True):
        assert (mine is None) == (other is None)
        if mine is not None and other is not None:
            np.testing.assert_allclose(mine, other, atol=1e-4 * float(np.abs(other).max()))
    for mine, other in zip(ours.respond(IMAGE, searches), theirs.respond(IMAGE, searches), strict=True):
        for found, expected in zip(arrays(mine), arrays(other), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-4 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize("name", MAKERS)
def test_a_search_is_the_same_alone_and_among_others(weights: Weights, searches: list[Search], name: str) -> None:
    backend = MAKERS[name](weights)
    together = backend.respond(IMAGE, searches)
    for search, among in zip(searches, together, strict=True):
        (alone,) = backend.respond(IMAGE, [search])
        for one, other in zip(arrays(alone), arrays(among), strict=True):
            if name.endswith("device"):  # a batch is summed in another order than its items alone
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * max(1.0, float(np.abs(other).max())))
            else:
                assert np.array_equal(one, other)


def test_crops_that_are_cut_on_the_device_say_the_same(weights: Weights, searches: list[Search]) -> None:
    device, cpu = (MAKERS[name](weights) for name in ("torch, crops on the device", "torch"))
    for mine, other in zip(device.respond(IMAGE, searches), cpu.respond(IMAGE, searches), strict=True):
        for found, expected in zip(arrays(mine), arrays(other), strict=True):
            # A pixel of a crop may differ by one where it falls between two values.
            assert np.abs(found - expected).max() < 0.02 * max(1.0, float(np.abs(expected).max()))


def test_more_searches_than_a_pass_holds(weights: Weights, searches: list[Search]) -> None:
    backend = MAKERS["torch, crops on the device"](weights)
    many = [searches[1]] * (BATCHES[-1] + 1)
    if weights.header.model != "siamfc-lite":
        many = many[:3]  # 129 crops of an AlexNet take a minute; the code is the same
    found = backend.respond(IMAGE, many)
    assert len(found) == len(many)
    (alone,) = backend.respond(IMAGE, many[:1])
    np.testing.assert_allclose(found[-1].response, alone.response, rtol=1e-4, atol=1e-4)


def test_the_network_itself_says_what_its_backend_says(weights: Weights, searches: list[Search]) -> None:
    search, size = searches[0], 255
    crop = search.region.extract(IMAGE, search.pad_color)
    (response,) = MAKERS["torch"](weights).respond(IMAGE, [search])
    net, spec = weights.net, weights.header.input
    exemplar_crop = SearchRegion((150.0, 120.0), 180.0, 223).extract(IMAGE, (1, 2, 3))
    order = slice(None, None, -1 if spec.color_order == "rgb" else 1)
    images = [torch.from_numpy(each[..., order].copy()).permute(2, 0, 1)[None].float() for each in (exemplar_crop, crop)]
    with torch.inference_mode():
        said = net(*images, torch.from_numpy(search.exemplar.size_wh)[None])
    maps = (said,) if isinstance(said, torch.Tensor) else said
    for found, expected in zip(maps, arrays(response)[-len(maps) :], strict=True):
        np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-3, atol=1e-3 * float(np.abs(expected).max()))
    assert crop.shape == (size, size, 3)


@pytest.mark.skipif(not torch.cpu._is_avx512_bf16_supported(), reason="this processor does not compute in bfloat16")
@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_bfloat16_says_nearly_what_float32_says(weights: Weights, name: str) -> None:
    made = TorchBackend(weights.net, CPU, "bfloat16") if name == "torch" else OpenVinoBackend(weights, "bfloat16")
    crop = SearchRegion((150.0, 120.0), 180.0, 191).extract(IMAGE, (1, 2, 3))
    found, expected = (backend.embed_exemplar(crop)[0] for backend in (made, MAKERS["torch"](weights)))
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    assert 1e-5 < error < 0.05  # not float32 under another name, and not something else


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_packages_graphs_are_those_of_the_networks(name: str, import_tool: Callable[[str], ModuleType]) -> None:
    """After a change of a network: tools/make_graphs.py."""
    model, head = ARCHITECTURES[name]
    net = Siamese(model=model, head=head)
    kept = package_graphs(Weights(as_float32(net.state_dict()), WeightsHeader(model, head=head), ""))
    for branch, made in import_tool("tools/make_graphs").branch_graphs(model, head).items():
        ours, theirs = (onnx.load_from_string(graph).graph for graph in (kept[branch][0], made))
        assert [(node.op_type, *node.output) for node in ours.node] == [(node.op_type, *node.output) for node in theirs.node]
        assert [(each.name, list(each.dims)) for each in ours.initializer] == [
            (each.name, list(each.dims)) for each in theirs.initializer
        ]


def test_a_signal_after_an_openvino_tracker_is_gone_does_no_harm() -> None:
    code = (
        "import gc, signal, siamtrack\n"
        "from rendered import rendered_frame\n"
        "tracker = siamtrack.load(backend='openvino')\n"
        "tracker.init(*rendered_frame(0))\n"
        "tracker.update(rendered_frame(1)[0])\n"
        "del tracker\n"
        "gc.collect()\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('handled'))\n"
        "signal.raise_signal(signal.SIGTERM)\n"
    )
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths}
    )
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def boxes_of(tracker: siamtrack.Tracker) -> list[Any]:
    tracker.init(*rendered_frame(0))
    return [tracker.update(rendered_frame(i)[0]) for i in range(1, 4)]


def _child(tracker: siamtrack.Tracker, expected: list[Any]) -> None:
    assert boxes_of(tracker) == expected
    pid = os.fork()
    if pid == 0:
        os._exit(int(boxes_of(tracker) != expected))
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("backend", ["onnx", "openvino", "torch"])
def test_a_tracker_works_pickled_after_a_fork_and_in_threads(backend: str) -> None:
    tracker = siamtrack.load(backend=backend, device="cpu")
    expected = boxes_of(tracker)
    assert boxes_of(pickle.loads(pickle.dumps(tracker))) == expected
    found: list[Any] = [None] * 3

    def work(i: int) -> None:
        found[i] = boxes_of(siamtrack.Tracker(tracker.backend, tracker.config))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3
    # In a child, and in a child's child.
    process = multiprocessing.get_context("fork").Process(target=_child, args=(tracker, expected))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    # In the middle of a video, too.
    frame = rendered_frame(5)[0]
    assert pickle.loads(pickle.dumps(tracker)).update(frame) == tracker.update(frame)


def test_cuda_in_a_forks_child_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = siamtrack.load(backend="torch", device="cpu")
    monkeypatch.setattr(tracker.backend, "_device", torch.device("cuda"))
    monkeypatch.setattr(tracker.backend, "_pid", 1)
    with pytest.raises(SiamtrackError, match=r"on CUDA was used after a fork, .* load the tracker in the process that uses it"):
        tracker.init(*rendered_frame(0))


def test_an_export_that_cannot_be_replaced_is_told(tmp_path: Path) -> None:
    (tmp_path / "export.json").mkdir()
    with pytest.raises(OutputError, match=r"export\.json cannot be removed"):
        write_export(tmp_path, load_weights("siamfc-lite"), {}, 223, "float32", {})
