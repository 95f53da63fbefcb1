from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
from rendered import rendered_frame

import siamtrack
from siamtrack.eval.speed_clip import render_clip
from siamtrack.tracking.result import TrackResult
from siamtrack.tracking.tracker import MultiTracker


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("tools/bench_gpu")


def test_two_tracks_are_apart_by_their_boxes(tool: ModuleType) -> None:
    one = np.tile([10.0, 20, 40, 40], (5, 1))
    other = one.copy()
    other[1, 0] += 20
    other[2:, 3] += 1
    assert tool.apart(one, other) == {"largest_px": 20, "median_px": 1, "lowest_overlap": pytest.approx(1 / 3)}
    assert tool.apart(one, one) == {"largest_px": 0, "median_px": 0, "lowest_overlap": 1}


def test_warm_up_is_left_out_and_every_target_followed(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[int] = []

    class Group(MultiTracker[int]):
        def update(self, frame: np.ndarray) -> dict[int, TrackResult]:
            followed.append(len(self))
            return super().update(frame)

    # Two readings of the clock a frame: a second between them in the warm-up, then an eighth.
    lasts = [1.0] * tool.WARM_UP + [0.125] * 3
    ticks = iter([time for k, last in enumerate(lasts) for time in (10.0 * k, 10.0 * k + last)])
    monkeypatch.setattr(tool, "MultiTracker", Group)
    monkeypatch.setattr(tool, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    found = tool.many(siamtrack.load("siamfc-lite", device="cpu"), render_clip((320, 240), targets=2), 3)
    assert followed == [2] * (tool.WARM_UP + 3)
    assert found.fps == pytest.approx(8)


def test_the_whole_of_it_on_a_cpu(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "val" / "clip"
    folder.mkdir(parents=True)
    truth = []
    for i in range(3):
        frame, box = rendered_frame(i)
        cv2.imwrite(str(folder / f"{i + 1:08}.jpg"), frame)
        truth.append(np.add(box, (1, 1, 0, 0)))
    np.savetxt(folder / "groundtruth.txt", truth, delimiter=",", fmt="%.4f")
    monkeypatch.setattr(tool, "render_clip", lambda size_wh=None, targets=1: render_clip((320, 240), targets))
    arguments = ["--device", "cpu", "--precision", "float32", "--frames", "2", "--targets", "2"]
    arguments += ["--root", str(tmp_path / "val")]
    monkeypatch.setattr(sys, "argv", ["bench_gpu.py", *arguments])
    tool.main()
    printed = capsys.readouterr().out
    found = json.loads(printed[printed.index("\n{\n") :])
    for what in ("one target", "one target, 4K", "2 targets"):
        assert found[what]["p95_ms"] >= found[what]["p50_ms"] > 0
    assert found["one target"]["network_fps"] > found["one target"]["fps"]
    # The same network on the same device: the same boxes.
    assert found["agreement"] == {"largest_px": 0, "median_px": 0, "lowest_overlap": 1}
    assert found["sequences"]["frames"] == 2
    assert found["sequences"]["ao_difference"] == 0
    assert "lowest_overlap" in printed[: printed.index("\n{\n")]


def test_senseless_numbers_are_refused(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, words in (
        (("--device", "cpu", "--frames", "0"), "--frames is 0; it must be 1 or more"),
        (("--device", "gpu"), "device 'gpu' is unknown"),
    ):
        monkeypatch.setattr(sys, "argv", ["bench_gpu.py", *arguments])
        with pytest.raises(SystemExit, match="2"):
            tool.main()
        assert words in capsys.readouterr().err
