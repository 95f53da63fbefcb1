"""The XML of PASCAL VOC, and the videos of ImageNet VID."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from siamtrack.data.layout import find_sequences, open_dataset
from siamtrack.data.voc import MAX_XML_BYTES, AnnotatedObject, read_annotation
from siamtrack.errors import DataError

BOX = "<bndbox><xmin>11</xmin><ymin>13</ymin><xmax>30</xmax><ymax>28</ymax></bndbox>"
BOMB = '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]><annotation>&lol2;</annotation>'


def test_corners_are_1_based_and_inclusive(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    # A part of an object has a box of its own, which is not the object's.
    part = f"<part>{BOX.replace('11', '1')}</part>"
    path.write_text(f"<annotation><object><name>dog</name><trackid>0</trackid>{BOX}{part}</object></annotation>")
    assert read_annotation(path) == [AnnotatedObject("dog", "0", (10, 12, 20, 16))]
    path.write_text("<annotation/>")
    assert read_annotation(path) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (BOMB.encode(), "document type or an entity"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE a SYSTEM "http://example.com/a.dtd"><a/>', "document type or an entity"),
        (BOMB.encode("utf-16"), "not UTF-8 text"),
        (b"<annotation><object>", "is not XML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "is not XML"),
        (b" " * (MAX_XML_BYTES + 1), "at most"),
        (b"<a><object><name>dog</name></object></a>", "without xmin"),
        (f"<a><object>{BOX.replace('11', 'x')}</object></a>".encode(), "without xmin, ymin, xmax, ymax in numbers"),
        (f"<a><object>{BOX.replace('11', 'nan')}</object></a>".encode(), "not finite"),
    ],
)
def test_bad_annotations_are_refused_in_one_line(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(data)
    with pytest.raises(DataError, match=f"a.xml.*{message}") as caught:
        read_annotation(tmp_path / "a.xml")
    assert "\n" not in str(caught.value)


def test_a_missing_annotation_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.xml not found"):
        read_annotation(tmp_path / "a.xml")


VID_BOX = "<bndbox><xmax>30</xmax><xmin>11</xmin><ymax>28</ymax><ymin>13</ymin></bndbox>"


def annotate(path: Path, tracks: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(f"<object><trackid>{track}</trackid><name>n0</name>{VID_BOX}</object>" for track in tracks)
    path.write_text(f"<annotation>{objects}</annotation>")


@pytest.fixture
def vid(tmp_path: Path, write_images: Callable) -> Path:
    for name in ("part_0000/snippet_a", "part_0001/snippet_b"):
        write_images(tmp_path / "Data/VID/train" / name, 3, "{:06d}.JPEG", 0)
        for frame, tracks in enumerate(("0", "01", "1")):
            annotate(tmp_path / "Annotations/VID/train" / name / f"{frame:06d}.xml", tracks)
    return tmp_path


def test_every_track_is_a_sequence(vid: Path) -> None:
    dataset = open_dataset(vid)
    assert dataset.kind == "vid"
    assert [item.name for item in dataset.items] == ["part_0000/snippet_a", "part_0001/snippet_b"]
    sequences = find_sequences(vid)
    assert [sequence.name for sequence in sequences[:2]] == ["part_0000/snippet_a#0", "part_0000/snippet_a#1"]
    assert sequences[0].boxes_xywh.tolist() == [[10, 12, 20, 16], [10, 12, 20, 16], [0] * 4]
    assert sequences[1].visible.tolist() == [False, True, True]
    assert len(list(sequences[1].frames())) == 3


def test_images_and_annotations_must_pair(vid: Path) -> None:
    (vid / "Data/VID/train/part_0000/snippet_a/000001.JPEG").unlink()
    with pytest.raises(DataError, match="snippet_a: 2 images, 3 annotations"):
        find_sequences(vid)


def test_snippets_may_lie_in_the_split_itself(tmp_path: Path, write_images: Callable) -> None:
    write_images(tmp_path / "Data/VID/train/s", 1, "{:06d}.JPEG", 0)
    annotate(tmp_path / "Annotations/VID/train/s/000000.xml", "7")
    assert [sequence.name for sequence in find_sequences(tmp_path)] == ["s#7"]
    annotate(tmp_path / "Annotations/VID/train/s/000000.xml", "")
    with pytest.raises(DataError, match="no frame has a box"):
        find_sequences(tmp_path)
    (tmp_path / "Annotations/VID/train/s/000000.xml").write_text(f"<a><object>{VID_BOX}</object></a>")
    with pytest.raises(DataError, match="without trackid"):
        find_sequences(tmp_path)
