"""`siamtrack data`: what it prints, and its exit statuses. A real process of it is killed in tests/train/test_crops.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from commands import Command, refused

BOX = "60,80,40,50\n"


@pytest.fixture
def data(here: Command) -> Command:
    """A function that runs `siamtrack data` with some arguments."""
    return partial(here, "data")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_clip: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in ("a", "b", "c"):
        write_clip(folder / f"{name}.mp4", frames=3)
        (folder / f"{name}.txt").write_text(BOX * 3)
    return folder


def test_check_and_prepare_name_what_is_bad(data: Command, root: Path, tmp_path: Path) -> None:
    good = data("check", root)
    assert (good.returncode, good.stdout) == (0, f"3 of 3 sequences good, 0 bad  ({root}, videos)\n")
    (root / "b.txt").write_text(BOX * 9)
    (root / "c.txt").write_text("1,2,nan,4\n" * 3)
    bad = data("check", root)
    assert bad.returncode == 1
    assert bad.stdout.splitlines() == [
        f"bad: b: {root}/b.mp4: 3 frames, 9 boxes; every frame needs one box",
        f"bad: c: {root}/c.txt, line 1: '1,2,nan,4' is not x,y,w,h in finite numbers, nor four corners",
        f"1 of 3 sequences good, 2 bad  ({root}, videos)",
    ]
    fast = data("check", root, "--fast")
    assert fast.returncode == 1
    assert "2 of 3 sequences good, 1 bad" in fast.stdout  # how many frames a video has is only known at its end
    made = data("prepare", root, "--cache", tmp_path, "--workers", 1)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("bad: b: ")
    assert "1 of 3 good, 2 bad; 1 tracks, 3 crops: " in made.stdout
    assert "cutting 3/3" in made.stderr
    (report,) = tmp_path.glob("*/report.json")
    assert [bad["name"] for bad in json.loads(report.read_text())["bad"]] == ["b", "c"]


def test_mistakes_are_one_line_and_status_2(data: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        (["check", tmp_path / "none"], "none not found"),
        (["check", tmp_path / "empty"], "no layout that is known"),
        (["prepare", tmp_path / "none", "--cache", tmp_path / "cache", "--kind", "lasott"], "none not found"),
        (["check", tmp_path / "empty", "--kind", "lasott"], "did you mean 'lasot'"),
    ):
        refused(data(*arguments), words)
    assert not (tmp_path / "cache").exists()
