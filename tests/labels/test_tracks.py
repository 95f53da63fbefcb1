"""Reading folders of results: their layouts, what is skipped, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from siamtrack.errors import DataError
from siamtrack.labels import load_tracks

HEADER = "frame,time_s,x,y,w,h,score,state\n"


def test_one_run_is_a_video_named_by_its_source(write_run, tmp_path: Path) -> None:
    results = load_tracks(write_run(tmp_path / "monday"))
    (video,) = results.videos
    assert (video.name, video.source, video.size_wh) == ("clip", "clips/clip.mp4", (320, 240))
    (track,) = video.tracks
    assert track.target == "monday"
    assert track.frames.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(track.boxes_xywh[1], [11.125, 20.5, 30.5, 40.25])
    assert track.states.tolist() == ["TRACKING", "TRACKING", "UNCERTAIN", "LOST", "TRACKING"]
    assert (video.first_frame, video.end_frame) == (0, 5)
    assert not results.skipped


def test_targets_of_a_live_session_are_of_one_video_in_natural_order(write_run, tmp_path: Path) -> None:
    for number in (1, 2, 10):
        write_run(tmp_path / f"target-{number}", source="camera 0")
    (video,) = load_tracks(tmp_path).videos
    assert video.name == "camera 0"
    assert [track.target for track in video.tracks] == ["target-1", "target-2", "target-10"]


def test_runs_of_several_sources_side_by_side_are_several_videos(write_run, tmp_path: Path) -> None:
    write_run(tmp_path / "a", source="x/clip.mp4", frame_wh=[320, 240])
    write_run(tmp_path / "b", source="y/clip.mp4", frame_wh=[640, 480])
    videos = load_tracks(tmp_path).videos
    assert [(video.name, video.size_wh) for video in videos] == [("clip", (320, 240)), ("clip", (640, 480))]


def test_a_batch_is_named_by_its_folders(write_run, tmp_path: Path) -> None:
    for video in ("clip-a", "clip-b"):
        for target in ("car", "dog"):
            write_run(tmp_path / video / target, source="img1")
    (tmp_path / "summary.csv").write_text("no run")
    (tmp_path / ".hidden" / "x").mkdir(parents=True)
    results = load_tracks(tmp_path)
    assert [(video.name, [track.target for track in video.tracks]) for video in results.videos] == [
        ("clip-a", ["car", "dog"]),
        ("clip-b", ["car", "dog"]),
    ]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/a/b/clip.mp4", "clip"),
        ("frames", "frames"),
        ("seq/img1/*.png", "img1"),
        ("C:\\videos\\clip.avi", "clip"),
        ("https://host/live.m3u8?key=1", "live"),
        ("../..", "runs"),
        (None, "runs"),
    ],
)
def test_names_of_videos(write_run, tmp_path: Path, source: str | None, name: str) -> None:
    folder = write_run(tmp_path / "runs", about={"source": source} if source else {})
    assert load_tracks(folder).videos[0].name == name


def test_unfinished_and_failed_runs_are_skipped_with_a_reason(write_run, tmp_path: Path) -> None:
    write_run(tmp_path / "clip" / "good")
    cut = write_run(tmp_path / "clip" / "cut")
    (cut / "boxes.csv").rename(cut / "boxes.partial.csv")
    for name, file, text in (
        ("failed", "error.json", json.dumps({"kind": "video", "error": "the video\x1b[31m is cut"})),
        ("broke-off", "error.txt", "no space left\nsecond line"),
    ):
        write_run(tmp_path / "clip" / name)
        (tmp_path / "clip" / name / file).write_text(text)
    results = load_tracks(tmp_path)
    assert [track.target for track in results.videos[0].tracks] == ["good"]
    assert {item.folder.name: item.reason for item in results.skipped} == {
        "broke-off": "it failed: no space left",
        "cut": "it never finished (boxes.partial.csv); run it again",
        "failed": "it failed: the video [31m is cut",
    }


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is no folder; give one that"):
        load_tracks(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no finished run \(no boxes.csv in it\)"):
        load_tracks(tmp_path)
    (tmp_path / "boxes.partial.csv").write_text(HEADER)
    with pytest.raises(DataError, match="it never finished"):
        load_tracks(tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"line 1: the header is nothing, without frame,time_s"),
        ("a,b\n1,2\n", r"line 1: the header is a,b, without"),
        (HEADER, r"line 2: there is no row"),
        (HEADER + "0,0,1,2,3,4,1,TRACKING\n1,0.04,1,2\n", r"line 3: the row has 4 of 8 values; the file is cut off"),
        (HEADER + "0,0,1,2,3,4,1,TRACK", r"line 2: the state is 'TRACK'; known: LOST, TRACKING, UNCERTAIN"),
        (HEADER + "0,0,1,x,3,4,1,TRACKING\n", r"line 2: 0,0,1,x,3,4,1,TRACKING is not a row of numbers"),
        (HEADER + "0,0,1,nan,3,4,1,TRACKING\n", r"line 2: a number is not finite"),
        (HEADER + "-1,0,1,2,3,4,1,TRACKING\n", r"line 2: frame -1 is no frame number"),
        (HEADER + "0,0,1,2,-3,4,1,TRACKING\n", r"line 2: the box has a negative size, -3x4"),
        (HEADER + "4,0,1,2,3,4,1,TRACKING\n4,0,1,2,3,4,1,TRACKING\n", r"line 3: frame 4 comes after frame 4"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "boxes.csv").write_text(text)
    with pytest.raises(DataError, match=rf"boxes\.csv, {problem}"):
        load_tracks(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_bytes(b"\xff\xfe\x00" * 9)
    with pytest.raises(DataError, match=r"boxes\.csv, line 1"):
        load_tracks(tmp_path)


def test_a_broken_run_json_is_refused_and_a_missing_one_is_not(write_run, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run\.json is not JSON"):
        load_tracks(folder)
    (folder / "run.json").unlink()
    video = load_tracks(folder).videos[0]
    assert (video.name, video.source, video.size_wh) == ("run", None, None)


def test_one_video_has_one_frame_size(write_run, tmp_path: Path) -> None:
    write_run(tmp_path / "v" / "a", frame_wh=[320, 240])
    write_run(tmp_path / "v" / "b", frame_wh=[640, 480])
    with pytest.raises(DataError, match=r"320x240 frames and .*b of 640x480"):
        load_tracks(tmp_path)
