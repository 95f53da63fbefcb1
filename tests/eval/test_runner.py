"""Whole evaluations of tiny benchmarks, in real processes."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import wait_until
from rendered import rendered_frame

from siamtrack.data.benchmarks import open_benchmark
from siamtrack.errors import DataError, SiamtrackError
from siamtrack.eval.evaluation import score, trackers_of
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.runner import run_benchmark
from siamtrack.eval.store import ResultStore

NAMES = tuple(f"GOT-10k_Val_{k:06d}" for k in range(1, 5))
SIAMFC = TrackerSpec("siamfc", device="cpu", precision="float32", redetect=False)
IDENTITY = TrackerSpec("identity")


@pytest.fixture(scope="session")
def got10k(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four val sequences of 8 to 11 frames as GOT-10k lays them out, labels of the toolkit's report included."""
    root = tmp_path_factory.mktemp("GOT-10k")
    for k, name in enumerate(NAMES):
        folder = root / "val" / name
        folder.mkdir(parents=True)
        boxes = []
        for i in range(8 + k):
            frame, box = rendered_frame(5 * k + 2 * i)
            cv2.imwrite(str(folder / f"{i + 1:08d}.jpg"), frame)
            boxes.append(box)
        count = len(boxes)
        np.savetxt(folder / "groundtruth.txt", boxes, fmt="%.4f", delimiter=",")
        cover = np.full(count, 8)
        cover[3] = 0  # hidden for a frame, which then does not count
        for label, values in (("cover", cover), ("absence", cover == 0), ("cut_by_image", np.zeros(count))):
            np.savetxt(folder / f"{label}.label", values, fmt="%d")
        (folder / "meta_info.ini").write_text("[METAINFO]\nresolution: (320, 240)\nobject_class: patch\n")
    (root / "val" / "list.txt").write_text("\n".join(NAMES) + "\n")
    return root


@pytest.fixture(scope="module")
def whole(got10k: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of the benchmark when nothing disturbs it."""
    out = tmp_path_factory.mktemp("whole")
    told: list[tuple[str, str, int, bool]] = []
    run_benchmark([SIAMFC], open_benchmark("got10k", got10k, "val"), out, 1, lambda *item: told.append(item))
    assert sorted(told) == [("siamfc", name, 8 + k, True) for k, name in enumerate(NAMES)]
    return out


def files_of(store: ResultStore) -> dict[str, bytes]:
    """Boxes and scores; times differ from run to run."""
    return {path.name: path.read_bytes() for path in sorted(store.folder.glob("*/*.txt")) if "_time" not in path.name}


@pytest.mark.slow
def test_one_process_and_two_give_the_same_bytes(got10k: Path, whole: Path, tmp_path: Path) -> None:
    data = open_benchmark("got10k", got10k, "val")
    run_benchmark([SIAMFC], data, tmp_path, 2)
    one, two = (files_of(ResultStore(out, "siamfc")) for out in (whole, tmp_path))
    assert len(one) == 8
    assert one == two
    for out in (whole, tmp_path):
        seconds = ResultStore(out, "siamfc").read(data.sequences[0], (320, 240)).seconds
        assert len(seconds) == 7
        assert (seconds > 0).all()


def test_our_scores_are_the_toolkits(got10k: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from got10k.experiments import ExperimentGOT10k

    monkeypatch.setenv("MPLBACKEND", "agg")
    data = open_benchmark("got10k", got10k, "val")
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    run_benchmark([SIAMFC, IDENTITY], data, tmp_path, 1)
    ours = score(data, ["siamfc", "identity"], tmp_path, {})
    theirs = ExperimentGOT10k(str(got10k), "val", result_dir=str(tmp_path), report_dir=str(tmp_path / "theirs"))
    theirs.result_dir = str(tmp_path / "results")
    found = theirs.report(["siamfc", "identity"])
    for tracker in ours.trackers:
        overall = found[tracker.tracker]["overall"]
        assert tracker.scores.ao == pytest.approx(overall["ao"], abs=1e-6)
        assert tracker.scores.sr50 == pytest.approx(overall["sr"], abs=1e-6)
        assert np.allclose(tracker.success, overall["succ_curve"], atol=1e-6)
        assert tracker.scores.frames == sum(len(video.boxes_xywh) - 2 for video in data.sequences)
    assert ours.trackers[0].scores.ao > ours.trackers[1].scores.ao
    assert ours.trackers[0].fps > 0
    assert trackers_of(tmp_path) == ["identity", "siamfc"]


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_and_loses_nothing(got10k: Path, whole: Path, tmp_path: Path) -> None:
    data = open_benchmark("got10k", got10k, "val")
    command = [sys.executable, "-m", "siamtrack", "eval", "got10k", "--root", str(got10k), "--subset", "val"]
    command += ["--out", str(tmp_path / "killed"), "--tracker", "siamfc", "--jobs", "1", "--precision", "float32"]
    store = ResultStore(tmp_path / "killed", "siamfc")
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: list(store.folder.glob("*/*_001.txt")), process, within_s=90)
    os.killpg(process.pid, signal.SIGKILL)  # the driver and its worker at once, as a machine does
    process.wait()
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in store.folder.glob("*/*_001.txt")}
    assert before
    told: list[bool] = []
    run_benchmark([SIAMFC], data, tmp_path / "killed", 1, lambda *item: told.append(item[3]))
    assert told.count(False) == len(before)
    assert all((path.stat().st_mtime_ns, path.read_bytes()) == was for path, was in before.items())
    assert files_of(store) == files_of(ResultStore(whole, "siamfc"))


@pytest.mark.slow
def test_no_process_outlives_a_killed_driver(got10k: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "siamtrack", "eval", "got10k", "--root", str(got10k), "--subset", "val"]
    command += ["--out", str(tmp_path), "--jobs", "2", "--precision", "float32"]
    command += [
        f"--tracker={model}" for model in ("siamfc", "siamfc,scale_count=5", "siamfc-lite")
    ]  # seconds of work after the first
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: list(tmp_path.rglob("*_001.txt")), process, within_s=90)
        workers = members(process.pid) - {process.pid}
        assert len(workers) >= 2
        os.kill(process.pid, signal.SIGKILL)  # the driver alone: as out of memory does
        assert process.wait() == -signal.SIGKILL
        wait_until(lambda: not members(process.pid), within_s=30)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_signal_ends_the_sequence_under_way_and_says_what_is_kept(tmp_path: Path) -> None:
    frame, box = rendered_frame(0)
    for name, count in (("short", 2), ("long", 2000)):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "00000001.jpg"), frame)
        for number in range(2, count + 1):
            os.link(folder / "00000001.jpg", folder / f"{number:08d}.jpg")
        np.savetxt(folder / "groundtruth.txt", [box] * count, fmt="%.4f", delimiter=",")
    store = ResultStore(tmp_path / "run", "cv2:mil")  # a slow one
    command = [sys.executable, "-m", "siamtrack", "eval", "folder", str(tmp_path / "data"), "--out", str(tmp_path / "run")]
    command += ["--tracker", "cv2:mil", "--jobs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: list(store.folder.glob("short/*_001.txt")), process, within_s=90)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert errors.endswith("siamtrack: note: stopped; every finished sequence is kept, and the same command goes on\n")
    assert "Traceback" not in errors
    assert not list(store.folder.glob("long/*")), "nobody waited for it"


def members(group: int) -> set[int]:
    """Processes of a group that still run; one that has ended may stay listed until somebody asks for its status."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.add(int(stat.parent.name))
    return found


def test_a_sequence_that_cannot_be_read_is_named_and_the_others_are_kept(got10k: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(got10k, root)
    broken = root / "val" / NAMES[1] / "00000004.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    data = open_benchmark("got10k", root, "val")
    with pytest.raises(SiamtrackError, match=r"00000004\.jpg.*; the other sequences are finished and kept"):
        run_benchmark([IDENTITY], data, tmp_path / "out", 1)
    store = ResultStore(tmp_path / "out", "identity")
    done = {path.parent.name for path in store.folder.glob("*/*_001.txt")}
    assert done == set(NAMES) - {NAMES[1]}
    with pytest.raises(DataError, match=f"{NAMES[1]}_001.txt not found"):
        score(data, ["identity"], tmp_path / "out", {})


def test_other_weights_and_other_threads_do_not_mix_with_what_is_there(got10k: Path, tmp_path: Path) -> None:
    data = open_benchmark("got10k", got10k, "val")
    run_benchmark([IDENTITY], data, tmp_path, 1)
    other = TrackerSpec("identity", threads=2)
    with pytest.raises(DataError, match=r"another tracker: threads differ \(threads: 1 there, 2 now\)"):
        run_benchmark([other], data, tmp_path, 1)


def test_the_weights_are_read_once_to_tell_them_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    import siamtrack.model.weights as weights

    read: list[Path] = []
    read_tensors = weights.read_tensors

    def count(path: Path) -> object:
        read.append(path)
        return read_tensors(path)

    monkeypatch.setattr(weights, "read_tensors", count)
    identity = TrackerSpec("siamfc,window_influence=0.25", device="cpu", precision="float32").identity()
    assert [path.name for path in read] == ["siamfc.safetensors"]
    assert identity["weights_sha256"] == hashlib.sha256(read[0].read_bytes()).hexdigest()
    assert identity["settings"]["window_influence"] == 0.25
    assert (identity["device"], identity["precision"], identity["threads"]) == ("cpu", "float32", 1)
    assert IDENTITY.identity() == {"tracker": "identity", "threads": 1}
    assert set(TrackerSpec("cv2:mil").identity()) == {"tracker", "threads", "opencv"}


def test_a_tracker_that_cannot_be_had_says_how_to_get_it(got10k: Path, tmp_path: Path) -> None:
    data = open_benchmark("got10k", got10k, "val")
    for spec, message in (
        (TrackerSpec("cv2:nano", onnx_dir=str(tmp_path)), r"backbone\.onnx not found; NanoTrackV2 needs"),
        (TrackerSpec("cv2:vit", onnx_dir=str(tmp_path)), r"vittrack\.onnx not found; OpenCV's TrackerVit needs"),
        (TrackerSpec("cv2:mosse9"), "no OpenCV tracker 'mosse9'"),
    ):
        with pytest.raises(SiamtrackError, match=message):
            run_benchmark([spec], data, tmp_path / "out", 1)
