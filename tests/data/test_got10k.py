from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from siamtrack.data.dataset import loaded
from siamtrack.data.got10k import MIN_COVER
from siamtrack.data.layout import find_sequences, open_dataset
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError


@pytest.fixture
def root(tmp_path: Path, write_images: Callable) -> Path:
    for name in ("b", "a"):
        write_images(tmp_path / name, 4)
        (tmp_path / name / "groundtruth.txt").write_text("10,12,20,16\n" * 4)
    (tmp_path / "list.txt").write_text("b\na\n")
    return tmp_path


def only(root: Path) -> Sequence:
    (part,) = loaded(open_dataset(root).items[0])
    assert isinstance(part, Sequence)
    return part


def test_sequences_are_sorted_and_boxes_stay_0_based(root: Path) -> None:
    assert open_dataset(root).kind == "got10k"
    assert [sequence.name for sequence in find_sequences(root)] == ["a", "b"]
    sequence = only(root)
    assert sequence.boxes_xywh.tolist() == [[10, 12, 20, 16]] * 4
    assert [frame.shape for frame in sequence.frames()] == [(48, 64, 3)] * 4


def test_a_missing_list_means_all_folders(root: Path, write_images: Callable) -> None:
    (root / "list.txt").write_text("a\n")
    assert [item.name for item in open_dataset(root).items] == ["a"]
    (root / "list.txt").unlink()
    write_images(root / "unlabelled", 1)
    (root / ".cache").mkdir()
    (root / "docs").mkdir()
    # Images without boxes are no reason to be silent: the folder is an item, and bad.
    assert [item.name for item in open_dataset(root).items] == ["a", "b", "unlabelled"]
    with pytest.raises(DataError, match=r"unlabelled/groundtruth.txt not found"):
        find_sequences(root)


def test_absent_and_covered_frames_have_no_box(root: Path) -> None:
    (root / "a/absence.label").write_text("0\n1\n0\n0\n")
    (root / "a/cover.label").write_text(f"8\n8\n{MIN_COVER - 1}\n{MIN_COVER}\n")
    assert only(root).visible.tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absence.label", "0\n", "1 flags, 4 boxes"),
        ("absence.label", "0\n0\n0\nyes\n", "whole numbers"),
        ("cover.label", "8\n8\n8\n9\n", "covers are 0 to 8, found 8 to 9"),
        ("cover.label", "8\n", "1 flags, 4 boxes"),
        ("groundtruth.txt", "1,2,30,40\n" * 3 + "1,2,x,4\n", "line 4: '1,2,x,4' is not x,y,w,h"),
        ("groundtruth.txt", "0,0,0,0\n" * 4, "no frame has a box"),
    ],
)
def test_bad_labels_name_their_file(name: str, text: str, message: str, root: Path) -> None:
    (root / "a" / name).write_text(text)
    with pytest.raises(DataError, match=message):
        only(root)


@pytest.mark.parametrize(("boxes", "message"), [(3, "4 frames, 3 boxes"), (9, "4 frames, 9 boxes")])
def test_every_frame_needs_one_box(boxes: int, message: str, root: Path) -> None:
    (root / "a/groundtruth.txt").write_text("10,12,20,16\n" * boxes)
    with pytest.raises(DataError, match=message):
        list(only(root).frames())


def test_a_list_is_checked(root: Path) -> None:
    (root / "list.txt").write_text("\n\n")
    with pytest.raises(DataError, match=r"list.txt is empty"):
        open_dataset(root)
    (root / "list.txt").write_text("a\n../../etc\n")
    with pytest.raises(DataError, match=r"list.txt: the name '../../etc' leads out of"):
        open_dataset(root)
    (root / "list.txt").write_text("a\na\nnone\n")
    dataset = open_dataset(root)
    assert [item.name for item in dataset.items] == ["a", "none"]
    with pytest.raises(DataError, match=r"none not found; list.txt names it"):
        loaded(dataset.items[1])
