"""Parquet tables, read back, and what is said without pyarrow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from siamtrack.errors import SiamtrackError
from siamtrack.labels import LabelOptions, export, load_tracks, write_parquet
from siamtrack.tracking.result import State


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
