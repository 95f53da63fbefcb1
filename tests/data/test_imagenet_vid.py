from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from siamtrack.data.layout import find_sequences, open_dataset
from siamtrack.errors import DataError

BOX = "<bndbox><xmax>30</xmax><xmin>11</xmin><ymax>28</ymax><ymin>13</ymin></bndbox>"


def annotate(path: Path, tracks: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(f"<object><trackid>{track}</trackid><name>n0</name>{BOX}</object>" for track in tracks)
    path.write_text(f"<annotation>{objects}</annotation>")


@pytest.fixture
def root(tmp_path: Path, write_images: Callable) -> Path:
    for name in ("part_0000/snippet_a", "part_0001/snippet_b"):
        write_images(tmp_path / "Data/VID/train" / name, 3, "{:06d}.JPEG", 0)
        for frame, tracks in enumerate(("0", "01", "1")):
            annotate(tmp_path / "Annotations/VID/train" / name / f"{frame:06d}.xml", tracks)
    return tmp_path


def test_every_track_is_a_sequence(root: Path) -> None:
    dataset = open_dataset(root)
    assert dataset.kind == "vid"
    assert [item.name for item in dataset.items] == ["part_0000/snippet_a", "part_0001/snippet_b"]
    sequences = find_sequences(root)
    assert [sequence.name for sequence in sequences[:2]] == ["part_0000/snippet_a#0", "part_0000/snippet_a#1"]
    assert sequences[0].boxes_xywh.tolist() == [[10, 12, 20, 16], [10, 12, 20, 16], [0] * 4]
    assert sequences[1].visible.tolist() == [False, True, True]
    assert len(list(sequences[1].frames())) == 3


def test_images_and_annotations_must_pair(root: Path) -> None:
    (root / "Data/VID/train/part_0000/snippet_a/000001.JPEG").unlink()
    with pytest.raises(DataError, match="snippet_a: 2 images, 3 annotations"):
        find_sequences(root)


def test_snippets_may_lie_in_the_split_itself(tmp_path: Path, write_images: Callable) -> None:
    write_images(tmp_path / "Data/VID/train/s", 1, "{:06d}.JPEG", 0)
    annotate(tmp_path / "Annotations/VID/train/s/000000.xml", "7")
    assert [sequence.name for sequence in find_sequences(tmp_path)] == ["s#7"]
    annotate(tmp_path / "Annotations/VID/train/s/000000.xml", "")
    with pytest.raises(DataError, match="no frame has a box"):
        find_sequences(tmp_path)
    (tmp_path / "Annotations/VID/train/s/000000.xml").write_text(f"<a><object>{BOX}</object></a>")
    with pytest.raises(DataError, match="without trackid"):
        find_sequences(tmp_path)
