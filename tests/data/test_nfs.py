from __future__ import annotations

from pathlib import Path

import pytest

from siamtrack.data.nfs import find
from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError


def put(root: Path, fps: int, frames: int, labels: int, name: str = "bee") -> None:
    (root / name / str(fps) / name).mkdir(parents=True)
    for number in range(1, frames + 1):
        (root / name / str(fps) / name / f"{number:05d}.jpg").touch()
    lines = [f'0 {n} 12 {n + 20} 28 {n} 0 1 0 "insect"\n' for n in range(labels)]
    (root / name / str(fps) / f"{name}.txt").write_text("".join(lines))


def only(root: Path, fps: int) -> Sequence:
    (item,) = find(root, fps)
    (sequence,) = item.load()
    assert isinstance(sequence, Sequence)
    return sequence


def test_corners_become_boxes_and_stay_0_based(tmp_path: Path) -> None:
    put(tmp_path, 240, 3, 3)
    sequence = only(tmp_path, 240)
    assert sequence.name == "bee"
    assert sequence.boxes_xywh.tolist() == [[0, 12, 20, 16], [1, 12, 20, 16], [2, 12, 20, 16]]
    assert [path.name for path in sequence.images] == ["00001.jpg", "00002.jpg", "00003.jpg"]


def test_at_30_fps_every_8th_label_counts(tmp_path: Path) -> None:
    put(tmp_path, 30, 4, 32)
    assert only(tmp_path, 30).boxes_xywh[:, 0].tolist() == [0, 8, 16, 24]


def test_labels_of_30_fps_stay_as_they_are(tmp_path: Path) -> None:
    put(tmp_path, 30, 4, 4)
    assert only(tmp_path, 30).boxes_xywh[:, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("fps", "frames", "labels", "left"), [(240, 4, 3, 3), (30, 4, 31, 4), (30, 5, 32, 4), (30, 4, 33, 4)])
def test_one_frame_or_label_too_many_is_cut(fps: int, frames: int, labels: int, left: int, tmp_path: Path) -> None:
    put(tmp_path, fps, frames, labels)
    sequence = only(tmp_path, fps)
    assert len(sequence.images) == len(sequence.boxes_xywh) == left


def test_greater_differences_stay_to_be_found(tmp_path: Path) -> None:
    put(tmp_path, 240, 5, 3)
    sequence = only(tmp_path, 240)
    assert (len(sequence.images), len(sequence.boxes_xywh)) == (5, 3)


def test_bad_labels_and_rates_are_named(tmp_path: Path) -> None:
    put(tmp_path, 240, 2, 2)
    path = tmp_path / "bee/240/bee.txt"
    for text, message in (("0 1 2 3 4 1\n0 1 2 x 4 2\n", "bee.txt, line 2"), ("\n", "bee.txt is empty")):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            only(tmp_path, 240)
    with pytest.raises(DataError, match=r"bee/30/bee.txt not found"):
        only(tmp_path, 30)
    with pytest.raises(ValueError, match="30 and 240 frames a second, not 60"):
        find(tmp_path, 60)
