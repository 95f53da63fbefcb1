"""YOLO data sets: one for all videos, which grows, and is nobody else's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from siamtrack.errors import DataError, OutputError
from siamtrack.labels import LabelOptions, export, load_tracks, write_yolo
from siamtrack.tracking.result import State


def test_all_videos_are_one_data_set_with_the_labels_of_all(write_run, tmp_path: Path) -> None:
    for video, target in (("a", "dog"), ("b", "car"), ("b", "dog")):
        write_run(tmp_path / "runs" / video / target)
    export(load_tracks(tmp_path / "runs"), "yolo", tmp_path / "out", LabelOptions(label="{target}"))
    assert yaml.safe_load((tmp_path / "out/data.yaml").read_text()) == {
        "train": "images",
        "val": "images",
        "names": ["dog", "car"],  # as they came: a label keeps its number when more are added
    }
    names = sorted(path.name for path in (tmp_path / "out/labels/b").iterdir())
    assert names == [f"frame_00000{frame}.txt" for frame in (0, 1, 2, 4)]  # lost in 3: not said to be empty
    rows = np.loadtxt(tmp_path / "out/labels/b/frame_000002.txt")
    assert rows[:, 0].tolist() == [1, 0]
    x, y, w, h = 12.25, 21.0, 31.0, 41.0
    np.testing.assert_allclose(rows[0, 1:] * [320, 240, 320, 240], [x + w / 2, y + h / 2, w, h], atol=1e-4)


def test_what_reaches_over_the_frame_is_cut_and_what_lies_outside_left_out(write_run, tmp_path: Path) -> None:
    boxes = [(-10.0, 0.0, 40.0, 20.0), (400.0, 0.0, 10.0, 10.0)]
    write_run(tmp_path / "run", [(frame, box, 0.9, State.TRACKING) for frame, box in enumerate(boxes)])
    assert write_yolo(load_tracks(tmp_path / "run").videos[0], tmp_path / "out") == 1
    (file,) = (tmp_path / "out/labels/clip").iterdir()
    assert np.loadtxt(file).tolist() == pytest.approx([0, 15 / 320, 10 / 240, 30 / 320, 20 / 240])


def test_a_second_export_adds_to_it_and_replaces_only_when_asked(write_run, tmp_path: Path) -> None:
    results = load_tracks(write_run(tmp_path / "run"))
    out = tmp_path / "out"
    export(results, "yolo", out, LabelOptions(label="car"))
    other = load_tracks(write_run(tmp_path / "other", source="clips/other.mp4"))
    export(other, "yolo", out, LabelOptions(label="bus"))
    assert yaml.safe_load((out / "data.yaml").read_text())["names"] == ["car", "bus"]
    with pytest.raises(OutputError, match=r"clip/frame_000000\.txt exists; give --force"):
        export(results, "yolo", out, LabelOptions(label="car"))
    export(results, "yolo", out, LabelOptions(label="car", every=4, force=True))
    assert sorted(path.name for path in (out / "labels/clip").iterdir()) == ["frame_000000.txt", "frame_000004.txt"]
    assert len(list((out / "labels/other").iterdir())) == 4


def test_what_cannot_be_removed_of_an_earlier_export_is_named(write_run, tmp_path: Path) -> None:
    (tmp_path / "out/labels/clip/frame_000003.txt").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"frame_000003\.txt cannot be removed"):
        export(load_tracks(write_run(tmp_path / "run")), "yolo", tmp_path / "out", LabelOptions(every=4, force=True))


@pytest.mark.parametrize("text", ["names:\n  0: car\n", "names: car\n", "train: x\n", "names: [1, 2]\n", "]"])
def test_a_data_yaml_of_others_stays_as_it_is(write_run, tmp_path: Path, text: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=r"data\.yaml.*; give --out a folder without it"):
        write_yolo(load_tracks(write_run(tmp_path / "run")).videos[0], tmp_path)
    assert (tmp_path / "data.yaml").read_text() == text
