"""`siamtrack verify` and the training of verifiers through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from commands import Command, called, refused
from glyphs import write_letters

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of letters, and a verifier that the command line trained on it."""
    root = tmp_path_factory.mktemp("verify")
    letters = write_letters(root / "letters")
    (letters / "A" / "broken.png").write_bytes(b"no picture")
    recipe = {
        "model": "verifier",
        "tower": {"kind": "cnn", "dim": 16, "size": 32, "gray": True, "width": 8},
        "loss": "triplet",
        "margin": 0.3,
        "steps": 30,
        "epoch_steps": 15,
        "batch_size": 32,
        "lr": 0.003,
        "holdout": 0.4,
    }
    (root / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    result = called("train", root / "recipe.yaml", "--data", letters, "--out", root / "run", "--device", "cpu", "--workers", 0)
    assert result.returncode == 0, result.stderr
    assert "model.safetensors" in result.stdout
    assert "note: left out" in result.stderr
    assert "broken.png" in result.stderr
    assert "broken.png" in (root / "run/left_out.txt").read_text()
    return letters, root / "run/model.safetensors"


def test_two_items(here: Command, trained: tuple[Path, Path]) -> None:
    letters, model = trained
    options = ("--model", model, "--false-accept", 0.1, "--device", "cpu")
    result = here("verify", letters / "A/0.png", letters / "A/0.png", *options)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("same: distance 0.0000 <= ")
    assert "false-accept rate 0.1" in result.stdout
    answers = [here("verify", letters / "A/0.png", letters / f"{other}/0.png", *options, "--json") for other in "KLM"]
    assert all(answer.returncode in (0, 1) for answer in answers)
    for answer in answers:
        said = json.loads(answer.stdout)
        assert said["same"] == (said["distance"] <= said["threshold"]) == (answer.returncode == 0)
    assert 1 in [answer.returncode for answer in answers]


def test_a_gallery_of_folders_and_of_a_file(here: Command, trained: tuple[Path, Path], tmp_path: Path) -> None:
    letters, model = trained
    for name in "CDE":
        (tmp_path / "gallery" / name).mkdir(parents=True)
        (tmp_path / "gallery" / name / "one.png").write_bytes((letters / name / "2.png").read_bytes())
    probe, kept = letters / "D/2.png", tmp_path / "kept/gallery.safetensors"
    options = ("--model", model, "--false-accept", 0.1, "--device", "cpu")
    first = here("verify", "--gallery", tmp_path / "gallery", probe, "--save", kept, "--count", 2, *options)
    assert first.returncode == 0, first.stderr
    assert "1. D  distance" in first.stdout
    assert "3." not in first.stdout
    again = here("verify", "--gallery", kept, probe, letters / "C/2.png", "--json", *options)
    assert again.returncode == 0, again.stderr
    assert [json.loads(line)["nearest"][0]["name"] for line in again.stdout.splitlines()] == ["D", "C"]
    kept.write_bytes(kept.read_bytes()[:-1] + b"\x00\x01")
    refused(here("verify", "--gallery", kept, probe, *options), str(kept))


def test_the_shipped_verifier_and_boxes(here: Command, trained: tuple[Path, Path]) -> None:
    letters, _ = trained
    result = here("verify", letters / "A/0.png", letters / "A/0.png", "--box-a", "2,2,20,20", "--box-b", "2,2,20,20")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("same: distance 0.0000")


def test_two_runs(here: Command, trained: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    _, model = trained
    out = tmp_path / "run"
    assert here("track", clip, "--box", "60,80,40,50", "--out", out, "--device", "cpu").returncode == 0
    result = here("verify", "--tracks", out, out, "--model", model, "--false-accept", 0.1, "--json")
    assert result.returncode in (0, 1), result.stderr
    assert json.loads(result.stdout)["frames_a"][0] == 0


def test_what_cannot_be_answered_is_one_line(here: Command, trained: tuple[Path, Path], tmp_path: Path) -> None:
    letters, model = trained
    a = letters / "A/0.png"
    for box, why in (
        ("900,900,9,9", "outside the"),
        ("0,0,0,0", "zero or less"),
        ("1e300,0,1e300,5", "outside"),
        ("0,0,3,3", "4 px"),
    ):
        refused(here("verify", a, a, "--model", model, "--box-b", box), why)
    refused(here("verify", a, "--model", model), "two items are compared, got 1", "--gallery")
    refused(here("verify", a, tmp_path / "none.png", "--model", model), "none.png")
    refused(here("verify", a, a, "--model", "verifire"), "did you mean 'verifier'?")
    refused(here("verify", a, a, "--model", model, "--false-accept", "0.0000001"), "strictest that was measured")
    (tmp_path / "empty").mkdir()
    refused(here("verify", "--gallery", tmp_path / "empty", a, "--model", model), "holds no class with items")
    refused(here("verify", "--gallery", letters, "--tracks", a, a, "--model", model), "two different questions")
    one = write_letters(tmp_path / "one", "A")
    recipe = model.parent.parent / "recipe.yaml"
    refused(here("train", recipe, "--data", one, "--out", tmp_path / "run"), "one class only: A")
    (tmp_path / "bad.yaml").write_text("model: verifier\nlos: triplet\n")
    refused(here("train", tmp_path / "bad.yaml", "--data", letters, "--out", tmp_path / "run"), "did you mean 'loss'?")
