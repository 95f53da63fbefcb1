from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rendered import rendered_frame


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("tools/score_starts")


def test_it_scores_trackers_compares_them_and_names_what_is_too_short(
    tool: ModuleType,
    tmp_path: Path,
    write_clip: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, frames in (("long", 30), ("short", 12)):
        write_clip(tmp_path / f"{name}.mp4", frames)
        boxes = (",".join(f"{value:.2f}" for value in rendered_frame(i)[1]) for i in range(frames))
        (tmp_path / f"{name}.txt").write_text("\n".join(boxes))
    monkeypatch.setattr(tool, "shared", lambda work, calls, jobs: (work(*each) for each in calls))

    def printed(*words: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["score_starts.py", *map(str, words)])
        tool.main()
        return capsys.readouterr().out

    keep = tmp_path / "kept"
    command = ("siamfc-lite,search_sizes=[223]", "identity", "--on", tmp_path, "--keep", keep)
    first = printed(*command)
    assert "left out short: no run of 20 frames" in first
    assert "1 sequences" in first
    (line,) = (line for line in first.splitlines() if line.startswith("│ identity"))
    gain = float(line.split("│")[6].split()[0])
    assert gain > 0.1

    # What was scored once is read again.
    for path in keep.iterdir():
        path.write_text(json.dumps({"long": [0.25] * len(json.loads(path.read_text())["long"])}))
    assert "+0.000 (+0.000 to +0.000)" in printed(*command)
    assert "+0.000 (+0.000 to +0.000)" not in printed(*command, "--jitter", "0.01")

    (tmp_path / "dev.txt").write_text("# chosen on\nlong\n")
    assert "left out" not in printed("identity", "--on", f"{tmp_path}@{tmp_path / 'dev.txt'}")
    for suffix in ("mp4", "txt"):
        (tmp_path / f"long.{suffix}").unlink()
    monkeypatch.setattr(sys, "argv", ["score_starts.py", "identity", "--on", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        tool.main()
    assert "no sequence is long enough" in capsys.readouterr().err


def test_a_mean_of_frames_is_not_one_of_sequences(tool: ModuleType) -> None:
    found = {"a": np.full(90, 0.9), "b": np.full(10, 0.1)}
    values = tool.measured(found, None)
    assert tool.interval(values, True)[0] == pytest.approx(0.82)
    assert tool.interval(values, False)[0] == pytest.approx(0.5)
    assert tool.interval(tool.measured(found, 0.75), True)[0] == pytest.approx(0.9)
    less = tool.measured({"a": np.full(90, 0.8), "b": np.full(10, 0.0)}, None)
    for pooled in (True, False):
        # The same on every sequence, whichever are drawn.
        assert tool.interval(values, pooled, less) == pytest.approx((0.1, 0.1, 0.1))
