from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from siamtrack.data.layout import find_sequences, open_dataset
from siamtrack.errors import DataError


@pytest.fixture
def root(tmp_path: Path, write_images: Callable) -> Path:
    for name in ("cat/cat-1", "cat/cat-12", "dog/dog-3"):
        folder = tmp_path / name
        write_images(folder / "img", 3)
        (folder / "groundtruth.txt").write_text("11,13,20,16\n" * 3)
        (folder / "full_occlusion.txt").write_text("0,1,0")
        (folder / "out_of_view.txt").write_text("0,0,1\n")
    return tmp_path


def test_sequences_are_0_based_and_hidden_frames_have_no_box(root: Path) -> None:
    assert open_dataset(root).kind == "lasot"
    sequences = find_sequences(root)
    assert [sequence.name for sequence in sequences] == ["cat-1", "cat-12", "dog-3"]
    assert sequences[0].boxes_xywh.tolist() == [[10, 12, 20, 16], [0] * 4, [0] * 4]
    assert len(list(sequences[0].frames())) == 3


def test_one_class_is_a_data_set_too(root: Path) -> None:
    assert [item.name for item in open_dataset(root / "cat").items] == ["cat-1", "cat-12"]


def test_flags_must_be_there_and_fit(root: Path) -> None:
    (root / "cat/cat-1/full_occlusion.txt").write_text("0,1")
    with pytest.raises(DataError, match=r"cat-1/full_occlusion.txt: 2 flags, 3 boxes"):
        find_sequences(root)
    (root / "cat/cat-1/full_occlusion.txt").unlink()
    with pytest.raises(DataError, match=r"full_occlusion.txt not found"):
        find_sequences(root)
