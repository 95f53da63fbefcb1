"""`siamtrack tune` as a user runs it, and as a power cut ends it."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from commands import wait_until
from rendered import rendered_frame

from siamtrack.cli import main

FRAMES = 5


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_clip: Callable[..., Path]) -> Path:
    """Three labelled clips."""
    folder = tmp_path_factory.mktemp("toys")
    for name, size_wh in (("a", (320, 240)), ("b", (300, 220)), ("c", (280, 240))):
        write_clip(folder / f"{name}.mp4", FRAMES, size_wh)
        boxes = [rendered_frame(i, size_wh)[1] for i in range(FRAMES)]
        (folder / f"{name}.txt").write_text("".join(",".join(map(str, box)) + "\n" for box in boxes))
    return folder


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "siamtrack", "tune", *map(str, arguments), "--device", "cpu", "--precision", "float32"]


def run_here(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The same in this process, which has torch already; returns the exit status."""
    monkeypatch.setattr(sys, "argv", ["siamtrack", *command(*arguments)[3:]])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def states(study: Path) -> list[str]:
    """States of the trials, in order; none as long as the file is not there."""
    if not study.exists():
        return []
    with closing(sqlite3.connect(study)) as database:
        return [state for (state,) in database.execute("SELECT state FROM trials ORDER BY number")]


@pytest.mark.slow
def test_a_killed_search_goes_on_by_the_same_command(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "s.sqlite"
    arguments = (root, "--study", study, "--trials", 12, "--only", "a,b", "--seed", 1)
    process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def in_the_middle() -> bool:  # of a trial: two or three are done, one is running
        now = states(study)
        return now.count("COMPLETE") >= 2 and "RUNNING" in now

    wait_until(in_the_middle, process, within_s=300)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    killed = states(study)
    assert killed.count("RUNNING") == 1
    finished = killed.count("COMPLETE")
    assert 2 <= finished < 12

    assert run_here(monkeypatch, *arguments) == 0
    printed = capsys.readouterr()
    after = states(study)
    assert after.count("FAIL") == 1
    assert after.count("COMPLETE") + after.count("PRUNED") == 12
    assert f"trial {finished + 1}/12" in printed.err
    assert f"trial {finished}/12" not in printed.err
    assert "toys" in printed.out
    assert "2 sequences, 8 frames" in printed.out
    assert "within noise: keep the present constants" in printed.out
    report = json.loads((tmp_path / "s-report/report.json").read_text())
    assert report["about"]["sequences"] == ["a", "b"]
    assert report["trials"] == 12
    assert report["present"]["trial"] == 1
    assert report["present"]["frames"] == 8
    assert report["present"]["constants"]["scale_damping"] == 0.3  # of the shipped weights, not the dataclass
    assert report["present"]["ao"] > 0.6
    assert len({tuple(trial["constants"].values()) for trial in report["all_trials"]}) == 12


def test_space_subset_and_constants_from_outside(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "space.yaml").write_text("window_influence: [0.1, 0.4]\nscale_count: [1, 3]\n")
    (tmp_path / "subset.txt").write_text("c   # the last\n")
    status = run_here(
        monkeypatch,
        *(root, "--study", tmp_path / "new/s.sqlite", "--trials", 2, "--limit", 3, "--out", tmp_path / "out"),
        *("--space", tmp_path / "space.yaml", "--subset", tmp_path / "subset.txt"),
        *("--set", "window_influence=0.2", "--set", "scale_count=1"),
    )
    assert status == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["present"]["constants"] == {"window_influence": 0.2, "scale_count": 1}
    assert report["about"]["sequences"] == ["c"]
    assert report["about"]["subset"] == "subset.txt"
    assert report["present"]["frames"] == 2


def test_mistakes_are_one_line(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.yaml").write_text("window_influenc: [0.1, 0.4]\n")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    usual = (root, "--study", tmp_path / "s.sqlite", "--trials", 1)
    for more, words in (
        (("--space", tmp_path / "space.yaml"), "did you mean 'window_influence'"),
        (("--only", "aa"), "no sequence 'aa'; did you mean 'a'"),
        (("--only", "a", "--subset", tmp_path / "empty.txt"), "not both"),
        (("--subset", tmp_path / "empty.txt"), "names no sequence"),
        (("--subset", tmp_path / "none.txt"), "not found"),
        (("--set", "scale_count"), "is not KEY=VALUE"),
    ):
        assert run_here(monkeypatch, *usual, *more) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("siamtrack: error: ")
        assert printed.count("\n") == 1
        assert words in printed
    assert not (tmp_path / "s.sqlite").exists()
