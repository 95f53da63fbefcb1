from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import Command, called, refused

import siamtrack
from siamtrack.errors import ConfigError, WeightsError
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import WeightsHeader, save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "light.safetensors"
    torch.manual_seed(0)
    save_weights(path, Siamese(model="siamfc-lite").state_dict(), WeightsHeader(model="siamfc-lite"))
    return path


@pytest.fixture(scope="module")
def exported(weights: Path) -> Path:
    out = weights.parent / "exported"
    done = called("export", weights, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "embed.embedding" in done.stdout
    return out


def frame() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def test_the_files_run_in_onnx_runtime_alone_for_any_batch(exported: Path) -> None:
    import onnxruntime

    about = json.loads((exported / "export.json").read_text(encoding="utf-8"))
    assert (about["model"], about["precision"], about["search_size"]) == ("siamfc-lite", "float32", 255)
    session = onnxruntime.InferenceSession(exported / about["graphs"]["embed"]["file"])
    for count, side, cells in ((1, 255, 22), (3, 127, 6)):
        (embedding,) = session.run(None, {"crops": np.zeros((count, side, side, 3), np.uint8)})
        assert embedding.shape == (count, 128, cells, cells)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_tracker_runs_what_was_exported(weights: Path, exported: Path, backend: str) -> None:
    tracker = siamtrack.load(weights, device="cpu", precision="float32", backend=f"{backend}:{exported}")
    reference = siamtrack.load(weights, device="cpu", precision="float32", backend="torch")
    for each in (tracker, reference):
        each.init(frame(), (60, 40, 30, 40))
    assert tracker.update(frame()).box == pytest.approx(reference.update(frame()).box, abs=0.01)
    assert tracker.backend.name == f"{backend}:{exported}"


def test_an_export_of_other_weights_is_refused(exported: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    save_weights(tmp_path / "other.safetensors", Siamese(model="siamfc-lite").state_dict(), WeightsHeader(model="siamfc-lite"))
    with pytest.raises(WeightsError, match="other weights"):
        siamtrack.load(tmp_path / "other.safetensors", device="cpu", backend=f"onnx:{exported}")


def test_an_export_serves_every_search_size(weights: Path, exported: Path) -> None:
    size = {"search_size": 223}
    found, expected = (
        siamtrack.load(weights, device="cpu", backend=backend, **size) for backend in (f"onnx:{exported}", "onnx")
    )
    for each in (found, expected):
        each.init(frame(), (60, 40, 30, 40))
    assert found.update(frame()).box == expected.update(frame()).box


@pytest.mark.parametrize("name", ["search.onnx", "export.json"])
def test_what_was_changed_or_cut_is_refused(weights: Path, exported: Path, tmp_path: Path, name: str) -> None:
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes((exported / name).read_bytes()[:-100])
    with pytest.raises((WeightsError, ConfigError), match="export again"):
        siamtrack.load(weights, device="cpu", backend=f"onnx:{tmp_path}").init(frame(), (60, 40, 30, 40))


def test_an_export_of_an_older_release_is_refused(weights: Path, exported: Path, tmp_path: Path) -> None:
    for path in exported.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    about = json.loads((exported / "export.json").read_text())
    about["tracker"]["scale_search"] = "exemplar"  # its graphs took exemplars at several scales
    (tmp_path / "export.json").write_text(json.dumps(about))
    with pytest.raises(ConfigError, match="older release; export again: siamtrack export"):
        siamtrack.load(weights, device="cpu", backend=f"onnx:{tmp_path}")


def test_a_folder_without_an_export_is_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no export\.json"):
        siamtrack.load(weights, device="cpu", backend=f"onnx:{tmp_path}")


def test_bad_input_is_one_line(here: Command, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for words, said in (
        (("nothing", "--out", tmp_path / "a"), "no model 'nothing'"),
        ((weights, "--out", tmp_path / "a", "--search-size", "200"), "127 plus a multiple of 16"),
        ((weights, "--out", tmp_path / "file"), "file cannot be made (File exists); give --out a folder that can"),
    ):
        refused(here("export", *words), said)
