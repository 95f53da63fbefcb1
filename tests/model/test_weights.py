import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from siamtrack.api import config_of
from siamtrack.config import build, load_yaml
from siamtrack.errors import ConfigError, WeightsError
from siamtrack.model.siamese import Siamese
from siamtrack.model.tensors import write_tensors
from siamtrack.model.weights import (
    ASSETS,
    InputSpec,
    WeightsHeader,
    load_weights,
    save_weights,
    shipped_models,
    shipped_settings,
)
from siamtrack.models import MODELS, ModelName
from siamtrack.tracking.config import TrackerConfig


def test_both_models_are_shipped() -> None:
    assert shipped_models() == ["siamfc", "siamfc-lite"]


@pytest.mark.parametrize("model", shipped_models())
def test_the_package_carries_weights_whose_header_tells_where_they_come_from(model: str) -> None:
    header = load_weights(model).header
    assert header.model == model
    assert header.training["split"] == "train only"
    assert {"data", "seed", "steps", "val", "commit", "recipe"} <= set(header.training)
    assert "/" not in header.training["recipe"].get("init", "")  # nobody's folders
    build(TrackerConfig, header.tracker, warn=False)


@pytest.mark.parametrize("model", shipped_models())
def test_the_commented_config_says_what_is_shipped(model: str) -> None:
    values = load_yaml(Path(__file__).parents[2] / f"configs/{model}.yaml")
    weights = load_weights(model)
    assert config_of(weights, **values) == config_of(weights)
    assert {"window_influence", "scale_damping", "search_size", "redetect"} <= set(values)


@pytest.mark.parametrize("model", shipped_models())
def test_every_model_has_a_card_that_names_its_weights(model: str) -> None:
    card = (Path(__file__).parents[2] / f"docs/models/{model}.md").read_text(encoding="utf-8")
    assert load_weights(model).sha256[:16] in card


def test_saved_weights_come_back_to_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Siamese(InputSpec(color_order="bgr"))
    path = tmp_path / "net.safetensors"
    save_weights(path, net.state_dict(), WeightsHeader(input=net.input_spec, training={"seed": 3}))
    loaded = load_weights(path)
    assert loaded.header.input.color_order == "bgr"
    assert loaded.header.training == {"seed": 3}
    assert loaded.net.input_spec == net.input_spec
    for key, value in net.state_dict().items():
        assert torch.allclose(loaded.net.state_dict()[key], value, atol=2e-3), key
    assert not list(tmp_path.glob("*.part"))


def test_a_file_says_which_box_head_it_holds(tmp_path: Path) -> None:
    net = Siamese(model="siamfc-lite", head="detail")
    save_weights(tmp_path / "detail.safetensors", net.state_dict(), WeightsHeader("siamfc-lite", head="detail"))
    loaded = load_weights(tmp_path / "detail.safetensors")
    assert loaded.header.head == "detail"
    assert loaded.net.box is not None
    assert loaded.net.box.detail is not None
    # A file that does not say has the head that reads the correlation alone.
    plain = Siamese(model="siamfc-lite")
    write_tensors(tmp_path / "plain.safetensors", plain.state_dict(), {"model": "siamfc-lite"})
    loaded = load_weights(tmp_path / "plain.safetensors")
    assert loaded.header.head == "correlation"
    assert loaded.net.box is not None
    assert loaded.net.box.detail is None


def test_a_file_of_before_0_6_keeps_its_score(tmp_path: Path) -> None:
    settings = {"score_slope": 0.8, "score_offset": -4.0, "tracking_score": 0.15, "lost_score": 0.01}
    save_weights(tmp_path / "old.safetensors", Siamese().state_dict(), WeightsHeader(tracker=settings))
    config = config_of(load_weights(tmp_path / "old.safetensors"))
    assert (config.score_weights, config.score_offset) == ((0.8, 0.0, 0.0, 0.0), -4.0)
    assert (config.tracking_score, config.doubt_score, config.lost_score) == (0.15, 0.15, 0.01)


@pytest.mark.parametrize(("form", "scales"), [("exemplar", (3, 1.0375)), ("search", (5, 1.03))])
def test_scales_of_the_exemplar_are_no_scales_of_search_crops(form: str, scales: tuple[int, float], tmp_path: Path) -> None:
    settings = {"scale_search": form, "scale_count": 5, "scale_step": 1.03}
    save_weights(tmp_path / "old.safetensors", Siamese().state_dict(), WeightsHeader(tracker=settings))
    config = config_of(load_weights(tmp_path / "old.safetensors"))
    assert (config.scale_count, config.scale_step) == scales


@pytest.mark.parametrize("prefix", ["backbone.", "features.", "module.backbone.", ""])
def test_siamfc_pytorch_checkpoints_load(tmp_path: Path, prefix: str) -> None:
    # The key names of that project's AlexNetV1, in a checkpoint made from a network of ours.
    torch.manual_seed(0)
    net = Siamese()
    state = {key.replace("backbone.", prefix): value for key, value in net.state_dict().items() if key.startswith("backbone.")}
    path = tmp_path / "siamfc_alexnet_e50.pth"
    torch.save(state, path)
    loaded = load_weights(path)
    assert loaded.header.input == InputSpec("rgb", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert torch.equal(loaded.net.backbone.conv5[0].weight, net.backbone.conv5[0].weight)
    assert loaded.net.head.scale.item() == pytest.approx(1e-3)
    assert build(TrackerConfig, loaded.header.tracker).window_influence == 0.176


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (exec, ("raise SystemExit('code was run')",))

    path = tmp_path / "trap.pth"
    torch.save({"backbone.conv1.0.weight": Trap()}, path)
    with pytest.raises(WeightsError, match="cannot be read as a plain tensor checkpoint"):
        load_weights(path)


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    good = (ASSETS / "siamfc.safetensors").read_bytes()
    cases = {"cut": good[: len(good) // 2], "text": b"not weights at all", "empty": b"", "flipped": b"\xff" * 8 + good[8:]}
    for name, data in cases.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=name):
            load_weights(path)
    path = tmp_path / "text.pth"
    path.write_text("not weights at all")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_weights(path)


def test_tensors_that_do_not_fit(tmp_path: Path) -> None:
    state = load_file(ASSETS / "siamfc.safetensors")
    path = tmp_path / "bad.safetensors"
    cases = {
        "shape": {**state, "backbone.conv1.0.weight": torch.zeros(96, 3, 7, 7)},
        "missing": {key: value for key, value in state.items() if key != "backbone.conv5.0.weight"},
        "unknown": {**state, "backbone.conv6.weight": torch.zeros(1)},
        "not finite": {**state, "backbone.conv5.0.bias": torch.full((256,), float("nan"))},
    }
    for message, tensors in cases.items():
        save_file(tensors, path)
        with pytest.raises(WeightsError, match=message):
            load_weights(path)


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(FileNotFoundError, match="did you mean 'siamfc'"):
        load_weights("siamcf")
    with pytest.raises(FileNotFoundError, match="not found"):
        load_weights("none.safetensors")


@pytest.mark.parametrize("model", MODELS)
def test_a_training_checkpoint_tracks_with_the_constants_of_its_architecture(tmp_path: Path, model: ModelName) -> None:
    net = Siamese(model=model)
    torch.save({"recipe": {"model": model, "color_order": "rgb"}, "net": net.state_dict(), "step": 7}, tmp_path / "run.pt")
    weights = load_weights(tmp_path / "run.pt")
    assert weights.header.training == {"steps": 7}
    assert weights.header.tracker == shipped_settings(model)


TENSORS = {
    "sparse": torch.zeros(2, 3).to_sparse(),
    "without data": torch.empty(2, 3, device="meta"),
    "float8": torch.zeros(2).to(torch.float8_e4m3fn),
    "complex": torch.zeros(2, dtype=torch.complex64),
    "a stride of 0": torch.zeros(1).expand(2**20, 2**20),
    "nested": torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
}


@pytest.mark.parametrize(
    "state",
    [
        *({}, [], None, 3, "text", {"a": 3}, {3: torch.zeros(1)}, {"a": None}),
        *({"net": None, "recipe": {}}, {"net": {}, "recipe": 3}, {"net": {}, "recipe": {3: 4}}, {"net": 3, "recipe": {}}),
        *(
            {"net": {}, "recipe": {"model": ["siamfc"]}},
            {"net": {}, "recipe": {"color_order": None}},
            {"net": {}, "recipe": {}},
        ),
        {"net": {"a": torch.zeros(1)}, "recipe": {}, "average": torch.zeros(3)},
        {"net": {"a": torch.zeros(1)}, "recipe": {}, "step": "x"},
        {"net": {"a": torch.zeros(1)}, "recipe": {"head": "detail"}},
        *({"conv1.0.weight": tensor} for tensor in TENSORS.values()),
    ],
    ids=lambda state: str(state)[:40],
)
def test_a_checkpoint_of_anything_else_is_refused(tmp_path: Path, state: object) -> None:
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises((WeightsError, ConfigError), match=r"w\.pth|no siamfc with"):
        load_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(("parts", "each"), [(1, 80 * 2**20), (21, 0), (41, 0)])
def test_an_archive_is_refused_by_its_directory(tmp_path: Path, parts: int, each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamtrack.model.weights.MAX_BYTES", 64 * 2**20)
    monkeypatch.setattr("siamtrack.model.weights.MAX_TENSORS", 20)
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        for number in range(parts):
            with archive.open(f"archive/data/{number}", "w") as part:
                for _ in range(each // 2**20):
                    part.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(WeightsError, match=r"bomb\.pth.*parts"):
        load_weights(path)
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()


def test_a_pickle_may_not_ask_for_memory(tmp_path: Path) -> None:
    # bytearray(10**11): the one call with a size that PyTorch's own reader of pickles makes.
    pickled = b"\x80\x02cbuiltins\nbytearray\n\x8a\x05" + (10**11).to_bytes(5, "little") + b"\x85R."
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3")
    with pytest.raises(WeightsError, match="bytearray"):
        load_weights(tmp_path / "w.pth")


def safetensors_with(table: object, data: bytes = bytes(8)) -> bytes:
    head = table if isinstance(table, bytes) else json.dumps(table).encode()
    return len(head).to_bytes(8, "little") + head + data


PART = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (safetensors_with({"__metadata__": None, "a": PART}), "missing"),
        (safetensors_with({"__metadata__": 3, "a": PART}), "its table is none"),
        (safetensors_with({"__metadata__": {"siamtrack": 3}, "a": PART}), "its table is none"),
        (safetensors_with({"__metadata__": {"siamtrack": "[" * 5000}, "a": PART}), "header"),
        (safetensors_with({"__metadata__": {"siamtrack": "3"}, "a": PART}), "expected a mapping"),
        (safetensors_with({"__metadata__": {"siamtrack": '{"input": {"std": [0, 1, 1]}}'}, "a": PART}), "std is 0"),
        (safetensors_with({"__metadata__": {"siamtrack": '{"input": {"mean": [NaN, 1, 1]}}'}, "a": PART}), "finite"),
        (safetensors_with([PART]), "its table is none"),
        (safetensors_with(b"[" * 100_000), "table of tensors"),
        (safetensors_with({"a": {**PART, "dtype": "F8_E4M3"}}), "is of type 'F8_E4M3'"),
        (safetensors_with({"a": {**PART, "dtype": ["F32"]}}), "is of type"),
        (safetensors_with({"a": 3}), "is of type None"),
        (safetensors_with({"a": {**PART, "shape": [2**62]}}), "not a whole safetensors file"),
        (safetensors_with({"a": {**PART, "data_offsets": [0, 10**30]}}), "64 bits"),
        (safetensors_with({str(k): PART for k in range(20_001)}), "20001 tensors"),
        ((2**60).to_bytes(8, "little"), "its table has"),
    ],
    ids=range(16),
)
def test_a_malformed_table_of_tensors_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "w.safetensors").write_bytes(data)
    with pytest.raises((WeightsError, ConfigError), match=rf"w\.safetensors.*{why}"):
        load_weights(tmp_path / "w.safetensors")


def test_what_float16_cannot_hold_is_not_written(tmp_path: Path) -> None:
    state = {key: value.clone() for key, value in load_weights("siamfc").net.state_dict().items()}
    state["backbone.conv5.0.bias"][0] = 1e6
    with pytest.raises(WeightsError, match=r"conv5\.0\.bias holds numbers that are not finite"):
        save_weights(tmp_path / "w.safetensors", state, WeightsHeader())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "settings",
    [
        {"score_offset": float("nan")},
        {"size_penalty": float("inf")},
        {"score_weights": [float("nan"), 0, 0, 0]},
        {"score_offset": 1e7},
    ],
    ids=str,
)
def test_constants_that_are_no_numbers_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="number"):
        config_of(load_weights("siamfc"), **settings)
    with pytest.raises(ValueError, match="number"):
        TrackerConfig(**settings)
