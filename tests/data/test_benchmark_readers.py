"""UAV123, NfS, DTB70 and TColor-128 as their benchmarks read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from siamtrack.data.benchmark_readers import find_dtb70, find_nfs, find_tcolor128, find_uav123, load_uav123, read_toolkit_table
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError


def test_uav123_the_table_is_the_benchmarks() -> None:
    assert [len(find_uav123(Path("none"), version)) for version in ("UAV123", "UAV20L")] == [123, 20]
    names = [item.name for item in find_uav123(Path("none"), "UAV123")]
    assert names == sorted(names)
    assert read_toolkit_table("uav123.json")["UAV123"]["bird1_2"] == {
        "start_frame": 775,
        "end_frame": 1477,
        "folder_name": "bird1",
    }
    with pytest.raises(DataError, match="no version 'UAV10' of UAV123; known: UAV123, UAV20L"):
        find_uav123(Path("none"), "UAV10")
    with pytest.raises(DataError, match=r"none.json of the GOT-10k toolkit cannot be read"):
        read_toolkit_table("none.json")


def test_uav123_what_is_missing_is_named(tmp_path: Path) -> None:
    row = {"folder_name": "bird1", "start_frame": 3, "end_frame": 5}
    with pytest.raises(DataError, match=r"data_seq/UAV123/bird1 not found; UAV123 has a sequence bird1_9"):
        load_uav123(tmp_path, "UAV123", "bird1_9", row)
    (tmp_path / "data_seq/UAV123/bird1").mkdir(parents=True)
    with pytest.raises(DataError, match=r"anno/UAV123/bird1_9.txt not found"):
        load_uav123(tmp_path, "UAV123", "bird1_9", row)


def put_nfs(root: Path, fps: int, frames: int, labels: int, name: str = "bee") -> None:
    (root / name / str(fps) / name).mkdir(parents=True)
    for number in range(1, frames + 1):
        (root / name / str(fps) / name / f"{number:05d}.jpg").touch()
    lines = [f'0 {n} 12 {n + 20} 28 {n} 0 1 0 "insect"\n' for n in range(labels)]
    (root / name / str(fps) / f"{name}.txt").write_text("".join(lines))


def only_nfs(root: Path, fps: int) -> Sequence:
    (item,) = find_nfs(root, fps)
    (sequence,) = item.load()
    assert isinstance(sequence, Sequence)
    return sequence


def test_corners_become_boxes_and_stay_0_based(tmp_path: Path) -> None:
    put_nfs(tmp_path, 240, 3, 3)
    sequence = only_nfs(tmp_path, 240)
    assert sequence.name == "bee"
    assert sequence.boxes_xywh.tolist() == [[0, 12, 20, 16], [1, 12, 20, 16], [2, 12, 20, 16]]
    assert [path.name for path in sequence.images] == ["00001.jpg", "00002.jpg", "00003.jpg"]


def test_at_30_fps_every_8th_label_counts(tmp_path: Path) -> None:
    put_nfs(tmp_path, 30, 4, 32)
    assert only_nfs(tmp_path, 30).boxes_xywh[:, 0].tolist() == [0, 8, 16, 24]


def test_labels_of_30_fps_stay_as_they_are(tmp_path: Path) -> None:
    put_nfs(tmp_path, 30, 4, 4)
    assert only_nfs(tmp_path, 30).boxes_xywh[:, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("fps", "frames", "labels", "left"), [(240, 4, 3, 3), (30, 4, 31, 4), (30, 5, 32, 4), (30, 4, 33, 4)])
def test_one_frame_or_label_too_many_is_cut(fps: int, frames: int, labels: int, left: int, tmp_path: Path) -> None:
    put_nfs(tmp_path, fps, frames, labels)
    sequence = only_nfs(tmp_path, fps)
    assert len(sequence.images) == len(sequence.boxes_xywh) == left


def test_greater_differences_stay_to_be_found(tmp_path: Path) -> None:
    put_nfs(tmp_path, 240, 5, 3)
    sequence = only_nfs(tmp_path, 240)
    assert (len(sequence.images), len(sequence.boxes_xywh)) == (5, 3)


def test_bad_labels_and_rates_are_named(tmp_path: Path) -> None:
    put_nfs(tmp_path, 240, 2, 2)
    path = tmp_path / "bee/240/bee.txt"
    for text, message in (("0 1 2 3 4 1\n0 1 2 x 4 2\n", "bee.txt, line 2"), ("\n", "bee.txt is empty")):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            only_nfs(tmp_path, 240)
    with pytest.raises(DataError, match=r"bee/30/bee.txt not found"):
        only_nfs(tmp_path, 30)
    with pytest.raises(ValueError, match="30 and 240 frames a second, not 60"):
        find_nfs(tmp_path, 60)


def test_sequences_are_sorted_and_0_based(tmp_path: Path, write_images: Callable) -> None:
    for name in ("Horse2", "BMX2"):
        write_images(tmp_path / name / "img", 2, "{:05d}.jpg")
        (tmp_path / name / "groundtruth_rect.txt").write_text("11,13,20,16\n" * 2)
    (tmp_path / "docs").mkdir()
    items = find_dtb70(tmp_path)
    assert [item.name for item in items] == ["BMX2", "Horse2"]
    (sequence,) = items[0].load()
    assert sequence.boxes_xywh.tolist() == [[10, 12, 20, 16]] * 2
    assert len(list(sequence.frames())) == 2


def test_a_folder_without_labels_is_bad_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "BMX2/img").mkdir(parents=True)
    (item,) = find_dtb70(tmp_path)
    with pytest.raises(DataError, match=r"BMX2/groundtruth_rect.txt not found"):
        item.load()


@pytest.fixture
def temple(tmp_path: Path) -> Path:
    for name in ("Boat_ce1", "Bike_ce2"):
        (tmp_path / name / "img").mkdir(parents=True)
        for number in range(1, 7):
            (tmp_path / name / "img" / f"{number:04d}.jpg").touch()
        (tmp_path / name / f"{name}_gt.txt").write_text("11,13,20,16\n" * 3)
        (tmp_path / name / f"{name}_frames.txt").write_text("2,4\n")
    return tmp_path


def test_frames_are_the_labelled_ones_and_boxes_0_based(temple: Path) -> None:
    items = find_tcolor128(temple)
    assert [item.name for item in items] == ["Bike_ce2", "Boat_ce1"]
    (sequence,) = items[0].load()
    assert sequence.boxes_xywh.tolist() == [[10, 12, 20, 16]] * 3
    assert [path.name for path in sequence.images] == ["0002.jpg", "0003.jpg", "0004.jpg"]


def test_other_spellings_of_the_label_files(temple: Path) -> None:
    (temple / "Bike_ce2/Bike_ce2_frames.txt").rename(temple / "Bike_ce2/bike_ce2_Frames.txt")
    (sequence,) = find_tcolor128(temple)[0].load()
    assert len(sequence.images) == 3


@pytest.mark.parametrize("text", ["2\n", "a,b\n", "4,2\n", ""])
def test_a_bad_range_is_named(text: str, temple: Path) -> None:
    (temple / "Bike_ce2/Bike_ce2_frames.txt").write_text(text)
    with pytest.raises(DataError, match=r"Bike_ce2_frames.txt: .* is not first,last"):
        find_tcolor128(temple)[0].load()


def test_tcolor128_missing_labels_are_named(temple: Path) -> None:
    (temple / "Bike_ce2/Bike_ce2_gt.txt").unlink()
    with pytest.raises(DataError, match=r"Bike_ce2 holds 0 files \*_gt.txt; one is wanted, Bike_ce2_gt.txt"):
        find_tcolor128(temple)[0].load()
