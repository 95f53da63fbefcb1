from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from siamtrack.batch.jobs import TargetJob, VideoJob
from siamtrack.batch.target_folder import TargetFolder

IDENTITY = {"weights_sha256": "abc", "tracker": {"scale_count": 3}, "device": "cuda", "precision": "float32"}
TARGET = TargetJob("car", (1.0, 2.0, 30.0, 40.0), 3)
VIDEO = VideoJob("/data/a.mp4", (TARGET,), "a", "a.mp4", 1000)


def folder(out: Path, video: VideoJob = VIDEO, target: TargetJob = TARGET, **identity: object) -> TargetFolder:
    return TargetFolder(out, video, target, {**IDENTITY, **identity})


def finish(out: Path, ended: str = "done", **changed: object) -> None:
    one = folder(out)
    one.path.mkdir(parents=True, exist_ok=True)
    run = {"job": one.job, **IDENTITY, "device": "cuda:1", "ended": ended, "frames": 7, "lost_frames": 2, **changed}
    (one.path / "run.json").write_text(json.dumps(run))
    (one.path / "boxes.csv").write_text("frame\n")


def test_a_folder_says_how_its_target_ended(tmp_path: Path) -> None:
    one = folder(tmp_path)
    assert one.outcome() is None
    failed = one.fail("target", "a box\noutside")
    assert (failed.outcome, failed.error) == ("failed", "a box outside")
    assert one.outcome() == failed
    one.clear()
    assert one.outcome() is None
    finish(tmp_path, fps={"end_to_end": {"fps": 12.5}})
    found = one.outcome()
    assert found is not None
    assert (found.outcome, found.frames, found.lost, found.fps, found.folder) == ("done", 7, 2, 12.5, tmp_path / "a/car")
    finish(tmp_path, "the file is cut")
    found = one.outcome()
    assert found is not None
    assert (found.outcome, found.frames, found.error) == ("failed", 7, "the file is cut")


@pytest.mark.parametrize("text", ["", "[1]", '{"job": 3'])
def test_files_of_a_cut_folder_are_not_believed(tmp_path: Path, text: str) -> None:
    one = folder(tmp_path)
    finish(tmp_path)
    (one.path / "run.json").write_text(text)
    assert one.outcome() is None
    assert "do not say which job" in (one.other_job() or "")
    one.clear()
    (one.path / "error.json").write_text(text)
    assert one.outcome() is None


def test_results_of_another_job_are_told_apart(tmp_path: Path) -> None:
    finish(tmp_path)
    assert folder(tmp_path).other_job() is None  # cuda:1 is as good as cuda:0
    moved = replace(TARGET, box_xywh=(9.0, 2.0, 30.0, 40.0))
    said = folder(tmp_path, target=moved).other_job() or ""
    assert "holds results of another job: box differ (box: [1.0, 2.0, 30.0, 40.0] there, [9.0, 2.0, 30.0, 40.0] now)" in said
    for video, target, identity, word in (
        (replace(VIDEO, label="b.mp4"), TARGET, {}, "video"),
        (replace(VIDEO, size=1001), TARGET, {}, "video_bytes"),
        (VIDEO, replace(TARGET, start=4), {}, "start"),
        (VIDEO, replace(TARGET, end=9), {}, "end"),
        (VIDEO, TARGET, {"weights_sha256": "other"}, "weights_sha256"),
        (VIDEO, TARGET, {"tracker": {"scale_count": 5}}, "tracker"),
        (VIDEO, TARGET, {"precision": "bfloat16"}, "precision"),
        (VIDEO, TARGET, {"device": "cpu"}, "device"),
    ):
        assert f"another job: {word} differ" in (folder(tmp_path, video, target, **identity).other_job() or "")
    assert folder(tmp_path, replace(VIDEO, size=None)).other_job() is None  # a video that was deleted after it was tracked


def test_a_failure_of_another_job_does_not_count(tmp_path: Path) -> None:
    folder(tmp_path).fail("target", "outside")
    mended = folder(tmp_path, target=replace(TARGET, start=5))
    assert mended.outcome() is None
    assert mended.other_job() is None
    finish(tmp_path, "the file is cut")
    whole = folder(tmp_path, replace(VIDEO, size=2000))
    assert whole.outcome() is None
    assert whole.other_job() is None
