from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import rendered_frame

from siamtrack.config import load_yaml
from siamtrack.train.recipe import Recipe, SourceConfig

RECIPE = """
sources: [{path: clips}]
steps: 1000
batch_size: 4
search_size_start: 159
search_size: 159
"""


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("tools/bench_training")


def test_spans_that_overlap_count_once_and_the_warm_up_does_not(tool: ModuleType) -> None:
    # A fifth of 0..100 is warm-up; of the rest 20..40 (by two spans), 50..60 and 90..100 are covered.
    assert tool.busy_share([(0, 30), (10, 40), (50, 60), (52, 58), (90, 100)]) == pytest.approx(40 / 80)
    assert tool.busy_share([(0, 100)]) == 1
    assert tool.busy_share([]) is None


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), min_size=1, max_size=12))
def test_the_busy_share_is_that_of_the_moments_covered(tool: ModuleType, drawn: list[tuple[int, int]]) -> None:
    spans = [(5 * start, 5 * (start + length)) for start, length in drawn]
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    # Every span begins and ends at a multiple of five, so the warm-up's end is a whole number.
    moments = range(first + (last - first) // 5, last)
    covered = sum(any(start <= moment < end for start, end in spans) for moment in moments)
    assert tool.busy_share(spans) == pytest.approx(covered / len(moments))


def test_only_the_largest_views_are_measured(tool: ModuleType) -> None:
    recipe = Recipe(sources=(SourceConfig("clips"),), steps=1000, search_size=223, search_size_start=175, warmup_steps=50)
    assert tool.as_measured(recipe, 20).sizes() == [223] * 20


@pytest.mark.slow
def test_it_trains_with_the_trainers_own_loop_and_says_how_fast(
    tool: ModuleType,
    tmp_path: Path,
    write_clip: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("one", "two"):
        write_clip(tmp_path / f"clips/{name}.mp4", 8)
        boxes = (",".join(f"{value:.2f}" for value in rendered_frame(i)[1]) for i in range(8))
        (tmp_path / f"clips/{name}.txt").write_text("\n".join(boxes))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    words = f"recipe.yaml --data {tmp_path} --cache crops --workers 0 1 --steps 2 --device cpu"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bench_training.py", *words.split()])
    tool.main()
    printed = capsys.readouterr().out
    assert "siamfc on CPU" in printed
    rows = json.loads(printed.splitlines()[-1])
    assert [row["workers"] for row in rows] == [0, 1]
    for row in rows:
        assert row["views_per_s"] > 0
        assert row["views_per_s_without_loading"] == rows[0]["views_per_s_without_loading"] > 0
        assert 0 <= row["waited"] < 1
        assert row["busy"] is None
    # The run leaves the crops and nothing else.
    assert {path.name for path in tmp_path.iterdir()} == {"clips", "crops", "recipe.yaml"}
    assert load_yaml(tmp_path / "recipe.yaml")["steps"] == 1000
