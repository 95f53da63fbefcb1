"""`siamtrack bench` through the real command line, and the table of docs/speed.md made of what it wrote."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from siamtrack.cli import main
from siamtrack.eval import speed_clip

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process, whose end is that of a new one."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["siamtrack", "bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return subprocess.CompletedProcess(arguments, int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def table_tool() -> ModuleType:
    path = Path(__file__).parents[2] / "tools/speed_table.py"
    spec = importlib.util.spec_from_file_location("speed_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figures_are_printed_and_written(here: Command, clip: Path, tmp_path: Path, table_tool: ModuleType) -> None:
    out = tmp_path / "new/bench.json"
    done = here(
        *("--model", "siamfc", "--model", "identity", "--against", "identity", "--backend", "torch"),
        *("--video", clip, "--box", "60,80,40,50", "--frames", 3, "--rounds", 1, "--device", "cpu", "--precision", "float32"),
        *("--threads", 1, "--json", out),
    )
    assert done.returncode == 0, done.stderr
    for words in ("clip.mp4, 3 frames, decoded", "1 threads", "x identity", "torch float32"):
        assert words in done.stdout
    report = json.loads(out.read_text())
    siamfc, identity = report["contenders"]
    assert (siamfc["name"], siamfc["backend"], siamfc["precision"], siamfc["device"]) == ("siamfc", "torch", "float32", "cpu")
    assert siamfc["network"]["fps"] > siamfc["tracker"]["fps"]
    assert (identity["name"], identity["network"], identity["ratio"]) == ("identity", None, 1)
    assert all(len(one["rounds"]) == 1 for one in report["contenders"])
    assert report["machine"]["threads"] == 1
    assert {"opencv", "siamtrack", "onnxruntime"} <= set(report["versions"])

    lines = table_tool.table(report).splitlines()
    assert len(lines) == 4 + 2
    assert "clip.mp4, 3 frames, decoded" in lines[0]
    assert lines[2].endswith("times `identity` |")
    assert lines[4].startswith("| `siamfc` | torch float32 | ")
    assert lines[5].endswith(" | 1 |")
    assert len({line.count("|") for line in lines[2:]}) == 1
    assert table_tool.table(report, "siamfc").splitlines()[4].endswith(" | 1 |")


def test_the_table_tool_refuses_in_one_line(tmp_path: Path, table_tool: ModuleType) -> None:
    with pytest.raises(ValueError, match="no report of siamtrack bench"):
        table_tool.table({})
    with pytest.raises(ValueError, match="no tracker 'x' in the report; it has a"):
        table_tool.table({"contenders": [{"name": "a", "rounds": []}], "against": "a"}, "x")


def test_peers_that_are_missing_are_noted(here: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamtrack.eval.peers.OpenCVTracker.NAMES", ("nano", "vit"))
    monkeypatch.setattr(speed_clip, "render_clip", lambda: small)
    done = here("--model", "identity", "--peers", "--onnx-dir", tmp_path, "--frames", 2, "--rounds", 1, "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert "320x240, 2 frames, in memory" in done.stdout
    assert "cv2:nano left out:" in done.stderr
    assert "NanoTrackV2 needs its backbone.onnx" in done.stderr


def test_mistakes_are_one_line(here: Command, clip: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("--video", clip), "--video and --box go together"),
        (("--box", "1,2,30,40"), "--video and --box go together"),
        (("--video", clip, "--box", "1,2,30"), "is not four finite numbers"),
        (("--video", tmp_path / "none.mp4", "--box", "1,2,30,40"), "none.mp4 not found"),
        (("--video", clip, "--box", "900,2,30,40"), "outside the 320x240 frame"),
        (("--json", tmp_path), "is a folder; name a file in it"),
        (("--model", "siamfc", "--model", "siamfc"), "asked for twice"),
        (("--against", "siamf"), "did you mean 'siamfc'"),
        (("--rounds", "0"), "rounds"),
    ):
        done = here(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr.startswith("siamtrack: error: ")
        assert done.stderr.count("\n") == 1
        assert words in done.stderr


small = speed_clip.render_clip((320, 240))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "siamfcc"), "siamfcc"),
        (("--model", "cv2:nanoo"), "did you mean 'nano'"),
        (("--model", "siamfc", "--backend", "onx"), "did you mean 'onnx'"),
        (("--device", "tpu"), "device 'tpu'"),
    ],
)
def test_trackers_that_cannot_be_loaded(
    here: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr(speed_clip, "render_clip", lambda: small)
    done = here(*arguments, "--frames", 2, "--rounds", 1)
    assert done.returncode == 2
    assert done.stderr.startswith("siamtrack: error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_the_help_teaches() -> None:
    done = subprocess.run([sys.executable, "-m", "siamtrack", "bench", "--help"], capture_output=True, text=True, check=True)
    for words in ("--peers", "siamtrack bench --backend onnx --backend torch --threads 2", "medians"):
        assert words in done.stdout
