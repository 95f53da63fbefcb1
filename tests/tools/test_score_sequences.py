from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import pytest
import torch
from rendered import rendered_frame


def test_it_prints_and_writes(
    tmp_path: Path,
    write_clip: Callable[..., Path],
    import_tool: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "data").mkdir()
    write_clip(tmp_path / "data/clip.mp4", 6)
    lines = [",".join(map(str, rendered_frame(i)[1])) for i in range(6)]
    (tmp_path / "data/clip.txt").write_text("\n".join([*lines[:3], "0,0,0,0", *lines[4:]]) + "\n")
    (tmp_path / "dev.txt").write_text("clip\n")
    place = f"{tmp_path / 'data'}@{tmp_path / 'dev.txt'}"
    arguments = [place, "siamfc", "siamfc,window_influence=0.4", "--json", tmp_path / "s.json"]
    arguments += ["--set", "scale_count=1", "--limit", "5", "--threads", "1"]
    before = torch.get_num_threads(), cv2.getNumThreads()
    monkeypatch.setattr(sys, "argv", ["score_sequences.py", *map(str, arguments)])
    import_tool("tools/score_sequences").main()
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before
    out = capsys.readouterr().out
    assert "data (dev): " in out
    assert "(1 sequences, 3 frames)" in out
    rows = json.loads((tmp_path / "s.json").read_text())
    assert list(rows) == ["siamfc", "siamfc,window_influence=0.4"]
    for row in rows.values():
        assert len(row["overlaps"]["clip"]) == len(row["scores"]["clip"]) == 3
        assert min(row["overlaps"]["clip"]) > 0.5
        assert row["fps"] > 0
