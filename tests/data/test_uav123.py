from __future__ import annotations

from pathlib import Path

import pytest

from siamtrack.data.uav123 import find, load, read_toolkit_table
from siamtrack.errors import DataError

ROW = {"folder_name": "bird1", "start_frame": 3, "end_frame": 5}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    frames = tmp_path / "data_seq/UAV123/bird1"
    frames.mkdir(parents=True)
    for number in range(1, 8):
        (frames / f"{number:06d}.jpg").touch()
    for version in ("UAV123", "UAV20L"):
        (tmp_path / "anno" / version).mkdir(parents=True)
    (tmp_path / "anno/UAV123/bird1_2.txt").write_text("11,13,20,16\nNaN,NaN,NaN,NaN\n12,13,20,16\n")
    (tmp_path / "anno/UAV20L/bird1.txt").write_text("21,13,20,16\n")
    return tmp_path


def test_the_table_is_the_benchmarks() -> None:
    assert [len(find(Path("none"), version)) for version in ("UAV123", "UAV20L")] == [123, 20]
    names = [item.name for item in find(Path("none"), "UAV123")]
    assert names == sorted(names)
    assert read_toolkit_table("uav123.json")["UAV123"]["bird1_2"] == {
        "start_frame": 775,
        "end_frame": 1477,
        "folder_name": "bird1",
    }
    with pytest.raises(DataError, match="no version 'UAV10' of UAV123; known: UAV123, UAV20L"):
        find(Path("none"), "UAV10")
    with pytest.raises(DataError, match=r"none.json of the GOT-10k toolkit cannot be read"):
        read_toolkit_table("none.json")


def test_a_sequence_is_a_stretch_of_a_folder(root: Path) -> None:
    (sequence,) = load(root, "UAV123", "bird1_2", ROW)
    assert sequence.name == "bird1_2"
    assert [path.name for path in sequence.images] == ["000003.jpg", "000004.jpg", "000005.jpg"]
    assert sequence.boxes_xywh.tolist() == [[10, 12, 20, 16], [0] * 4, [11, 12, 20, 16]]


def test_the_versions_have_labels_of_their_own(root: Path) -> None:
    (sequence,) = load(root, "UAV20L", "bird1", {**ROW, "end_frame": 3})
    assert sequence.boxes_xywh.tolist() == [[20, 12, 20, 16]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("11,13,20,16\n11,x,20,16\n", r"bird1_2.txt, line 2: '11,x,20,16'"),
        ("11,13,20\n", r"bird1_2.txt, line 1"),
        ("inf,13,20,16\n", r"bird1_2.txt, line 1"),
        ("\n", r"bird1_2.txt is empty"),
    ],
)
def test_bad_labels_are_named(text: str, message: str, root: Path) -> None:
    (root / "anno/UAV123/bird1_2.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        load(root, "UAV123", "bird1_2", ROW)


def test_what_is_missing_is_named(root: Path) -> None:
    with pytest.raises(DataError, match=r"data_seq/UAV123/bike1 not found; UAV123 has a sequence bike1"):
        load(root, "UAV123", "bike1", {**ROW, "folder_name": "bike1"})
    with pytest.raises(DataError, match=r"anno/UAV123/bird1_9.txt not found"):
        load(root, "UAV123", "bird1_9", ROW)
