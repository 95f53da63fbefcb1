"""The real command line: what a user sees, exit statuses, killed runs, no screen.

Every command has its real process here or in the tests of its own; what else is to be seen of it runs in this one (`here`).
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from commands import Command, environment, refused, rows_of, siam, wait_until
from made_videos import ffmpeg
from rendered import rendered_frame

import siamtrack
from siamtrack.boxes import iou
from siamtrack.cli import _chosen, app
from siamtrack.model.weights import ASSETS, load_weights

BOX = "60,80,40,50"


def test_track_writes_what_the_design_says(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = siam("track", clip, "--box", BOX, "--out", out, "--video", "--device", "cpu")
    assert result.returncode == 0, result.stderr
    assert "20 frames" in result.stdout
    assert "fps: network" in result.stdout
    rows = rows_of(out / "boxes.csv")
    assert [int(row["frame"]) for row in rows] == list(range(20))
    assert [float(rows[0][key]) for key in "xywh"] == [60, 80, 40, 50]
    boxes = np.array([[float(row[key]) for key in "xywh"] for row in rows])
    truth = np.array([rendered_frame(i)[1] for i in range(20)])
    assert iou(boxes, truth).min() > 0.5
    assert np.loadtxt(out / "boxes.txt", delimiter=",").shape == (20, 4)
    run = json.loads((out / "run.json").read_text())
    assert run["frames"] == 20
    assert run["ended"] == "done"
    assert len(run["weights_sha256"]) == 64
    assert set(run["fps"]) == {"network", "tracker", "end_to_end"}
    assert {"fps", "p50_ms", "p95_ms"} <= set(run["fps"]["tracker"])
    assert run["tracker"]["scale_damping"] == 0.3  # the shipped constant, not the default of the dataclass
    video = cv2.VideoCapture(str(out / "overlay.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == 25
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 20


def test_a_debug_overlay_has_the_same_boxes_and_shows_where_it_looked(here: Command, clip: Path, tmp_path: Path) -> None:
    for name, more in (("plain", []), ("debug", ["--debug"])):
        assert here("track", clip, "--box", BOX, "--out", tmp_path / name, "--video", *more).returncode == 0
    assert (tmp_path / "plain/boxes.txt").read_text() == (tmp_path / "debug/boxes.txt").read_text()
    plain, debug = (cv2.VideoCapture(str(tmp_path / name / "overlay.mp4")) for name in ("plain", "debug"))
    for capture in (plain, debug):
        capture.set(cv2.CAP_PROP_POS_FRAMES, 10)
    difference = cv2.absdiff(plain.read()[1], debug.read()[1]).max(axis=2)
    assert 500 < (difference > 60).sum() < difference.size / 4


def test_python_and_the_command_line_give_the_same_boxes(here: Command, clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("window_influence: 0.2\n")
    result = here("track", clip, f"--box={BOX}", "--out", tmp_path / "run", "--start", 4, "--config", config, "--device", "cpu")
    assert result.returncode == 0, result.stderr
    rows = rows_of(tmp_path / "run/boxes.csv")
    steps = list(siamtrack.track(clip, (60, 80, 40, 50), start=4, window_influence=0.2, device="cpu"))
    assert [step.index for step in steps] == [int(row["frame"]) for row in rows] == list(range(4, 20))
    for step, row in zip(steps, rows, strict=True):
        assert step.result.box == pytest.approx([float(row[key]) for key in "xywh"], abs=1e-3)
        assert step.time_s == pytest.approx(float(row["time_s"]), abs=1e-6)


def test_an_output_folder_that_cannot_be_written(here: Command, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(here("track", clip, "--box", BOX, "--out", tmp_path / "file/run"), "cannot be written")


def test_a_frame_size_that_changes_keeps_what_came_before(here: Command, tmp_path: Path) -> None:
    for i in range(5):
        frame = rendered_frame(i)[0]
        cv2.imwrite(str(tmp_path / f"{i}.png"), frame if i < 3 else frame[:120])
    result = here("track", tmp_path, "--box", BOX, "--out", tmp_path / "run")
    refused(result, "frame is 320x120, the first one was 320x240", "3 frames are kept")
    assert len(rows_of(tmp_path / "run/boxes.csv")) == 3
    assert "320x120" in json.loads((tmp_path / "run/run.json").read_text())["ended"]


def test_a_cut_video_keeps_the_frames_before_the_cut(here: Command, tmp_path: Path, write_clip: Callable[..., Path]) -> None:
    whole = write_clip(tmp_path / "whole.avi", frames=60)  # AVI keeps its header in front
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = here("track", cut, "--box", BOX, "--out", tmp_path / "run", "--video")
    refused(result, "breaks off after", "of 60 frames", "are kept")
    rows = rows_of(tmp_path / "run/boxes.csv")
    assert 10 < len(rows) < 50
    assert cv2.VideoCapture(str(tmp_path / "run/overlay.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == len(rows)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory, write_clip: Callable[..., Path]) -> Path:
    """The same frames many times over: more than any machine tracks before it is stopped."""
    folder = tmp_path_factory.mktemp("long")
    clip, longer = write_clip(folder / "long.mp4", frames=90), folder / "longer.mp4"
    listing = folder / "list.txt"
    listing.write_text(f"file '{clip}'\n" * 40)
    ffmpeg("-f", "concat", "-safe", 0, "-i", listing, "-c", "copy", longer)
    return longer


@pytest.fixture
def long_run(long_clip: Path, tmp_path: Path) -> tuple[subprocess.Popen[str], Path]:
    """A run in a process of its own that has written some frames and has many to go."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "siamtrack", "track", str(long_clip), "--box", BOX, "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    partial = out / "boxes.partial.csv"
    wait_until(lambda: partial.exists() and partial.read_text().count("\n") > 5)
    return process, out


@pytest.mark.slow
def test_a_killed_run_keeps_every_frame_and_the_next_one_says_so(
    here: Command, long_run: tuple[subprocess.Popen[str], Path], clip: Path
) -> None:
    process, out = long_run
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    rows = rows_of(out / "boxes.partial.csv")
    assert len(rows) >= 5
    assert [int(row["frame"]) for row in rows] == list(range(len(rows)))
    assert all(None not in row.values() for row in rows)
    again = here("track", clip, "--box", BOX, "--out", out)
    assert again.returncode == 0
    assert f"stopped after frame {len(rows) - 1}" in again.stderr
    assert len(rows_of(out / "boxes.stopped.csv")) == len(rows)
    assert len(rows_of(out / "boxes.csv")) == 20


@pytest.mark.slow
def test_an_interrupted_run_finishes_its_files(long_run: tuple[subprocess.Popen[str], Path]) -> None:
    process, out = long_run
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    rows = rows_of(out / "boxes.csv")
    run = json.loads((out / "run.json").read_text())
    assert run["ended"] == "interrupted"
    assert run["frames"] == len(rows) >= 5
    assert not (out / "boxes.partial.csv").exists()


@pytest.mark.slow
def test_the_demo_loses_a_cyclist_behind_cars_and_finds_him_again(
    here: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = here("demo")
    assert result.returncode == 0, result.stderr
    for name in ("overlay.mp4", "contact_sheet.png"):
        assert name in result.stdout
        assert (tmp_path / "siamtrack-demo" / name).stat().st_size > 10_000
    state = {int(row["frame"]): row["state"] for row in rows_of(tmp_path / "siamtrack-demo/boxes.csv")}
    assert {state[i] for i in range(76, 81)} == {"TRACKING"}
    assert {state[i] for i in range(91, 100)} == {"LOST"}  # a van fills the picture
    assert {state[i] for i in range(120, 137)} == {"TRACKING"}
    assert {state[i] for i in range(138, 144)} == {"LOST"}  # another street
    refused(here("demo", "--clip", "bike", "--out", tmp_path / "other"), "did you mean 'bikes'")


def test_the_demo_follows_a_talking_head(here: Command, tmp_path: Path) -> None:
    result = here("demo", "--clip", "carphone", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    rows = rows_of(tmp_path / "boxes.csv")
    assert len(rows) == 120
    # The head in the last frame, boxed by eye.
    assert iou([float(rows[-1][key]) for key in "xywh"], (41, 9, 58, 92)) > 0.6


def test_doctor_names_what_there_is(here: Command) -> None:
    result = here("doctor")
    assert result.returncode == 0, result.stdout
    for word in ("torch", "weights", "siamfc", "device", "backend", "float32", "display"):
        assert word in result.stdout


def test_doctor_prints_what_to_do_to_the_letter(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from siamtrack.cli.doctor import doctor
    from siamtrack.doctor import Finding

    monkeypatch.setattr("siamtrack.doctor.examine", lambda: [Finding(None, "torch", "[/]", "pip install '.[torch]'")])
    assert doctor() == 0
    printed = capsys.readouterr().out
    assert printed == f"optional  {'torch':34}[/]; pip install '.[torch]'\n"


def test_what_tables_show_is_no_markup() -> None:
    for path in Path(siamtrack.cli.__file__).parent.glob("*.py"):
        for arguments in re.findall(r"Console\((.*)\)", path.read_text(encoding="utf-8")):
            assert arguments.startswith(("markup=False", "stderr=True")), path


def test_help_and_version() -> None:
    text = siam("--help").stdout
    for command in ("track", "demo", "train", "doctor"):
        assert command in text
    assert "..." not in text.replace("[ARGS]...", "")  # what a command does is said to the end
    assert siam("--version").stdout.strip() == f"siamtrack {siamtrack.__version__}"
    assert siam("trak").returncode == 2
    unwanted = ("torch", "cv2", "numpy", "numba", "rich.progress", "multiprocessing", "tempfile")
    code = f"import sys, siamtrack.cli; print([name for name in {unwanted} if name in sys.modules])"
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert heavy == "[]"


def test_the_start_reads_the_options_of_the_command_that_is_run_alone() -> None:
    whole, chosen = (typer.main.get_command(each) for each in (app, _chosen(["--help", "track", "data"])))
    assert {name: each.help for name, each in whole.commands.items()} == {
        name: each.help for name, each in chosen.commands.items()
    }
    read = {name: len(each.params) for name, each in chosen.commands.items() if each.params}
    assert read == {"track": len(whole.commands["track"].params)}


@pytest.mark.parametrize("command", [[], ["export"], ["data", "check"]])
def test_a_command_without_arguments_shows_its_help(here: Command, command: list[str]) -> None:
    result = here(*command)
    assert result.returncode == 2
    assert re.match(r"Usage: .*\[OPTIONS\].*\n\n  [A-Z]", result.stderr), result.stderr
    assert "\n  -h, --help " in result.stderr


def test_it_runs_beside_a_clone_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "siamtrack/docs").mkdir(parents=True)
    result = siam("--version", cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_train_and_use_what_came_out(here: Command, tmp_path: Path, write_clip: Callable[..., Path], clip: Path) -> None:
    data = tmp_path / "data/videos"
    data.mkdir(parents=True)
    for name in ("a", "b", "c"):
        write_clip(data / f"{name}.mp4", frames=6)
        (data / f"{name}.txt").write_text("60,80,40,50\n" * 6)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "sources: [{path: videos}]\nsteps: 2\nbatch_size: 4\noptimizer: adamw\nlr: 1e-4\n"
        f"search_size: 159\nsearch_size_start: 159\nedge_filters: 0.0\ninit: {ASSETS / 'siamfc.safetensors'}\n"
    )
    out = tmp_path / "out"
    result = here("train", recipe, "--data", tmp_path / "data", "--out", out, "--workers", 0)
    assert result.returncode == 0, result.stderr
    assert (out / "checkpoint.pt").is_file()
    assert load_weights(out / "model.safetensors").header.training["recipe"]["init"] == "siamfc.safetensors"  # and no folders
    assert f"siamtrack: note: {recipe}: 'edge_filters' is no key any more" in result.stderr
    tracked = here("track", clip, "--box", BOX, "--model", out / "model.safetensors", "--out", tmp_path / "run")
    assert tracked.returncode == 0, tracked.stderr
    recipe.write_text("stepps: 2\n")
    refused(here("train", recipe, "--data", tmp_path / "data", "--out", out), "unknown key 'stepps'; did you mean 'steps'")


def test_train_says_which_recipes_there_are_and_what_to_install(
    here: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--data", tmp_path / "data", "--out", tmp_path / "out", "--workers", 0)
    refused(here("train", "smoek", *words), "no recipe file smoek", "siamfc-lite", "smoke")
    refused(here("train", "smoke", *words), "data/sequences/train")  # the recipe is found; its data is not
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(here("train", "smoke", *words), "training needs PyTorch", "pip install '.[train]'")


def test_without_redetection_the_settings_say_so(here: Command, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = here("track", clip, "--box", BOX, "--out", out, "--device", "cpu", "--no-redetect")
    assert result.returncode == 0, result.stderr
    assert json.loads((out / "run.json").read_text())["tracker"]["redetect"] is False
