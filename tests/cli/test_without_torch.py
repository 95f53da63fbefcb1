"""Commands in a process that has no PyTorch, whose workers have none either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from commands import environment, rows_of
from rendered import rendered_frame

BOX = "60,80,40,50"

HIDDEN = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = staticmethod(lambda name, *more: None if name == "torch" else find(name, *more))
"""
"""Python reads this where it starts, in workers too."""

SCRIPT = """
import sys
from siamtrack.cli import main
for command in {commands}:
    print("$", *command, file=sys.stderr)
    sys.argv[1:] = command
    try:
        main()
    except SystemExit as end:
        print("status", end.code or 0, file=sys.stderr)
"""


def run(tmp_path: Path, *commands: tuple[object, ...]) -> list[tuple[int, str]]:
    """Status and standard error of each command."""
    (tmp_path / "start").mkdir()
    (tmp_path / "start/sitecustomize.py").write_text(HIDDEN)
    paths = [str(tmp_path / "start"), *filter(None, [os.environ.get("PYTHONPATH")])]
    script = SCRIPT.format(commands=[[str(word) for word in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**environment(), "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0, done.stderr
    told = [part.rpartition("status ") for part in f"\n{done.stderr}".split("\n$ ")[1:]]
    return [(int(status), text) for text, _, status in told]


@pytest.mark.slow
def test_tracking_labels_scores_and_speed_need_none(clip: Path, tmp_path: Path) -> None:
    sequence = tmp_path / "data/one"
    sequence.mkdir(parents=True)
    for i in range(4):
        cv2.imwrite(str(sequence / f"{i + 1:08d}.jpg"), rendered_frame(i)[0])
    truth = [",".join(f"{value:.1f}" for value in rendered_frame(i)[1]) for i in range(4)]
    (sequence / "groundtruth.txt").write_text("\n".join(truth) + "\n")
    (tmp_path / "data/list.txt").write_text("one\n")
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(f"video,target,start,x,y,w,h\n{clip},one,0,{BOX}\n")
    told = run(
        tmp_path,
        ("track", clip, "--box", BOX, "--out", tmp_path / "track", "--device", "cpu"),
        ("live", "--source", clip, "--box", BOX, "--no-window", "--out", tmp_path / "live", "--device", "cpu"),
        ("batch", jobs, "--out", tmp_path / "batch", "--jobs", 1, "--device", "cpu"),
        ("export-labels", tmp_path / "track", "--to", "coco", "--out", tmp_path / "labels"),
        ("data", "check", tmp_path / "data"),
        ("data", "prepare", tmp_path / "data", "--cache", tmp_path / "crops", "--workers", 1),
        ("eval", "folder", tmp_path / "data", "--out", tmp_path / "eval", "--jobs", 1, "--device", "cpu"),
        ("bench", "--model", "siamfc-lite", "--video", clip, "--box", BOX, "--frames", 2, "--rounds", 1, "--device", "cpu"),
        ("doctor",),
    )
    assert [text for status, text in told if status] == []
    assert len(told) == 9
    boxes = [rows_of(tmp_path / path / "boxes.csv") for path in ("track", "live/target-1", "batch/clip/one")]
    assert [len(rows) for rows in boxes] == [20, 20, 20]
    assert [[row["x"] for row in rows] for rows in boxes[1:]] == [[row["x"] for row in boxes[0]]] * 2
    (labels,) = (tmp_path / "labels").iterdir()
    assert len(json.loads(labels.read_text())["annotations"]) == 20
    assert (tmp_path / "eval/report.html").is_file()


def test_what_needs_it_says_what_to_install(clip: Path, tmp_path: Path) -> None:
    told = run(
        tmp_path,
        ("track", clip, "--box", BOX, "--out", tmp_path / "out", "--backend", "torch"),
        ("track", clip, "--box", BOX, "--out", tmp_path / "out", "--device", "cuda"),
        ("export", "siamfc-lite", "--out", tmp_path / "out"),
        ("verify", clip, clip),
        ("train", "smoke", "--data", tmp_path, "--out", tmp_path / "out"),
    )
    for (status, text), extra in zip(told, ("torch", "torch", "torch", "torch", "train"), strict=True):
        assert status == 2, text
        assert text.count("\n") == 2, text  # the command, and one line
        assert "PyTorch, which is not installed: pip install '.[" + extra + "]'" in text
    assert not (tmp_path / "out").exists()
