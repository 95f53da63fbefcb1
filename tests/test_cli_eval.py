"""`siamtrack eval` through the real command line."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from rendered import rendered_frame
from test_cli import refused, siam


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short sequences in the GOT-10k layout."""
    root = tmp_path_factory.mktemp("eval") / "mine"
    for k, name in enumerate(("first", "second")):
        (root / name).mkdir(parents=True)
        boxes = []
        for i in range(6 + k):
            frame, box = rendered_frame(4 * k + 2 * i)
            cv2.imwrite(str(root / name / f"{i + 1:08d}.jpg"), frame)
            boxes.append(box)
        np.savetxt(root / name / "groundtruth.txt", boxes, fmt="%.4f", delimiter=",")
    (root / "list.txt").write_text("first\nsecond\n")
    return root


def test_a_folder_ends_in_a_report(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("eval", "folder", folder, "--out", out, "--tracker", "siamfc", "--tracker", "identity", "--jobs", 1)
    first = siam(*command)
    assert first.returncode == 0, first.stderr
    assert "AO 0." in first.stdout
    assert "(2 sequences, 11 frames)" in first.stdout
    assert "4/4" in first.stderr
    assert (out / "report.html").stat().st_size > 5000
    scores = json.loads((out / "scores.json").read_text())
    again = siam(*command, "--compare", out)
    assert again.returncode == 0, again.stderr
    assert "1/4" not in again.stderr  # nothing was run again
    assert json.loads((out / "scores.json").read_text())["trackers"] == scores["trackers"]


def test_a_test_set_ends_in_an_archive(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "GOT-10k" / "test"
    shutil.copytree(folder, root)
    for path in root.glob("*/groundtruth.txt"):
        path.write_text(path.read_text().splitlines()[0] + "\n")
    result = siam(
        "eval", "got10k", "--root", root.parent, "--subset", "test", "--out", tmp_path / "out", "--tracker", "identity"
    )
    assert result.returncode == 0, result.stderr
    assert "every line checked" in result.stdout
    with zipfile.ZipFile(tmp_path / "out/identity.zip") as archive:
        assert len(archive.namelist()) == 4


def test_check_names_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    good = siam("eval", "--check", folder)
    assert good.returncode == 0, good.stderr
    assert "2 sequences, 13 frames; 0 bad" in good.stdout
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "second" / "00000003.jpg").unlink()
    bad = siam("eval", "folder", broken, "--check")
    assert bad.returncode == 1
    assert "bad: second: " in bad.stdout
    assert "6 frames, 7 labels" in bad.stdout


def test_what_cannot_be_run_is_one_line(folder: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    refused(siam("eval", "got10k", "--root", tmp_path / "none", *out), "none", "not found")
    refused(siam("eval", "gottenk", "--root", folder, *out), "did you mean 'got10k'?")
    refused(siam("eval", "folder", folder), "--out is missing")
    refused(siam("eval", "folder", *out), "say where the data set is")
    refused(siam("eval", "folder", folder, *out, "--only", "frist"), "did you mean 'first'?")
    refused(siam("eval", "folder", folder, *out, "--tracker", "siamfcc"), "did you mean 'siamfc'?")
    refused(
        siam("eval", "folder", folder, *out, "--tracker", "identity", "--compare", tmp_path),
        "give a folder that siamtrack eval wrote",
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/list.txt").write_text("\n")
    refused(siam("eval", "folder", tmp_path / "empty", *out), "list.txt")
