from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from siamtrack.config import load_yaml
from siamtrack.model.weights import load_weights, save_weights


@pytest.fixture
def tool(import_tool: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool, writing elsewhere than into the package."""
    module = import_tool("tools/publish_weights")
    monkeypatch.setattr(module, "ASSETS", tmp_path)
    return module


def test_a_shipped_model_gets_other_constants_and_keeps_the_rest(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "constants.yaml").write_text("window_influence: 0.123\npeaks: parabola\n")
    words = ["siamfc-lite", "--config", tmp_path / "constants.yaml", "--note", "a test"]
    monkeypatch.setattr(sys, "argv", ["publish_weights.py", *map(str, words)])
    tool.main()
    made, before = load_weights(tmp_path / "siamfc-lite.safetensors"), load_weights("siamfc-lite")
    assert made.header.tracker["window_influence"] == load_yaml(tmp_path / "constants.yaml")["window_influence"]
    recipe = before.header.training["recipe"]
    recipe = {**recipe, "init": Path(recipe["init"]).name}  # no path of whoever trained it
    assert made.header.training == {**before.header.training, "recipe": recipe, "note": "a test"}
    same = zip(made.net.state_dict().values(), before.net.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in same)


def test_several_files_give_their_mean_and_the_header_says_which(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped, rng = load_weights("siamfc-lite"), np.random.default_rng(0)
    runs = [
        {key: array + rng.integers(0, 3, array.shape).astype(array.dtype) for key, array in shipped.state.items()}
        for _ in "abc"
    ]
    names = [tmp_path / f"{run}.safetensors" for run in "abc"]
    for seed, (path, state) in enumerate(zip(names, runs, strict=True)):
        save_weights(path, state, dataclasses.replace(shipped.header, training={"seed": seed, "note": "mine"}))
    (tmp_path / "constants.yaml").write_text("window_influence: 0.123\n")
    words = [*names, "--config", tmp_path / "constants.yaml", "--data", "clips", "--val", "AO 0.5", "--name", "mean"]
    monkeypatch.setattr(sys, "argv", ["publish_weights.py", *map(str, words)])
    tool.main()
    made, read = load_weights(tmp_path / "mean.safetensors"), [load_weights(path) for path in names]
    for key, array in made.state.items():
        each = np.stack([weights.state[key] for weights in read])
        assert np.array_equal(
            array, each.astype(np.float64).mean(axis=0).astype(np.float16) if array.dtype.kind == "f" else each[-1]
        )
    files = [{"file": path.name, "sha256": weights.sha256} for path, weights in zip(names, read, strict=True)]
    assert made.header.training == {"seed": 2, "note": "mine", "data": "clips", "val": "AO 0.5", "mean_of": files}
    assert made.header.tracker["window_influence"] == 0.123

    monkeypatch.setattr(sys, "argv", ["publish_weights.py", "siamfc", *map(str, words[1:])])
    with pytest.raises(SystemExit, match="2"):
        tool.main()
    assert "no mean of a siamfc that sees" in capsys.readouterr().err


def test_a_checkpoint_says_how_it_was_trained_and_needs_words_on_its_data(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = {"model": "siamfc", "seed": 5, "batch_size": 8, "init": "/somewhere/begun.safetensors"}
    state = {key: torch.from_numpy(array) for key, array in load_weights("siamfc").state.items()}
    torch.save({"recipe": recipe, "net": state, "step": 40}, tmp_path / "checkpoint.pt")
    words = ["publish_weights.py", str(tmp_path / "checkpoint.pt"), "--config", "configs/siamfc.yaml"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="2"):
        tool.main()
    assert "a checkpoint, and a mean, need --data and --val" in capsys.readouterr().err

    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setattr(sys, "argv", [*words, "--data", "clips", "--val", "AO 0.5"])
    tool.main()
    training = load_weights(tmp_path / "siamfc.safetensors").header.training
    del training["commit"]
    assert training == {
        **{"data": "clips", "val": "AO 0.5", "note": "", "split": "train only", "seed": 5, "steps": 40, "targets_a_step": 4},
        "recipe": {**recipe, "init": "begun.safetensors"},
    }
