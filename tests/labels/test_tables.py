"""MOTChallenge text and Parquet tables, read back."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from siamtrack.errors import OutputError, SiamtrackError
from siamtrack.labels import LabelOptions, export, load_tracks, write_mot, write_parquet
from siamtrack.tracking.result import State


def _read(path: Path) -> np.ndarray:
    return np.loadtxt(path, delimiter=",", ndmin=2)


def test_boxes_come_back_to_three_decimals(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run")).videos[0]
    assert write_mot(video, tmp_path / "clip.txt") == 4
    rows = _read(tmp_path / "clip.txt")
    track = video.tracks[0].take(video.tracks[0].states != "LOST")
    np.testing.assert_array_equal(rows[:, 0] - 1, track.frames)
    np.testing.assert_array_equal(rows[:, 1], 1)
    np.testing.assert_allclose(rows[:, 2:6] - [1, 1, 0, 0], track.boxes_xywh, atol=5e-4)
    np.testing.assert_allclose(rows[:, 6], track.scores, atol=5e-5)
    np.testing.assert_array_equal(rows[:, 7:], 1)
    assert (tmp_path / "clip.txt").read_text().splitlines()[0] == "1,1,11.000,21.000,30.500,40.250,1.0000,1,1"
    assert (tmp_path / "clip.labels").read_text() == "object\n"


def test_classes_of_the_text_are_listed_beside_it(write_run, tmp_path: Path) -> None:
    for target in ("dog", "car"):
        write_run(tmp_path / "run" / target)
    video = load_tracks(tmp_path / "run").videos[0]
    write_mot(video, tmp_path / "clip.txt", LabelOptions(label="a {target}"))
    assert (tmp_path / "clip.labels").read_text() == "a car\na dog\n"
    assert {(row[1], row[7]) for row in _read(tmp_path / "clip.txt").tolist()} == {(1, 1), (2, 2)}
    (tmp_path / "clip.txt").unlink()
    with pytest.raises(OutputError, match=r"clip\.labels exists; give --force"):
        export(load_tracks(tmp_path / "run"), "mot", tmp_path)
    assert not (tmp_path / "clip.txt").exists()


def test_what_is_left_out(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run")).videos[0]
    path = tmp_path / "clip.txt"

    def frames(**options) -> list[int]:
        write_mot(video, path, LabelOptions(force=True, **options))
        return (_read(path)[:, 0] - 1).astype(int).tolist()

    assert frames(keep_lost=True) == [0, 1, 2, 3, 4]
    assert frames(min_score=0.8) == [0, 1, 4]
    assert frames(every=2) == [0, 2, 4]
    assert frames(every=3) == [0]
    assert frames(every=3, keep_lost=True) == [0, 3]


def test_every_nth_frame_is_the_same_one_for_all_targets_and_boxes_without_area_are_left_out(write_run, tmp_path: Path) -> None:
    box = (1.0, 2.0, 10.0, 10.0)
    write_run(tmp_path / "a", [(frame, box, 0.9, State.TRACKING) for frame in range(7, 20)])
    write_run(tmp_path / "b", [(frame, box, 0.9, State.TRACKING) for frame in range(9, 20)])
    write_run(tmp_path / "c", [(12, (5.0, 5.0, 0.0, 3.0), 0.9, State.TRACKING)])
    write_mot(load_tracks(tmp_path).videos[0], tmp_path / "x.txt", LabelOptions(every=5))
    assert _read(tmp_path / "x.txt")[:, :2].astype(int).tolist() == [[8, 1], [13, 1], [13, 2], [18, 1], [18, 2]]


def test_a_target_that_was_never_seen_gives_an_empty_file(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run", [(0, (1.0, 2.0, 3.0, 4.0), 0.1, State.LOST)])).videos[0]
    assert write_mot(video, tmp_path / "clip.txt") == 0
    assert (tmp_path / "clip.txt").read_text() == ""


def test_nothing_is_written_over_unasked(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run")).videos[0]
    path = tmp_path / "clip.txt"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"clip\.txt exists; give --force to write over it"):
        write_mot(video, path)
    assert path.read_text() == "mine"
    write_mot(video, path, LabelOptions(force=True))
    assert path.read_text() != "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        write_mot(video, tmp_path / "file" / "clip.txt")


def test_the_table_comes_back_typed(write_run, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for name in ("car", "dog"):
        write_run(tmp_path / "batch" / "v" / name)
    video = load_tracks(tmp_path / "batch").videos[0]
    assert write_parquet(video, tmp_path / "v.parquet", LabelOptions(keep_lost=True)) == 10
    table = parquet.read_table(tmp_path / "v.parquet")
    assert table.column_names == ["video", "target", "frame", "time_s", "x", "y", "w", "h", "score", "state"]
    assert [str(table.schema.field(name).type) for name in ("frame", "time_s", "x", "score")] == ["int64"] + ["double"] * 3
    rows = table.to_pylist()
    assert {row["video"] for row in rows} == {"v"}
    assert [row["target"] for row in rows] == ["car"] * 5 + ["dog"] * 5
    first, lost = rows[0], rows[3]
    assert first == {
        "video": "v", "target": "car", "frame": 0, "time_s": 0.0,
        "x": 10.0, "y": 20.0, "w": 30.5, "h": 40.25, "score": 1.0, "state": "TRACKING",
    }  # fmt: skip
    assert (lost["frame"], lost["time_s"], lost["state"]) == (3, 0.12, "LOST")


def test_lost_frames_are_left_out_and_an_empty_table_keeps_its_types(write_run, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    video = load_tracks(write_run(tmp_path / "run", [(0, (1.0, 2.0, 3.0, 4.0), 0.1, State.LOST)])).videos[0]
    assert write_parquet(video, tmp_path / "v.parquet") == 0
    table = parquet.read_table(tmp_path / "v.parquet")
    assert table.num_rows == 0
    assert str(table.schema.field("frame").type) == "int64"


def test_without_pyarrow_the_extra_is_named(write_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    results = load_tracks(write_run(tmp_path / "run"))
    for write in (
        lambda: write_parquet(results.videos[0], tmp_path / "v.parquet"),
        lambda: export(results, "parquet", tmp_path / "out"),
    ):
        with pytest.raises(SiamtrackError, match=r"pip install '\.\[parquet\]'"):
            write()
    assert not (tmp_path / "out").exists()
