from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rendered import rendered_frame

TOOL = Path(__file__).parents[3] / "tools/bench_gpu.py"


def test_the_tool_runs_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "val" / "clip"
    folder.mkdir(parents=True)
    truth = []
    for i in range(3):
        frame, box = rendered_frame(i)
        cv2.imwrite(str(folder / f"{i + 1:08}.jpg"), frame)
        truth.append(np.add(box, (1, 1, 0, 0)))
    np.savetxt(folder / "groundtruth.txt", truth, delimiter=",", fmt="%.4f")
    spec = importlib.util.spec_from_file_location("bench_gpu", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    arguments = ["--device", "cpu", "--quick", "--precision", "float32", "--root", str(tmp_path / "val")]
    monkeypatch.setattr(sys, "argv", ["bench_gpu.py", *arguments])
    tool.main()
    printed = capsys.readouterr().out
    figures = json.loads(printed[printed.index("\n{\n") :])
    assert figures["single"]["fps"] == pytest.approx(1e3 / figures["single"]["p50_ms"])
    assert figures["many"]["updates_per_s"] == pytest.approx(2 * figures["many"]["fps"])
    assert figures["embedding"]["tflops"] > 0
    assert figures["agreement"]["lowest_overlap"] > 0.99
    assert figures["sequences"]["frames"] == 2
    assert abs(figures["sequences"]["ao_difference"]) < 0.01
    assert "share_of_peak" in printed[: printed.index("\n{\n")]


def test_senseless_numbers_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("bench_gpu", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(sys, "argv", ["bench_gpu.py", "--device", "cpu", "--frames", "1"])
    with pytest.raises(SystemExit):
        tool.main()
    assert "--frames is 1; it must be 2 or more" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["bench_gpu.py", "--device", "gpu"])
    with pytest.raises(SystemExit):
        tool.main()
    assert "device 'gpu' is unknown" in capsys.readouterr().err
