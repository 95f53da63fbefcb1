from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from siamtrack.data.layout import find_sequences, open_dataset
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError


@pytest.fixture
def root(tmp_path: Path, write_images: Callable) -> Path:
    for chunk in ("TRAIN_0", "TRAIN_10"):
        write_images(tmp_path / chunk / "frames/vid_1", 11, "{}.jpg", 0)
        (tmp_path / chunk / "anno").mkdir()
        (tmp_path / chunk / "anno/vid_1.txt").write_text("10,12,20,16\n" * 11)
    return tmp_path


def test_frames_are_in_the_order_of_their_numbers(root: Path) -> None:
    assert open_dataset(root).kind == "trackingnet"
    sequences = find_sequences(root)
    assert [sequence.name for sequence in sequences] == ["TRAIN_0/vid_1", "TRAIN_10/vid_1"]
    assert [path.stem for path in sequences[0].images] == [str(i) for i in range(11)]
    assert sequences[0].boxes_xywh[0].tolist() == [10, 12, 20, 16]


def test_one_chunk_is_a_data_set_too(root: Path) -> None:
    (sequence,) = find_sequences(root / "TRAIN_0")
    assert isinstance(sequence, Sequence)
    assert sequence.name == "vid_1"


def test_frames_or_boxes_that_are_missing_are_named(root: Path, write_images: Callable) -> None:
    shutil.rmtree(root / "TRAIN_0/frames/vid_1")
    with pytest.raises(DataError, match=r"frames/vid_1 not found; its boxes are there"):
        find_sequences(root)
    write_images(root / "TRAIN_0/frames/vid_1", 1)
    (root / "TRAIN_0/anno/vid_1.txt").unlink()
    with pytest.raises(DataError, match=r"anno/vid_1.txt not found"):
        find_sequences(root)
