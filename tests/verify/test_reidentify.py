"""Re-identification of what two real runs followed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import siamtrack
from siamtrack.errors import DataError
from siamtrack.tracking.tracker import Tracker
from siamtrack.verify.reidentify import CROPS, compare_tracks, track_crops
from siamtrack.verify.verifier import Verifier
from siamtrack.video.run import run
from siamtrack.video.source import open_source
from siamtrack.video.tracking_loop import Span


@pytest.fixture(scope="module")
def runs(tracker: Tracker, clip: Path, carphone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two runs on the rendered patch, one on the head in the real clip."""
    out = tmp_path_factory.mktemp("runs")
    for name, source, box, span in (
        ("patch", clip, (60.0, 80.0, 40.0, 50.0), Span()),
        ("head", carphone, (60.0, 30.0, 50.0, 60.0), Span(80, 89)),
    ):
        with open_source(source) as frames:
            run(tracker, frames, out / name, siamtrack.Box(*box), span)
    shutil.copytree(out / "patch", out / "again")
    return {name: out / name for name in ("patch", "again", "head")}


@pytest.fixture(scope="module")
def verifier(weights: Path) -> Verifier:
    return Verifier(weights, device="cpu", false_accept=0.1)


def test_crops_are_spread_over_the_run_and_begin_with_what_was_drawn(verifier: Verifier, runs: dict[str, Path]) -> None:
    frames, crops = track_crops(verifier, runs["patch"])
    assert len(frames) == len(crops) == CROPS
    assert frames[0] == 0
    assert frames[-1] >= 14
    assert list(frames) == sorted(frames)
    assert all(crop.shape == (32, 32, 3) for crop in crops)


def test_a_run_is_nearer_to_itself_than_to_another_target(verifier: Verifier, runs: dict[str, Path]) -> None:
    same = compare_tracks(verifier, runs["patch"], runs["again"])
    other = compare_tracks(verifier, runs["patch"], runs["head"])
    assert same.verdict.distance < other.verdict.distance
    assert same.frames_a == same.frames_b


def test_a_video_that_moved_can_be_named(verifier: Verifier, runs: dict[str, Path], clip: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(runs["patch"], moved)
    about = json.loads((moved / "run.json").read_text())
    (moved / "run.json").write_text(json.dumps({**about, "source": "/nowhere/clip.mp4"}))
    with pytest.raises(FileNotFoundError, match=r"/nowhere/clip\.mp4"):
        compare_tracks(verifier, runs["patch"], moved)
    found = compare_tracks(verifier, runs["patch"], moved, source_b=str(clip))
    assert found.verdict == compare_tracks(verifier, runs["patch"], runs["again"]).verdict


def test_folders_that_are_no_runs_are_refused(verifier: Verifier, runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no boxes\.csv"):
        compare_tracks(verifier, runs["patch"], tmp_path)
    (tmp_path / "boxes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"boxes\.csv, line 1: the header is a,b, without frame,"):
        compare_tracks(verifier, runs["patch"], tmp_path)
    (tmp_path / "boxes.csv").write_text("frame,time_s,x,y,w,h,score,state\n0,0,1,1,5,5,0.1,LOST\n")
    with pytest.raises(DataError, match="no frame in which the target was seen"):
        compare_tracks(verifier, runs["patch"], tmp_path)
    shutil.copy(runs["patch"] / "boxes.csv", tmp_path)
    with pytest.raises(DataError, match="does not say which video was tracked"):
        compare_tracks(verifier, runs["patch"], tmp_path)
