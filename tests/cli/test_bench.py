"""`siamtrack bench` through the real command line, and the table of docs/speed.md made of what it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from commands import Command, refused, siam

from siamtrack.eval import speed_clip

small = speed_clip.render_clip((320, 240))


@pytest.fixture
def bench(here: Command) -> Command:
    """A function that runs `siamtrack bench` with some arguments."""
    return partial(here, "bench")


@pytest.fixture
def table_tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("tools/speed_table")


def test_the_figures_are_printed_and_written(bench: Command, clip: Path, tmp_path: Path, table_tool: ModuleType) -> None:
    out = tmp_path / "new/bench.json"
    done = bench(
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


def test_peers_that_are_missing_are_noted(bench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamtrack.eval.peers.OpenCVTracker.NAMES", ("nano", "vit"))
    monkeypatch.setattr(speed_clip, "render_clip", lambda: small)
    done = bench("--model", "identity", "--peers", "--onnx-dir", tmp_path, "--frames", 2, "--rounds", 1, "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert "320x240, 2 frames, in memory" in done.stdout
    assert "cv2:nano left out:" in done.stderr
    assert "NanoTrackV2 needs its backbone.onnx" in done.stderr


def test_mistakes_are_one_line(bench: Command, clip: Path, tmp_path: Path) -> None:
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
        refused(bench(*arguments), words)


def test_trackers_that_cannot_be_loaded(bench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_clip, "render_clip", lambda: small)
    for arguments, words in (
        (("--model", "siamfcc"), "siamfcc"),
        (("--model", "cv2:nanoo"), "did you mean 'nano'"),
        (("--model", "siamfc", "--backend", "onx"), "did you mean 'onnx'"),
        (("--device", "tpu"), "device 'tpu'"),
    ):
        refused(bench(*arguments, "--frames", 2, "--rounds", 1), words)


def test_the_help_teaches() -> None:
    done = siam("bench", "--help")
    for words in ("--peers", "siamtrack bench --backend onnx --backend torch --threads 2", "medians"):
        assert words in done.stdout
