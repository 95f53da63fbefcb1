"""`siamtrack.batch` with real workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import files_of

import siamtrack
from siamtrack.batch.engine import Ended, Event, Planned, Retried, RunSettings, VideoProgress
from siamtrack.batch.jobs import TargetJob, VideoJob, checked
from siamtrack.batch.target_folder import TargetResult
from siamtrack.batch.video_run import run_video
from siamtrack.errors import ConfigError, DataError, OutputError
from siamtrack.tracking.tracker import Tracker

A, B = (60.0, 80.0, 40.0, 50.0), (140.0, 90.0, 30.0, 60.0)
KILLED = "its process was ended by SIGKILL (out of memory?)"
OPTIONS: dict[str, Any] = {"model": "siamfc-lite", "device": "cpu", "precision": "float32", "threads": 1}


def children(process: int) -> list[int]:
    """Workers of batches that a process has started and that are alive; other tests' processes are not ours to count."""
    listing = Path(f"/proc/{process}/task/{process}/children")
    if not listing.exists():
        pytest.skip("no list of a process's children here")
    found = []
    for word in listing.read_text().split():
        with suppress(OSError):  # it has just ended
            if b"siamtrack.batch.worker" in Path(f"/proc/{word}/cmdline").read_bytes():
                found.append(int(word))
    return found


@pytest.fixture
def jobs(clips: Path) -> list[VideoJob]:
    return [
        VideoJob(str(clips / "a.mp4"), (TargetJob("one", A, 0, 4), TargetJob("two", B, 2))),
        VideoJob(str(clips / "b.mp4"), (TargetJob("one", A), TargetJob("bad", (900.0, 0.0, 30.0, 30.0)))),
        VideoJob(str(clips / "none.mp4"), (TargetJob("gone", A),)),
    ]


def outcomes(results: list[TargetResult]) -> dict[tuple[str, str], str]:
    return {(Path(result.video).stem, result.target): result.outcome for result in results}


@pytest.mark.slow
def test_a_batch_from_beginning_to_end_and_again(jobs: list[VideoJob], tmp_path: Path) -> None:
    out, told = tmp_path / "out", list[Event]()
    results = list(siamtrack.batch(jobs, out, workers=2, on_event=told.append, **OPTIONS))
    expected = {
        ("a", "one"): "done",
        ("a", "two"): "done",
        ("b", "one"): "done",
        ("b", "bad"): "failed",
        ("none", "gone"): "failed",
    }
    assert outcomes(results) == expected
    assert not any(result.earlier for result in results)
    assert all(result.fps > 0 for result in results if result.outcome == "done")
    assert told[0] == Planned(3, 5, 0, 2, 1)
    assert {event.video for event in told if isinstance(event, VideoProgress)} == {"a", "b"}
    assert sorted(event.video for event in told if isinstance(event, Ended)) == ["a", "b", "none"]
    summary = json.loads((out / "summary.json").read_text())
    assert [summary[key] for key in ("targets", "done", "failed", "unfinished")] == [5, 3, 2, 0]
    assert [row["folder"] for row in summary["results"]] == ["a/one", "a/two", "b/one", "b/bad", "none/gone"]
    assert len((out / "summary.csv").read_text().splitlines()) == 6
    written = files_of(out)
    assert children(os.getpid()) == []

    told.clear()
    again = list(siamtrack.batch(jobs, out, on_event=told.append, **OPTIONS))
    assert outcomes(again) == expected
    assert all(result.earlier for result in again)
    assert [(event.videos, event.settled) for event in told if isinstance(event, Planned)] == [(0, 5)]
    assert files_of(out) == written

    # What failed is tried again when asked, what is done is not.
    before = (out / "a/one/run.json").stat().st_mtime_ns
    retried = list(siamtrack.batch(jobs, out, retry_failed=True, workers=1, **OPTIONS))
    assert outcomes(retried) == expected
    assert {result.target: result.earlier for result in retried if result.outcome == "failed"} == {"bad": False, "gone": False}
    assert (out / "a/one/run.json").stat().st_mtime_ns == before

    # Another box is another job.
    moved = [VideoJob(jobs[0].path, (TargetJob("one", B), jobs[0].targets[1]))]
    with pytest.raises(DataError, match=r"a/one holds results of another job: box, end differ.*--force"):
        list(siamtrack.batch(moved, out, **OPTIONS))
    with pytest.raises(DataError, match=r"tracker differ.*\(and 2 more\)"):
        list(siamtrack.batch(jobs, out, window_influence=0.2, **OPTIONS))
    assert files_of(out) == written
    forced = list(siamtrack.batch(moved, out, force=True, **OPTIONS))
    assert outcomes(forced) == {("a", "one"): "done", ("a", "two"): "done"}
    assert not any(result.earlier for result in forced)
    changed = files_of(out)
    assert changed["a/two/boxes.csv"] == written["a/two/boxes.csv"]
    assert changed["a/one/boxes.csv"] != written["a/one/boxes.csv"]


@pytest.mark.slow
def test_dead_workers_are_replaced_and_a_video_that_kills_them_fails_alone(
    jobs: list[VideoJob], tmp_path: Path, tracker: Tracker, settings_in: Callable[..., RunSettings]
) -> None:
    told: list[Event] = []

    def kill(event: Event) -> None:
        told.append(event)
        if isinstance(event, VideoProgress) and (event.video == "a" or told.count(Retried("b", KILLED)) == 0):
            for child in children(os.getpid()):
                os.kill(child, signal.SIGKILL)

    results = list(siamtrack.batch(jobs[:2], tmp_path / "out", workers=1, retries=1, on_event=kill, **OPTIONS))
    assert outcomes(results) == {
        ("a", "one"): "failed",
        ("a", "two"): "failed",
        ("b", "one"): "done",
        ("b", "bad"): "failed",
    }
    assert {event.video: event.reason for event in told if isinstance(event, Retried)} == {"a": KILLED, "b": KILLED}
    error = json.loads((tmp_path / "out/a/two/error.json").read_text())
    assert error["kind"] == "worker"
    assert error["error"].endswith(f"a.mp4: {KILLED}, 2 times")
    list(run_video(checked(jobs[1:2]).videos[0], settings_in(tmp_path / "here"), tracker))
    again = {name: data for name, data in files_of(tmp_path / "out").items() if name.startswith("b/")}
    assert again == files_of(tmp_path / "here")


@pytest.mark.slow
def test_closing_the_iterator_ends_the_workers(jobs: list[VideoJob], tmp_path: Path) -> None:
    run = siamtrack.batch(jobs, tmp_path, workers=1, **OPTIONS)
    next(run)
    assert children(os.getpid())
    run.close()
    assert children(os.getpid()) == []
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["targets"] == 5
    assert summary["unfinished"] > 0


@pytest.mark.slow
def test_a_script_needs_no_main_guard_and_its_workers_end_with_it(clips: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    manifest = clips / "once.csv"
    manifest.write_text(f"video,target,start,x,y,w,h\na.mp4,one,0,{','.join(map(str, A))}\n")
    script.write_text(
        "import siamtrack, siamtrack.batch.jobs\n"  # the package of that name must not hide the function
        "print('script runs')\n"
        f"for result in siamtrack.batch({str(manifest)!r}, {str(tmp_path / 'out')!r}, model='siamfc-lite', device='cpu'):\n"
        "    print(result.outcome, result.frames)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "script runs\ndone 12\n", done.stderr


def test_mistakes_are_told_before_anything_begins(clips: Path, jobs: list[VideoJob], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no engine 'loca'; did you mean 'local'"):
        siamtrack.batch(jobs, tmp_path, engine="loca", **OPTIONS)
    with pytest.raises(ConfigError, match="workers is 0"):
        siamtrack.batch(jobs, tmp_path, workers=0, **OPTIONS)
    with pytest.raises(ConfigError, match="unknown key 'scale_cuont'; did you mean 'scale_count'"):
        siamtrack.batch(jobs, tmp_path, scale_cuont=3, **OPTIONS)
    with pytest.raises(ConfigError, match="cannot go into the folder of the jobs"):
        siamtrack.batch(clips, clips, **OPTIONS)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        list(siamtrack.batch(jobs, tmp_path / "file", **OPTIONS))
