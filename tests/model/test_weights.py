from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from siamtrack.api import config_of
from siamtrack.config import build, load_yaml
from siamtrack.errors import WeightsError
from siamtrack.model.siamese import Siamese
from siamtrack.model.tensors import read_tensors
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
    assert "head" not in (read_tensors(ASSETS / "siamfc-lite.safetensors").header or {})
    shipped = load_weights("siamfc-lite")
    assert shipped.header.head == "correlation"
    assert shipped.net.box is not None
    assert shipped.net.box.detail is None


def test_a_file_of_before_0_6_keeps_its_score(tmp_path: Path) -> None:
    settings = {"score_slope": 0.8, "score_offset": -4.0, "tracking_score": 0.15, "lost_score": 0.01}
    save_weights(tmp_path / "old.safetensors", Siamese().state_dict(), WeightsHeader(tracker=settings))
    config = config_of(load_weights(tmp_path / "old.safetensors"))
    assert (config.score_weights, config.score_offset) == ((0.8, 0.0), -4.0)
    assert (config.tracking_score, config.doubt_score, config.lost_score) == (0.15, 0.15, 0.01)


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
    assert build(TrackerConfig, loaded.header.tracker).scale_search == "search"


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


def test_a_model_without_shipped_weights_names_one_that_has_them() -> None:
    with pytest.raises(FileNotFoundError, match="'siamfc-box' has no weights in this package; use siamfc-lite"):
        load_weights("siamfc-box")
