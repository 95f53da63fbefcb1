from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from siamtrack.config import load_yaml
from siamtrack.model.weights import load_weights


@pytest.fixture
def tool(import_tool: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool, writing elsewhere than into the package."""
    module = import_tool("tools/publish_weights")
    monkeypatch.setattr(module, "ASSETS", tmp_path)
    return module


def test_a_shipped_model_gets_other_constants_and_keeps_the_rest(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "constants.yaml").write_text("window_influence: 0.123\nscale_search: box\n")
    words = ["siamfc-lite", "--config", tmp_path / "constants.yaml", "--note", "a test"]
    monkeypatch.setattr(sys, "argv", ["publish_weights.py", *map(str, words)])
    tool.main()
    made, before = load_weights(tmp_path / "siamfc-lite.safetensors"), load_weights("siamfc-lite")
    assert made.header.tracker["window_influence"] == load_yaml(tmp_path / "constants.yaml")["window_influence"]
    assert made.header.training == {**before.header.training, "note": "a test"}
    same = zip(made.net.state_dict().values(), before.net.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in same)


def test_a_checkpoint_needs_words_on_its_data(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["publish_weights.py", "runs/checkpoint.pt", "--config", "configs/siamfc.yaml"])
    with pytest.raises(SystemExit, match="2"):
        tool.main()
    assert "a checkpoint needs --data and --val" in capsys.readouterr().err
