from __future__ import annotations

from pathlib import Path

import pytest

from siamtrack.data.tcolor128 import find
from siamtrack.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("Boat_ce1", "Bike_ce2"):
        (tmp_path / name / "img").mkdir(parents=True)
        for number in range(1, 7):
            (tmp_path / name / "img" / f"{number:04d}.jpg").touch()
        (tmp_path / name / f"{name}_gt.txt").write_text("11,13,20,16\n" * 3)
        (tmp_path / name / f"{name}_frames.txt").write_text("2,4\n")
    return tmp_path


def test_frames_are_the_labelled_ones_and_boxes_0_based(root: Path) -> None:
    items = find(root)
    assert [item.name for item in items] == ["Bike_ce2", "Boat_ce1"]
    (sequence,) = items[0].load()
    assert sequence.boxes_xywh.tolist() == [[10, 12, 20, 16]] * 3
    assert [path.name for path in sequence.images] == ["0002.jpg", "0003.jpg", "0004.jpg"]


def test_other_spellings_of_the_label_files(root: Path) -> None:
    (root / "Bike_ce2/Bike_ce2_frames.txt").rename(root / "Bike_ce2/bike_ce2_Frames.txt")
    (sequence,) = find(root)[0].load()
    assert len(sequence.images) == 3


@pytest.mark.parametrize("text", ["2\n", "a,b\n", "4,2\n", ""])
def test_a_bad_range_is_named(text: str, root: Path) -> None:
    (root / "Bike_ce2/Bike_ce2_frames.txt").write_text(text)
    with pytest.raises(DataError, match=r"Bike_ce2_frames.txt: .* is not first,last"):
        find(root)[0].load()


def test_missing_labels_are_named(root: Path) -> None:
    (root / "Bike_ce2/Bike_ce2_gt.txt").unlink()
    with pytest.raises(DataError, match=r"Bike_ce2 holds 0 files \*_gt.txt; one is wanted, Bike_ce2_gt.txt"):
        find(root)[0].load()
