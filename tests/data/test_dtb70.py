from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from siamtrack.data.dtb70 import find
from siamtrack.errors import DataError


def test_sequences_are_sorted_and_0_based(tmp_path: Path, write_images: Callable) -> None:
    for name in ("Horse2", "BMX2"):
        write_images(tmp_path / name / "img", 2, "{:05d}.jpg")
        (tmp_path / name / "groundtruth_rect.txt").write_text("11,13,20,16\n" * 2)
    (tmp_path / "docs").mkdir()
    items = find(tmp_path)
    assert [item.name for item in items] == ["BMX2", "Horse2"]
    (sequence,) = items[0].load()
    assert sequence.boxes_xywh.tolist() == [[10, 12, 20, 16]] * 2
    assert len(list(sequence.frames())) == 2


def test_a_folder_without_labels_is_bad_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "BMX2/img").mkdir(parents=True)
    (item,) = find(tmp_path)
    with pytest.raises(DataError, match=r"BMX2/groundtruth_rect.txt not found"):
        item.load()
