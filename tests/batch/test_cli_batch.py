"""`siamtrack batch` in real processes: what a user sees, exit statuses, killed runs, a full disk."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from beeps import damage_sound, write_beeps
from commands import Command, environment, files_of, refused, rows_of, wait_until

from siamtrack.batch import driver
from siamtrack.batch.engine import RunSettings
from siamtrack.batch.sequences import open_jobs
from siamtrack.batch.video_run import run_video
from siamtrack.lock import FolderLock
from siamtrack.tracking.tracker import Tracker

resource = pytest.importorskip("resource")

OPTIONS = ("--model", "siamfc-lite", "--device", "cpu", "--precision", "float32", "--threads", 1)
LIMIT_BYTES = 2400
"""More than run.json has, less than the boxes of the long clip."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, write_clip: Callable[..., Path]) -> Path:
    """A short clip with one target, and one of 60 frames with two; the second one's rows are some 2,900 bytes."""
    folder = tmp_path_factory.mktemp("jobs")
    write_clip(folder / "short.mp4", frames=12)
    write_clip(folder / "long.mp4", frames=60)
    path = folder / "jobs.csv"
    lines = ["video,target,start,x,y,w,h,end", "short.mp4,one,0,60,80,40,50,"]
    lines += ["long.mp4,early,2,140,90,30,60,6", "long.mp4,all,0,60,80,40,50,"]
    path.write_text("\n".join(lines) + "\n")
    return path


def begin(manifest: Path, out: Path, *more: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "siamtrack", "batch", manifest, "--out", out, *OPTIONS, *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(list(map(str, command)), env=environment(), **pipes, **options)


def wait_for_rows(path: Path, rows: int, process: subprocess.Popen[str]) -> None:
    """Until so many lines are in a file, or the process has ended."""
    wait_until(lambda: path.exists() and path.read_text().count("\n") > rows, process, within_s=120)


@pytest.fixture(scope="module")
def whole(
    manifest: Path, tmp_path_factory: pytest.TempPathFactory, tracker: Tracker, settings_in: Callable[..., RunSettings]
) -> Path:
    """Results that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    for video in open_jobs(manifest).videos:
        assert all(result.outcome == "done" for result in run_video(video, settings_in(out), tracker))
    return out


@pytest.fixture
def batch(here: Command) -> Command:
    """The command line in this process: status, standard output, standard error."""
    return partial(here, "batch")


def test_an_overlay_without_its_sound_is_told_of_in_one_line(tmp_path: Path, batch: Command) -> None:
    damage_sound(write_beeps(tmp_path / "clip.mp4", frames=6), 1)
    (tmp_path / "jobs.csv").write_text("video,target,start,x,y,w,h\nclip.mp4,one,0,40,30,60,50\n")
    result = batch(tmp_path / "jobs.csv", "--out", tmp_path / "out", "--video", "--jobs", 1, *OPTIONS)
    assert result.returncode == 0, result.stderr
    notes = tmp_path / "out/clip/overlay.notes.txt"
    assert result.stderr.splitlines()[-1] == f"siamtrack: note: an overlay is missing or incomplete: {notes} says why"
    assert notes.read_text().startswith("overlay.mp4 has no sound: ")
    mute = (tmp_path / "jobs.csv", "--out", tmp_path / "mute", "--video", "--no-audio", "--jobs", 1, *OPTIONS)
    assert "overlay" not in batch(*mute).stderr


def test_some_targets_fail_and_status_1_tells(manifest: Path, tmp_path: Path, batch: Command) -> None:
    (manifest.parent / "broken.mp4").write_text("this is not a video\n")
    jobs = manifest.with_name("some.csv")
    lines = ["video,target,start,x,y,w,h", "short.mp4,one,0,60,80,40,50", "short.mp4,one,0,60,80,40,50"]
    lines += ["broken.mp4,x,0,1,2,30,40", "short.mp4,late,99,60,80,40,50", "short.mp4,no/good,0,60,80,40,50"]
    jobs.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    result = batch(jobs, "--out", out, "--video", "--jobs", 1, *OPTIONS)
    assert result.returncode == 1, result.stderr
    told = [line for line in result.stderr.splitlines() if not re.match(r"\d+:\d\d  ", line)]  # every ten seconds
    assert told[0] == "siamtrack: note: 3 of 5 targets to track in 2 videos; 1 at a time, 1 thread each"
    assert told[3].startswith("3/5  short.mp4  one  done  12 frames  ")  # a line a target
    assert "1 done, 4 failed" in result.stdout
    assert sum(line.startswith("siamtrack: failed: ") for line in told) == 4
    for words in ("line 3: target 'one'", "line 6: target 'no/good'", "broken.mp4 cannot be opened", "frame 99 was asked for"):
        assert words in result.stderr
    assert {path.name for path in out.iterdir()} == {"short", "broken", "summary.csv", "summary.json"}
    assert (out / "short/overlay.mp4").is_file()
    again = batch(jobs, "--out", out, *OPTIONS)
    assert again.returncode == 1
    assert "2 of them failed in an earlier run and were not tried again; --retry-failed does" in again.stderr
    with FolderLock(out):
        refused(batch(jobs, "--out", out, *OPTIONS), f"another run (process {os.getpid()} on")


def test_mistakes_are_one_line_and_status_2(
    manifest: Path, tmp_path: Path, batch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("video,target,start,x,y,w,h\nshort.mp4,a,0,1,2,0,0\n")
    refused(batch(empty, "--out", tmp_path / "out"), "empty.csv, line 2", "width or height of zero")
    refused(batch(manifest, "--out", tmp_path / "out", "--engine", "spark"), "no engine 'spark'")
    monkeypatch.setattr(driver, "find_spec", lambda _: None)
    refused(batch(manifest, "--out", tmp_path / "out", "--engine", "ray"), "needs Ray", "pip install '.[cluster]'")
    refused(batch(manifest, "--out", manifest / "out", *OPTIONS), "cannot be written")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_batch_keeps_what_is_done(manifest: Path, whole: Path, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    process = begin(manifest, out, "--jobs", 1, start_new_session=True)
    wait_for_rows(out / "long/all/boxes.partial.csv", 10, process)
    os.killpg(process.pid, number)  # a terminal interrupts all processes at once
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number, stderr
    assert "Traceback" not in stderr
    assert "the same command goes on" in stderr
    assert "early" in stdout
    outcomes = {row["target"]: row["outcome"] for row in json.loads((out / "summary.json").read_text())["results"]}
    assert outcomes == {"one": "unfinished", "early": "done", "all": "unfinished"}
    assert (out / "long/early/boxes.csv").read_bytes() == (whole / "long/early/boxes.csv").read_bytes()
    assert not (out / "long/all/boxes.csv").exists()


@pytest.mark.slow
def test_a_driver_killed_at_any_moment_goes_on_to_the_same_bytes(
    batch: Command, manifest: Path, whole: Path, tmp_path: Path
) -> None:
    out, moments, kills = tmp_path / "out", random.Random(4), 0
    for target in ("long/all", "short/one"):
        process = begin(manifest, out, "--jobs", 1)
        wait_for_rows(out / target / "boxes.partial.csv", 1, process)
        time.sleep(moments.uniform(0, 0.3))
        done = {path: path.stat().st_mtime_ns for path in out.rglob("boxes.csv")}
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
    assert kills >= 1
    # At once: workers of the killed driver may still be there, and are waited for.
    last = batch(manifest, "--out", out, "--jobs", 1, *OPTIONS)
    assert last.returncode == 0, last.stderr
    assert files_of(out) == files_of(whole)
    assert all(path.stat().st_mtime_ns == was for path, was in done.items())


@pytest.mark.slow
def test_a_full_disk_ends_the_run_and_the_same_command_goes_on(
    manifest: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: Command
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # a .pyc cut by the limit would be everybody's trouble
    out = tmp_path / "out"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))

    process = begin(manifest, out, "--jobs", 1, preexec_fn=limit)
    _, stderr = process.communicate(timeout=180)
    assert process.returncode == 1, stderr
    error = stderr.splitlines()[-1]
    assert error.startswith(f"siamtrack: error: {out}/long/all/boxes.partial.csv cannot be written (File too large); ")
    assert error.endswith("what is done is kept, and the same command goes on once it can")
    assert not list(out.rglob("error.json"))
    assert [row["outcome"] for row in rows_of(out / "summary.csv")] == ["unfinished", "done", "unfinished"]
    last = batch(manifest, "--out", out, "--jobs", 1, *OPTIONS)
    assert last.returncode == 0, last.stderr
    assert files_of(out) == files_of(whole)


def test_a_line_that_cannot_be_read_is_told_by_its_number_alone(batch: Command, manifest: Path, tmp_path: Path) -> None:
    jobs = manifest.with_name("cut.jsonl")
    row = {"video": "short.mp4", "target": "one", "start": 0, "x": 60, "y": 80, "w": 40, "h": 50}
    jobs.write_text(json.dumps(row) + '\n{"video": "short.mp4", "targ\n')
    done = batch(jobs, "--out", tmp_path / "out", *OPTIONS)
    assert done.returncode == 1
    assert "failed: cut.jsonl, line 2" in done.stderr
