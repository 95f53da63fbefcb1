"""COCO-style JSON and LabelMe files: ids that fit, boxes and frames that are right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rendered import rendered_frame

from siamtrack.errors import DataError, OutputError
from siamtrack.labels import LabelOptions, export, load_tracks, write_coco, write_label_studio, write_labelme
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


def test_a_file_for_each_frame_with_boxes(write_run, tmp_path: Path) -> None:
    for name in ("target-1", "target-2"):
        write_run(tmp_path / "live" / name)
    video = load_tracks(tmp_path / "live").videos[0]
    assert write_labelme(video, tmp_path / "clip", LabelOptions(label="car")) == 8
    names = sorted(path.name for path in (tmp_path / "clip").iterdir())
    assert names == [f"frame_00000{frame}.json" for frame in (0, 1, 2, 4)]
    data = json.loads((tmp_path / "clip/frame_000002.json").read_text())
    assert list(data) == ["version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"]
    assert (data["imagePath"], data["imageData"]) == ("frame_000002.jpg", None)
    assert (data["imageHeight"], data["imageWidth"]) == (240, 320)
    shape = data["shapes"][1]
    assert shape["points"] == [[12.25, 21.0], [43.25, 62.0]]
    assert (shape["label"], shape["shape_type"], shape["group_id"]) == ("car", "rectangle", 2)
    assert (shape["description"], shape["score"], shape["state"]) == ("target-2", 0.5, "UNCERTAIN")
    # What LabelMe's reader insists on: whole group ids, flags that are true or false.
    assert isinstance(shape["group_id"], int)
    assert shape["flags"] == {}


def test_an_earlier_export_is_replaced_only_when_asked_and_other_files_stay(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run")).videos[0]
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "frame_000001.jpg").write_bytes(b"an image of the user's")
    (folder / "notes.json").write_text("{}")
    write_labelme(video, folder)
    with pytest.raises(OutputError, match=r"frame_000000\.json exists; give --force"):
        write_labelme(video, folder, LabelOptions(every=4))
    write_labelme(video, folder, LabelOptions(every=4, force=True))
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["frame_000000.json", "frame_000001.jpg", "frame_000004.json", "notes.json"]


@pytest.mark.parametrize("form", ["labelme", "coco"])
def test_frames_are_written_beside_the_labels(write_run, tmp_path: Path, clip: Path, form: str) -> None:
    rows = [(frame, rendered_frame(frame)[1], 0.9, State.LOST if frame == 6 else State.TRACKING) for frame in range(3, 12)]
    results = load_tracks(write_run(tmp_path / "run", rows, source=str(clip)))
    export(results, form, tmp_path / "out", LabelOptions(every=3, suffix="png", frames=True))
    pictures = sorted((tmp_path / "out/clip").glob("*.png"))
    # COCO lists the frame without a box as well.
    assert [path.name for path in pictures] == [
        f"frame_00000{frame}.png" for frame in ((3, 9) if form == "labelme" else (3, 6, 9))
    ]
    image = cv2.imread(str(pictures[-1]))
    expected = rendered_frame(9)[0]
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 6  # the clip is compressed; its neighbours differ by more
    if form == "labelme":
        for path in (tmp_path / "out/clip").glob("*.json"):
            assert (path.parent / json.loads(path.read_text())["imagePath"]).is_file()
    else:
        data = json.loads((tmp_path / "out/clip.json").read_text())
        assert all((tmp_path / "out" / image["file_name"]).is_file() for image in data["images"])


def test_frames_that_cannot_be_had(write_run, tmp_path: Path, clip: Path) -> None:
    cases = (
        ({"source": "camera 0"}, r"frames of camera 0 cannot be had: camera 0 was live.*--source FILE"),
        ({"source": "/nowhere/clip.mp4"}, r"cannot be had: /nowhere/clip\.mp4 not found"),
        ({"source": str(clip), "frame_wh": [640, 480]}, "frame 0 of .* is 320x240, the labels are for 640x480"),
    )
    for about, problem in cases:
        results = load_tracks(write_run(tmp_path / "run", about={"frame_wh": [320, 240], **about}))
        with pytest.raises(DataError, match=problem):
            export(results, "labelme", tmp_path / "out", LabelOptions(frames=True))
        assert not list(tmp_path.glob("out/*/*"))
    rows = [(frame, (1.0, 2.0, 30.0, 40.0), 0.9, State.TRACKING) for frame in (18, 25)]
    results = load_tracks(write_run(tmp_path / "run", rows, source=str(clip)))
    with pytest.raises(DataError, match="ended before frame 25; is it the video that was tracked"):
        export(results, "labelme", tmp_path / "out", LabelOptions(frames=True))


def test_images_keep_their_names(write_run, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in (7, 8, 11, 12, 100):  # in natural order
        cv2.imwrite(str(images / f"car {number}.png"), np.full((240, 320, 3), number, np.uint8))
    results = load_tracks(write_run(tmp_path / "run", source=str(images)))
    out = tmp_path / "out"
    export(results, "coco", out)
    named = [f"car {number}" for number in (7, 8, 11, 12, 100)]
    listed = json.loads((out / "images.json").read_text())["images"]
    assert [image["file_name"] for image in listed] == [f"{name}.png" for name in named]
    # Beside the labels, they are the very files, whatever --suffix says of frames that have no file.
    for form, folder in (("coco", "images"), ("labelme", "images"), ("yolo", "images/images")):
        export(results, form, out / form, LabelOptions(frames=True, every=2, keep_lost=True))
        copies = sorted((out / form / folder).glob("*.png"))
        assert [path.stem for path in copies] == sorted(named[::2])
        assert all(path.read_bytes() == (images / path.name).read_bytes() for path in copies)
        with pytest.raises(OutputError, match=r"exists; give --force"):
            export(results, form, out / form, LabelOptions(frames=True))
    listed = json.loads((out / "coco/images.json").read_text())["images"]
    assert [image["file_name"] for image in listed] == [f"images/{name}.png" for name in named[::2]]
    label = json.loads((out / "labelme/images/car 11.json").read_text())
    assert label["imagePath"] == "car 11.png"
    assert {path.stem for path in (out / "yolo/labels/images").iterdir()} == set(named[::2])


def test_images_that_cannot_be_told_apart_by_their_stems_or_are_gone_are_named_as_frames(write_run, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("1.png", "1.jpg", "2.png", "3.png", "4.png"):
        cv2.imwrite(str(images / name), np.zeros((240, 320, 3), np.uint8))
    video = load_tracks(write_run(tmp_path / "run", source=str(images))).videos[0]

    def first() -> str:
        write_coco(video, tmp_path / "v.json", LabelOptions(force=True))
        return json.loads((tmp_path / "v.json").read_text())["images"][0]["file_name"]

    assert first() == "v/frame_000000.jpg"
    (images / "1.jpg").rename(images / "5.jpg")
    assert first() == "1.png"
    (images / "5.jpg").unlink()  # not the images that were tracked
    assert first() == "v/frame_000000.jpg"


def test_label_studio_draws_nothing_in_a_gap(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run")).videos[0]
    assert write_label_studio(video, tmp_path / "v.json") == 4
    (task,) = json.loads((tmp_path / "v.json").read_text())
    assert task["data"] == {"video": "clip.mp4"}
    (region,) = task["predictions"][0]["result"]
    value = region["value"]
    assert (value["framesCount"], value["duration"], value["labels"]) == (5, 0.2, ["object"])
    assert [(box["frame"], box["enabled"]) for box in value["sequence"]] == [(1, True), (2, True), (3, False), (5, False)]
    assert [value["sequence"][0][key] for key in ("x", "y", "width", "height")] == [3.125, 8.33333, 9.53125, 16.77083]
