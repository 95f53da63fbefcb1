"""`siamtrack eval` through the real command line."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import Command, refused
from rendered import rendered_frame

from siamtrack.eval import runner
from siamtrack.model.weights import load_weights, save_weights


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


class InlinePool:
    """A `ProcessPoolExecutor` that works in this process: each of its own takes seconds to import what it needs."""

    def __init__(self, *_: object) -> None: ...

    def submit(self, work: Callable[..., object], *arguments: object) -> Future[object]:
        future: Future[object] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def __enter__(self) -> InlinePool:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def inline(here: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`here`, with the evaluation's processes in this one, too."""
    monkeypatch.setattr(runner, "ProcessPoolExecutor", InlinePool)
    return here


def contents(out: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_folder_ends_in_a_report(here: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("eval", "folder", folder, "--out", out, "--tracker", "siamfc", "--tracker", "identity", "--jobs", 1)
    first = here(*command)
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    for name, line in zip(("siamfc", "identity"), lines, strict=False):
        figures = r"AO 0\.\d{3}  SR0\.50 \d\.\d{3}  SR0\.75 \d\.\d{3}  mean of sequences 0\.\d{3}"
        figures += r"  \(2 sequences, 11 frames\)  \d+\.\d fps"
        assert re.fullmatch(rf"{name} +folder mine all: {figures}", line)
    assert lines[2:] == [f"Report: {out / 'report.html'}"]
    assert "4/4" in first.stderr
    assert (out / "report.html").stat().st_size > 5000
    scores = json.loads((out / "scores.json").read_text())
    assert scores["about"]["siamfc"].endswith(", re-detection off")
    again = here(*command, "--compare", out)
    assert again.returncode == 0, again.stderr
    assert "1/4" not in again.stderr  # nothing was run again
    assert json.loads((out / "scores.json").read_text())["trackers"] == scores["trackers"]


def test_a_test_set_ends_in_an_archive(inline: Command, folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "GOT-10k" / "test"
    shutil.copytree(folder, root)
    for path in root.glob("*/groundtruth.txt"):
        path.write_text(path.read_text().splitlines()[0] + "\n")
    result = inline(
        "eval",
        "got10k",
        "--root",
        root.parent,
        "--subset",
        "test",
        "--out",
        tmp_path / "out",
        "--tracker",
        "identity",
        "--jobs",
        1,
    )
    assert result.returncode == 0, result.stderr
    assert "every line checked" in result.stdout
    with zipfile.ZipFile(tmp_path / "out/identity.zip") as archive:
        assert len(archive.namelist()) == 4


def test_check_names_what_is_wrong(here: Command, folder: Path, tmp_path: Path) -> None:
    good = here("eval", "--check", folder)
    assert good.returncode == 0, good.stderr
    assert "2 sequences, 13 frames; 0 bad" in good.stdout
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "second" / "00000003.jpg").unlink()
    bad = here("eval", "folder", broken, "--check")
    assert bad.returncode == 1
    assert "bad: second: " in bad.stdout
    assert "6 frames, 7 labels" in bad.stdout


def test_what_cannot_be_run_is_one_line(here: Command, folder: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    refused(here("eval", "got10k", "--root", tmp_path / "none", *out), "none", "not found")
    refused(here("eval", "gottenk", "--root", folder, *out), "did you mean 'got10k'?")
    refused(here("eval", "folder", folder), "--out is missing")
    refused(here("eval", "folder", *out), "say where the data set is")
    refused(here("eval", "folder", folder, *out, "--only", "frist"), "did you mean 'first'?")
    refused(here("eval", "folder", folder, *out, "--tracker", "siamfcc"), "did you mean 'siamfc'?")
    refused(
        here("eval", "folder", folder, *out, "--tracker", "identity", "--compare", tmp_path),
        "give a folder that siamtrack eval wrote",
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/list.txt").write_text("\n")
    refused(here("eval", "folder", tmp_path / "empty", *out), "list.txt")
    (tmp_path / "file").touch()
    refused(
        here("eval", "folder", folder, "--out", tmp_path / "file/out", "--tracker", "identity"),
        "identity cannot be written (Not a directory); give --out a folder that can",
    )
    assert not (tmp_path / "out").exists()


def test_bad_data_is_named_before_anything_is_run(here: Command, folder: Path, tmp_path: Path) -> None:
    root, out = tmp_path / "GOT-10k/val", tmp_path / "out"
    shutil.copytree(folder, root)
    with (root / "second/groundtruth.txt").open("a") as labels:
        labels.write("1,2,30,40\n")
    result = here("eval", "got10k", "--root", root.parent, "--out", out, "--tracker", "identity")
    refused(result, "1 of 2 sequences cannot be used: second: ", "7 frames, 8 labels; every frame needs one label")
    assert not out.exists()


def test_a_result_that_was_cut_is_named_and_not_scored(inline: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("eval", "folder", folder, "--out", out, "--tracker", "identity", "--jobs", 1)
    assert inline(*command).returncode == 0
    boxes = out / "results/identity/first/first_001.txt"
    whole = boxes.read_bytes()
    boxes.write_bytes(whole[:-3])  # still six lines of four numbers
    before = contents(out)
    refused(inline(*command), str(boxes), "is cut; remove the file to run the sequence again")
    assert contents(out) == before
    boxes.unlink()
    again = inline(*command)
    assert again.returncode == 0, again.stderr
    assert "second" not in again.stderr  # which was not run again
    assert boxes.read_bytes() == whole


def test_results_of_others_are_neither_used_nor_lost(inline: Command, folder: Path, tmp_path: Path) -> None:
    weights, out = tmp_path / "mine.safetensors", tmp_path / "out"
    shipped = load_weights("siamfc")
    save_weights(weights, shipped.state, shipped.header)
    command = ("eval", "folder", folder, "--out", out, "--tracker", weights, "--only", "first", "--device", "cpu")
    assert inline(*command).returncode == 0
    (store,) = (out / "results").iterdir()
    before = contents(out)
    refused(
        inline(*command, "--threads", 2), f"{store} holds results of another tracker", "threads differ", "give another --out"
    )
    # Another precision: on a CPU float16 is PyTorch's.
    refused(inline(*command, "--precision", "float16"), "backend, precision differ (backend: 'onnx' there, 'torch' now)")
    # The same name, but other weights with other constants.
    save_weights(weights, shipped.state, replace(shipped.header, tracker={**shipped.header.tracker, "window_influence": 0.1}))
    refused(inline(*command), "results of another tracker: settings, weights_sha256 differ", "remove that folder")
    assert contents(out) == before
    (store / "tracker.json").unlink()
    del before[store / "tracker.json"]
    refused(inline(*command), f"{store} holds results that do not say whose they are; give another --out")
    assert contents(out) == before


def test_another_evaluation_that_lacks_a_sequence_is_named_before_anything_is_run(
    inline: Command, folder: Path, tmp_path: Path
) -> None:
    command = ("eval", "folder", folder, "--tracker", "identity", "--out")
    assert inline(*command, tmp_path / "part", "--only", "first").returncode == 0
    refused(inline(*command, tmp_path / "out", "--compare", tmp_path / "part"), "second_001.txt not found")
    assert not (tmp_path / "out").exists()


def test_sets_of_otbs_protocol_print_its_figures(inline: Command, folder: Path, tmp_path: Path) -> None:
    boxes = np.loadtxt(folder / "first/groundtruth.txt", delimiter=",")
    (tmp_path / "BMX2").mkdir()
    shutil.copytree(folder / "first", tmp_path / "BMX2/img", ignore=shutil.ignore_patterns("*.txt"))
    np.savetxt(tmp_path / "BMX2/groundtruth_rect.txt", boxes + np.array([1, 1, 0, 0]), fmt="%.4f", delimiter=",")
    done = inline("eval", "dtb70", tmp_path, "--out", tmp_path / "out", "--tracker", "identity")
    assert done.returncode == 0, done.stderr
    assert re.match(
        r"identity +DTB70 all: success AUC 0\.\d{3}  precision at 20 px 0\.667  \(1 sequences, 6 frames\)  ", done.stdout
    )
    scores = json.loads((tmp_path / "out/scores.json").read_text())["trackers"]["identity"]
    assert f"success AUC {scores['success_auc']:.3f} " in done.stdout
    assert "AO" not in done.stdout
