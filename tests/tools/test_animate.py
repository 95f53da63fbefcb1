from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from siamtrack.video.source import open_source


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("tools/animate")


def test_the_first_frames_of_a_video_become_an_animation(
    tool: ModuleType, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "clip.webp"
    monkeypatch.setattr(sys, "argv", ["animate.py", str(clip), str(out), "--frames", "3", "--fps", "10"])
    tool.main()
    assert "3 frames" in capsys.readouterr().out
    with open_source(out) as source:
        frames = list(source.read())
    assert [round(frame.time_s, 3) for frame in frames] == [0, 0.1, 0.2]
    monkeypatch.setattr(sys, "argv", ["animate.py", str(clip), str(tmp_path / "none/clip.webp")])
    with pytest.raises(SystemExit, match="2"):
        tool.main()
    assert "cannot write" in capsys.readouterr().err
