"""COCO-style JSON: ids that fit, boxes and frames that are right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from siamtrack.errors import DataError
from siamtrack.labels import LabelOptions, load_tracks, write_coco
from siamtrack.tracking.result import State


def check_ids(data: dict[str, Any]) -> None:
    """Every id is unique, and every id that is named exists."""
    ids = {}
    for kind in ("videos", "tracks", "categories", "images", "annotations"):
        ids[kind] = [item["id"] for item in data[kind]]
        assert len(set(ids[kind])) == len(ids[kind])
        assert all(isinstance(number, int) and number > 0 for number in ids[kind])
    images = {image["id"]: image for image in data["images"]}
    tracks = {track["id"]: track for track in data["tracks"]}
    for item in data["images"] + data["tracks"] + data["annotations"]:
        assert item["video_id"] in ids["videos"]
    for note in data["annotations"]:
        assert images[note["image_id"]]["video_id"] == note["video_id"]
        assert tracks[note["track_id"]]["category_id"] == note["category_id"]
        assert note["category_id"] in ids["categories"]
        assert note["area"] == pytest.approx(note["bbox"][2] * note["bbox"][3], abs=1e-3)
    assert {note["track_id"] for note in data["annotations"]} == set(ids["tracks"])
    pairs = [(note["image_id"], note["track_id"]) for note in data["annotations"]]
    assert len(set(pairs)) == len(pairs)


def test_ids_fit_and_boxes_come_back(write_run, tmp_path: Path) -> None:
    for name in ("car", "dog", "never"):
        rows = [(2, (1.0, 2.0, 3.0, 4.0), 0.1, State.LOST)] if name == "never" else None
        write_run(tmp_path / "batch" / "v" / name, *([rows] if rows else []))
    video = load_tracks(tmp_path / "batch").videos[0]
    assert write_coco(video, tmp_path / "v.json", LabelOptions(label="{target}")) == 8
    data = json.loads((tmp_path / "v.json").read_text())
    check_ids(data)
    assert [(item["id"], item["name"]) for item in data["categories"]] == [(1, "car"), (2, "dog")]
    assert [(item["id"], item["name"]) for item in data["tracks"]] == [(1, "car"), (2, "dog")]
    assert data["videos"][0]["name"] == "v"
    # The frame in which the target was lost is an image with no box.
    assert [image["frame_index"] for image in data["images"]] == [0, 1, 2, 3, 4]
    assert [image["file_name"] for image in data["images"]][::4] == ["v/frame_000000.jpg", "v/frame_000004.jpg"]
    assert {(image["width"], image["height"]) for image in data["images"]} == {(320, 240)}
    lost = next(image["id"] for image in data["images"] if image["frame_index"] == 3)
    assert lost not in {note["image_id"] for note in data["annotations"]}
    index = {image["id"]: image["frame_index"] for image in data["images"]}
    for track in video.tracks[:2]:
        number = video.tracks.index(track) + 1
        notes = [note for note in data["annotations"] if note["track_id"] == number]
        kept = track.take(track.states != "LOST")
        assert [index[note["image_id"]] for note in notes] == kept.frames.tolist()
        assert [note["bbox"] for note in notes] == kept.boxes_xywh.tolist()
        assert [note["score"] for note in notes] == kept.scores.tolist()
        assert [note["state"] for note in notes] == kept.states.tolist()


def test_pycocotools_reads_it(write_run, tmp_path: Path) -> None:
    tools = pytest.importorskip("pycocotools.coco")
    write_coco(load_tracks(write_run(tmp_path / "run")).videos[0], tmp_path / "v.json")
    coco = tools.COCO(str(tmp_path / "v.json"))
    assert len(coco.getAnnIds(catIds=[1])) == 4


def test_without_a_frame_size_the_error_says_what_to_give(write_run, tmp_path: Path) -> None:
    for about, why in (
        ({"source": "/nowhere/clip.mp4"}, r"/nowhere/clip\.mp4 not found"),
        ({}, "run.json names no video"),
        ({"source": "camera 0"}, "camera 0 was live"),
        ({"source": "rtsp://host/stream"}, "was live"),
        ({"source": "/nowhere/clip.mp4", "frame_wh": [0, 0]}, "not found"),
    ):
        video = load_tracks(write_run(tmp_path / "run", about=about)).videos[0]
        with pytest.raises(DataError, match=rf"frame size of .* is unknown: .*{why}.* give --size WxH, or .*--source FILE"):
            write_coco(video, tmp_path / "v.json")
    assert not (tmp_path / "v.json").exists()


def test_the_frame_size_is_read_from_the_video_if_need_be(write_run, tmp_path: Path, clip: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run", about={"source": str(clip)})).videos[0]
    write_coco(video, tmp_path / "v.json")
    found = json.loads((tmp_path / "v.json").read_text())["videos"][0]
    assert (found["width"], found["height"]) == (320, 240)
