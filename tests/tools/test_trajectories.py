from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from rendered import rendered_frame


def test_what_is_recorded_twice_is_the_same_and_what_differs_is_named(
    import_tool: Callable[[str], ModuleType], write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    tool = import_tool("tools/trajectories")
    write_clip(tmp_path / "clip.mp4", 4)
    (tmp_path / "clip.txt").write_text(",".join(map(str, rendered_frame(0)[1])) + "\n", encoding="utf-8")
    first, second = (tool.record(tmp_path, ["siamfc-lite"], 3, {}) for _ in range(2))
    assert [len(rows) for rows in first["siamfc-lite"].values()] == [3]
    assert tool.compare(first, second, 0.0) == ([], 3)
    second["siamfc-lite"]["clip"][2][0] += 0.01
    assert tool.compare(first, second, 0.1) == ([], 3)
    (line,), _ = tool.compare(first, second, 1e-4)
    assert "siamfc-lite clip" in line
    assert "first in frame 2" in line
    second["siamfc-lite"]["clip"][1][5] = "LOST"
    assert "1 states differ" in tool.compare(first, second, 0.1)[0][0]
    assert tool.compare(first, {}, 0.0)[0][0].startswith("siamfc-lite clip: 3 and 0 frames")
