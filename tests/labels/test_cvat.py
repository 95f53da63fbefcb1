"""CVAT for video 1.1, read by the rules of CVAT's own importer."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from siamtrack.labels import LabelOptions, load_tracks, write_cvat
from siamtrack.tracking.result import State


def imported(path: Path, size: int) -> list[dict[int, tuple[bool, bool, tuple[float, ...]]]]:
    """Tracks by frame, as (outside, occluded, corners); fails where CVAT's importer would, for a task of `size` frames."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == "annotations"
    assert root.findtext("version") == "1.1"
    labels = [label.findtext("name") for label in root.findall("meta/task/labels/label")]
    tracks = []
    for track in root.findall("track"):
        assert track.attrib["label"] in labels
        boxes = track.findall("box")
        assert boxes, "CVAT reads the first box of every track"
        frames = [int(box.attrib["frame"]) for box in boxes]
        assert frames == sorted(set(frames))
        assert frames[-1] < size, "CVAT refuses a file that names a frame it does not have"
        assert {box.attrib["keyframe"] for box in boxes} == {"1"}, "CVAT passes over other boxes"
        found = {}
        for frame, box in zip(frames, boxes, strict=True):
            corners = tuple(float(box.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
            found[frame] = (box.attrib["outside"] == "1", box.attrib["occluded"] == "1", corners)
        tracks.append(found)
    return tracks


def test_a_track_has_a_box_a_frame_and_is_outside_where_it_is_lost(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run")).videos[0]
    assert write_cvat(video, tmp_path / "v.xml") == 4
    (track,) = imported(tmp_path / "v.xml", 5)
    assert list(track) == [0, 1, 2, 3, 4]
    assert [outside for outside, _, _ in track.values()] == [False, False, False, True, False]
    assert [occluded for _, occluded, _ in track.values()] == [False, False, True, False, False]
    corners = np.array([track[frame][2] for frame in track])
    np.testing.assert_allclose(corners[:, :2], video.tracks[0].boxes_xywh[:, :2], atol=5e-4)
    np.testing.assert_allclose(corners[:, 2:] - corners[:, :2], video.tracks[0].boxes_xywh[:, 2:], atol=2e-3)
    task = ElementTree.parse(tmp_path / "v.xml").getroot().find("meta/task")
    assert task is not None
    assert [task.findtext(key) for key in ("name", "size", "mode")] == ["clip", "5", "interpolation"]
    assert [task.findtext(f"original_size/{key}") for key in ("width", "height")] == ["320", "240"]


def test_a_track_that_ends_before_the_video_is_closed(write_run, tmp_path: Path, clip: Path) -> None:
    box = (10.0, 20.0, 30.0, 40.0)
    write_run(tmp_path / "a", [(frame, box, 0.9, State.TRACKING) for frame in range(3)])
    write_run(tmp_path / "b", [(frame, box, 0.9, State.TRACKING) for frame in range(2, 8)])
    write_cvat(load_tracks(tmp_path).videos[0], tmp_path / "gone.xml")
    a, b = imported(tmp_path / "gone.xml", 8)
    # The other track proves that frame 3 exists. Of frame 8 nothing is known: the video is gone.
    assert [(frame, outside) for frame, (outside, _, _) in a.items()] == [(0, False), (1, False), (2, False), (3, True)]
    assert a[3][2] == a[2][2]
    assert (max(b), b[7][0]) == (7, False)
    for name in ("a", "b"):
        write_run(tmp_path / name, [(2, box, 0.9, State.TRACKING)], source=str(clip))
    write_cvat(load_tracks(tmp_path).videos[0], tmp_path / "there.xml")
    assert all(track[3][0] for track in imported(tmp_path / "there.xml", 20))


def test_a_track_to_the_end_of_the_video_has_no_frame_behind_it(write_run, tmp_path: Path, clip: Path) -> None:
    rows = [(frame, (10.0, 20.0, 30.0, 40.0), 0.9, State.TRACKING) for frame in range(20)]
    write_cvat(load_tracks(write_run(tmp_path / "run", rows, source=str(clip))).videos[0], tmp_path / "v.xml")
    (track,) = imported(tmp_path / "v.xml", 20)
    assert len(track) == 20
    assert ElementTree.parse(tmp_path / "v.xml").getroot().findtext("meta/task/size") == "20"


def test_options_and_tracks_that_are_not_written(write_run, tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", [(frame, (1.0, 2.0, 3.0, 4.0), 0.1, State.LOST) for frame in range(9)])
    video = load_tracks(tmp_path).videos[0]
    write_cvat(video, tmp_path / "v.xml", LabelOptions(every=2))
    (track,) = imported(tmp_path / "v.xml", 9)
    assert {frame: outside for frame, (outside, _, _) in track.items()} == {0: False, 2: False, 4: False, 5: True}
    write_cvat(video, tmp_path / "lost.xml", LabelOptions(keep_lost=True))
    a, b = imported(tmp_path / "lost.xml", 9)
    assert not any(outside for frame, (outside, _, _) in a.items() if frame < 5)
    assert a[3][1], "a guess is marked for a person to look at"
    assert len(b) == 9
    write_cvat(video, tmp_path / "sure.xml", LabelOptions(min_score=0.85))
    (track,) = imported(tmp_path / "sure.xml", 9)
    assert [outside for outside, _, _ in track.values()] == [False, False, True, True, True]


@pytest.mark.parametrize("name", ["<>&\"' ../x", "a]]>b", "tab\tnew\nline\x00\x1b", "猫", "\ud800"])
def test_any_name_gives_xml_that_parses(write_run, tmp_path: Path, name: str) -> None:
    video = load_tracks(write_run(tmp_path / "run", source=f"{name}.mp4")).videos[0]
    write_cvat(video, tmp_path / "v.xml", LabelOptions(label=f"x{name}"))
    (track,) = imported(tmp_path / "v.xml", 5)
    assert len(track) == 5
    label = ElementTree.parse(tmp_path / "v.xml").getroot().findtext("meta/task/labels/label/name")
    assert label == LabelOptions(label=f"x{name}").label_of("")
