from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable
from itertools import starmap
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from siamtrack.boxes import Box
from siamtrack.tracking.result import State, TrackResult

T, U, L = "TRACKING", "UNCERTAIN", "LOST"


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("experiments/lost/measure_lost")


def a_run(tool: ModuleType, overlaps: list[float], states: list[str], absent: tuple[int, int] | None, **changed: object):  # type: ignore[no-untyped-def]
    scores = [0.9 if state == T else 0.5 if state == U else 0.05 for state in states]
    row = {
        "tracker": "a", "clip": "cut_x", "kind": "cut", "visible": [value > 0 for value in overlaps],
        "overlaps": overlaps, "scores": scores, "states": states, "absent": absent,
    }  # fmt: skip
    return tool.Run(**{**row, **changed})


def test_a_target_is_found_where_it_is_good_and_tracking_again(tool: ModuleType) -> None:
    run = a_run(tool, [0.8, 0.8, 0, 0, 0.0, 0.7, 0.7], [T, T, L, L, L, L, T], (2, 4))
    assert run.comes_back
    assert run.found_after == 2
    assert list(run.redetections()) == [True]
    found = tool.figures([run])
    assert (found.returns, found.found, found.redetections, found.false_redetections) == (1, 1.0, 1, 0.0)
    assert (found.lost_as_tracking, found.good_as_lost) == (0.0, 0.25)


def test_a_find_of_something_else_is_false_and_not_found(tool: ModuleType) -> None:
    run = a_run(tool, [0.8, 0.8, 0, 0, 0.0, 0.0], [T, T, L, T, T, T], (2, 4))
    assert run.found_after is None
    assert list(run.redetections()) == [False]
    found = tool.figures([run])
    assert (found.found, found.false_redetections, found.lost_as_tracking) == (0.0, 1.0, 0.75)


def test_a_find_by_way_of_a_doubt_counts_once_and_a_doubt_without_a_loss_is_none(tool: ModuleType) -> None:
    run = a_run(tool, [0.8, 0, 0, 0, 0.8, 0.8, 0.8, 0.8], [T, L, U, U, T, T, U, T], (1, 4))
    assert list(run.redetections()) == [True]
    wrong = a_run(tool, [0.8, 0, 0, 0, 0.0, 0.8, 0.8, 0.8], [T, L, U, U, T, T, L, U], (1, 4))
    assert list(wrong.redetections()) == [False]


@pytest.mark.parametrize(
    ("overlaps", "absent"),
    [([0.2, 0.2, 0.0, 0.0, 0.8], (2, 4)), ([0.8, 0.8, 0.0, 0.0], (2, 4)), ([0.8, 0.8, 0.8], None)],
)
def test_what_was_lost_before_or_never_returns_counts_as_no_return(
    tool: ModuleType, overlaps: list[float], absent: tuple[int, int] | None
) -> None:
    assert not a_run(tool, overlaps, [T] * len(overlaps), absent).comes_back
    assert math.isnan(tool.figures([a_run(tool, overlaps, [T] * len(overlaps), absent)]).found)


class Pretender:
    """Says the first box again, with a state of its own from the third frame on."""

    def init(self, frame: np.ndarray, box: Box) -> None:
        self.box, self.count = Box(*box), 0

    def update(self, frame: np.ndarray) -> TrackResult:
        self.count += 1
        return TrackResult(self.box, 0.9, State.TRACKING) if self.count < 3 else TrackResult(self.box, 0.1, State.LOST)


class Silent(Pretender):
    """As OpenCV's trackers: a box, and a score beside it."""

    score = 0.2

    def update(self, frame: np.ndarray) -> Box:  # type: ignore[override]
        return self.box


def test_a_clip_is_run_from_the_first_box_and_rows_begin_behind_it(tool: ModuleType) -> None:
    boxes = np.array([[0, 0, 0, 0], [10, 10, 20, 20], [10, 10, 20, 20], [0, 0, 0, 0], [20, 10, 20, 20]], np.float64)
    frames = [np.zeros((60, 60, 3), np.uint8)] * 5
    trackers = {"ours": Pretender(), "theirs": Silent()}
    ours, theirs = tool.run_clip(trackers, "cut_x", "cut", frames, boxes, (2, 3))
    assert ours.overlaps == [1.0, 0.0, pytest.approx(1 / 3, abs=1e-4)]
    assert ours.states == [T, T, L]
    assert ours.visible == [True, False, True]
    assert ours.absent == (1, 2)
    assert (theirs.scores, theirs.states) == ([0.2] * 3, [L] * 3)


def test_runs_of_other_weights_or_settings_are_not_taken_for_these(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = a_run(tool, [0.8, 0.8], [T, T], None, tracker="siamfc", kind="plain", made_by="0123456789abcdef")
    (tmp_path / "frames-0.json").write_text(json.dumps([dataclasses.asdict(kept)]))
    monkeypatch.setattr(sys, "argv", ["measure_lost.py", str(tmp_path), "--tracker", "siamfc", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        tool.main()
    assert "holds runs of siamfc with other weights or settings; use another --out" in capsys.readouterr().err
    assert (
        tool.fingerprint("siamfc", None) == tool.fingerprint("siamfc", None) != tool.fingerprint("siamfc,redetect=false", None)
    )


def test_a_list_says_which_sequences_are_measured(
    tool: ModuleType, tmp_path: Path, write_clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        write_clip(tmp_path / f"data/{name}.mp4", 4)
        (tmp_path / f"data/{name}.txt").write_text("10,10,20,20\n" * 4)
    (tmp_path / "dev.txt").write_text("b\n")
    words = [f"{tmp_path / 'data'}@{tmp_path / 'dev.txt'}", "--tracker", "identity", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["measure_lost.py", *words])
    monkeypatch.setattr(tool, "shared", lambda work, calls, _: starmap(work, calls))  # no other process can import the tool
    tool.main()
    rows = json.loads((tmp_path / "out/frames-0.json").read_text())
    assert {row["clip"].split("_")[-1] for row in rows} == {"b"}
