"""`siamtrack track` through the real command line: several targets, both ways, and what else it writes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import Command, refused, rows_of
from made_videos import decoded
from rendered import rendered_frame

from siamtrack.boxes import iou
from siamtrack.cli import _with_boxes_joined
from siamtrack.lock import FolderLock

BOX = "60,80,40,50"


def box_in(frame: int, form: str = "xywh") -> str:
    x, y, w, h = rendered_frame(frame)[1]
    return ",".join(map(str, (x, y, w, h) if form == "xywh" else (x, y, x + w, y + h)))


def follows(folder: Path, frames: range) -> None:
    """The rows are of these frames, and lie on the target."""
    rows = rows_of(folder / "boxes.csv")
    assert [int(row["frame"]) for row in rows] == list(frames)
    boxes = np.array([[float(row[key]) for key in "xywh"] for row in rows])
    assert iou(boxes, np.array([rendered_frame(index)[1] for index in frames])).min() > 0.5


def test_two_targets_both_ways_with_everything_that_can_be_written(here: Command, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    two = ["--box", *box_in(9).split(","), "--name", "car", f"--box={box_in(9)}", "--name", "the dog"]
    more = ["--video", "--plot", "--follow-video", "--crops", tmp_path / "crops", "--debug"]
    result = here("track", clip, *two, "--start", "0.36s", "--both", "--out", out, *more)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("20 frames: ") == 2
    assert json.loads((out / "run.json").read_text())["targets"] == ["car", "the dog"]
    for name in ("car", "the dog"):
        follows(out / name, range(20))
        told = json.loads((out / name / "run.json").read_text())
        assert (told["target"], told["direction"], told["start"], told["decoded"]) == (name, "both", 9, 20)
        assert cv2.imread(str(out / name / "plot.png")).shape == (400, 1280, 3)
        crops = sorted((tmp_path / "crops" / name).iterdir())
        assert [path.name for path in crops] == [f"{index:06}.jpg" for index in range(20)]
        x, y, w, h = rendered_frame(9)[1]
        whole = math.ceil(y + h) - math.floor(y), math.ceil(x + w) - math.floor(x)
        assert cv2.imread(str(crops[9])).shape[:2] == whole
    assert decoded(out / "overlay.mp4")[0] == pytest.approx([index / 25 for index in range(20)], abs=1e-4)
    assert len(decoded(out / "car/follow.mp4")[0]) == 20


def test_backward_from_the_last_frame_with_two_corners(here: Command, clip: Path, tmp_path: Path) -> None:
    corners = ["--box", box_in(19, "xyxy"), "--box-format", "xyxy"]
    result = here("track", clip, *corners, "--start", 19, "--end", 5, "--backward", "--out", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    follows(tmp_path / "run", range(5, 20))


def test_a_folder_is_named_after_the_clip_and_numbered(
    here: Command, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, end in (("clip", 2), ("clip-2", 3)):
        result = here("track", clip, "--box", BOX, "--end", end)
        assert result.returncode == 0, result.stderr
        assert f"runs/{folder}/boxes.csv" in result.stdout
        follows(tmp_path / "runs" / folder, range(end + 1))


def test_nothing_of_an_earlier_run_lies_beside_a_new_one(here: Command, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert here("track", clip, "--box", BOX, "--box", BOX, "--end", 2, "--out", out, "--video", "--plot").returncode == 0
    (out / "mine.txt").write_text("kept")
    (out / "target-2/mine.txt").write_text("kept")
    assert here("track", clip, "--box", BOX, "--end", 2, "--out", out, "--video", "--plot", "--follow-video").returncode == 0
    told = {"boxes.csv", "boxes.txt", "run.json"}
    assert {path.name for path in out.iterdir()} == told | {"overlay.mp4", "plot.png", "follow.mp4", "mine.txt", "target-2"}
    assert [path.name for path in (out / "target-2").iterdir()] == ["mine.txt"]
    assert here("track", clip, "--box", BOX, "--end", 2, "--out", out).returncode == 0
    assert {path.name for path in out.iterdir()} == told | {"mine.txt", "target-2"}


def test_rows_of_a_killed_run_are_kept_and_told_of(here: Command, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    (out / "b").mkdir(parents=True)
    (out / "run.json").write_text('{"targets": ["a", "b", "../../x", 7]}')
    (out / "b/boxes.partial.csv").write_text("frame,time_s,x,y,w,h,score,state\n0,0,1,2,30,40,1,TRACKING\n")
    two = ["--box", BOX, "--name", "a", "--box", BOX, "--name", "b"]
    result = here("track", clip, *two, "--end", 1, "--out", out)
    assert result.returncode == 0, result.stderr
    assert f"an earlier run in {out}/b stopped after frame 0; its rows are kept in {out}/b/boxes.stopped.csv" in result.stderr
    assert len(rows_of(out / "b/boxes.stopped.csv")) == 1
    follows(out / "b", range(2))


def test_two_runs_on_one_folder(here: Command, clip: Path, tmp_path: Path) -> None:
    with FolderLock(tmp_path / "run"):
        refused(here("track", clip, "--box", BOX, "--out", tmp_path / "run"), "another run (process", "give another --out")
    assert here("track", clip, "--box", BOX, "--end", 1, "--out", tmp_path / "run").returncode == 0


def test_where_it_was_lost_is_printed(here: Command, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for i in range(30):
        gone = 8 <= i < 20
        cv2.imwrite(str(frames / f"{i:03}.png"), np.full((240, 320, 3), 90, np.uint8) if gone else rendered_frame(i)[0])
    result = here("track", frames, "--box", BOX, "--out", tmp_path / "run", "--crops", tmp_path / "crops")
    assert result.returncode == 0, result.stderr
    lost = [int(row["frame"]) for row in rows_of(tmp_path / "run/boxes.csv") if row["state"] == "LOST"]
    assert lost
    line = f"LOST 0:00.{round(lost[0] / 3)} to 0:00.{round(lost[-1] / 3)} (frames {lost[0]} to {lost[-1]})"
    assert line in result.stdout.splitlines()
    assert not {f"{index:06}.jpg" for index in lost} & {path.name for path in (tmp_path / "crops").iterdir()}


def test_a_video_in_the_place_of_a_command_is_told_of_track(here: Command, clip: Path) -> None:
    for word in (clip, "none.mp4", "rtsp://camera/1"):
        refused(here(word, "--box", BOX), f"to follow a target in it: siamtrack track {word} --box X,Y,W,H")
    refused(here("trak", clip), "No such command 'trak'", "track")


def test_the_shell_completes_options(here: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_SIAMTRACK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "siamtrack track --fo")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert here().stdout.split() == ["--follow-video"]


@pytest.mark.parametrize(
    ("arguments", "joined"),
    [
        (["--box", "1", "2", "3", "4", "clip.mp4"], ["--box", "1,2,3,4", "clip.mp4"]),
        (["--box", "1,", "2.5,", "-3", ".5", "0"], ["--box", "1,2.5,-3,.5", "0"]),  # 0 is a camera
        (["--box", *"12345678", "0"], ["--box", "1,2,3,4,5,6,7,8", "0"]),
        (["--box", "1,2,3,4", "0", "--box", "1,2,3,4"], ["--box", "1,2,3,4", "0", "--box", "1,2,3,4"]),
        (["--box=1,2,3,4", "0", "--start", "3"], ["--box=1,2,3,4", "0", "--start", "3"]),
        (["--box"], ["--box"]),
    ],
)
def test_the_numbers_of_a_box_may_be_several_arguments(arguments: list[str], joined: list[str]) -> None:
    assert _with_boxes_joined(arguments) == joined


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.mp4", "--box", BOX], ["none.mp4 not found"]),
        (["--box", "700,10,20,20"], ["outside the 320x240 frame"]),
        (["--box", "10,10,0,20"], ["zero or less"]),
        (["--box", "10,10,3,3"], ["at least 4 px"]),
        ([], ["--box", "--select"]),
        (["--select"], ["no display", "--box"]),
        (["--box", BOX, "--show"], ["no display"]),
        (["--box", BOX, "--model", "siamcf"], ["no model 'siamcf'", "siamfc"]),
        (["--box", BOX, "--device", "gpu"], ["device 'gpu' is unknown"]),
        (["--box", BOX, "--colour", "red"], ["No such option"]),
        (["{at}/text.mp4", "--box", BOX], ["cannot be opened as a video"]),
        (["{at}/empty.mp4", "--box", BOX], ["is empty"]),
        (["--box", BOX, "--config", "{at}/bad.yaml"], ["unknown key 'window_influense'; did you mean 'window_influence'"]),
        (["--box", BOX, "--preset", "paper"], ["preset 'paper' is for siamfc"]),
        (["--box", BOX, "--model", "siamfc", "--preset", "papre"], ["no preset 'papre'; did you mean 'paper'"]),
        (["--box", BOX, "--model", "{at}/bad.safetensors"], ["not a whole safetensors file"]),
        (["--box", BOX, "--name", "a", "--name", "b"], ["2 --name for 1 targets"]),
        (["--box", BOX, "--box", BOX, "--name", "a", "--name", "A"], ["two targets have one name"]),
        (["--box", BOX, "--box", BOX, "--name", "a", "--name", "b/c"], ["'b/c' cannot name a folder"]),
        (["--box", BOX, "--box", "900,1,20,20"], ["target-2: box (900, 1, 20, 20) lies outside"]),
        (["--box", "1,2,3,4,5"], ["not four finite numbers", "four corners"]),
        (["--box", "10", "20", "30"], ["'10,20,30' is not four"]),
        (["--box", BOX, "--box-format", "yolo"], ["'yolo' is unknown; give xywh or xyxy"]),
        (["--box", BOX, "--box-format", "xyxy"], ["x1 < x2"]),
        (["--box", BOX, "--start", "soon"], ["'soon' is no frame and no time"]),
        (["--box", BOX, "--start", "1:00"], ["ended after 20 frames; 1:00.0 was asked for"]),
        (["--box", BOX, "--start", "5", "--end", "4"], ["end 4 comes before start 5"]),
        (["--box", BOX, "--backward"], ["say which with --start"]),
        (["--box", BOX, "--start", "5", "--backward", "--both"], ["give one of them"]),
        (["--box", BOX, "--start", "5", "--end", "6", "--backward"], ["end 6 comes after start 5"]),
        (["--box", BOX, "--start", "99", "--backward"], ["ended after 20 frames; frame 99 was asked for"]),
        (["b.mp4", "c.mp4", "--box", BOX], ["unexpected extra argument", "quote a name with blanks in it, or a glob"]),
        (["--box", BOX, "--crops", "{at}/full"], ["is not empty; give --crops a new folder"]),
        (["--box", BOX, "--crops", "{at}/full/1.jpg"], ["is not a folder; give --crops a new folder"]),
    ],
)
def test_mistakes_are_one_line_and_status_2_and_leave_no_folder(
    here: Command, arguments: list[str], words: list[str], clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/1.jpg").write_bytes(b"of another run")
    files = {"text.mp4": "no video\n", "empty.mp4": "", "bad.yaml": "window_influense: 0.3\n", "bad.safetensors": "no weights"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    filled = [argument.format(at=tmp_path) for argument in arguments]
    if not filled or filled[0].startswith("--"):  # no source is named
        filled.insert(0, str(clip))
    refused(here("track", *filled, "--out", tmp_path / "run"), *words)
    assert not (tmp_path / "run").exists()
