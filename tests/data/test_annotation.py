from __future__ import annotations

from pathlib import Path

import pytest

from siamtrack.data.annotation import MAX_XML_BYTES, Labelled, read_annotation
from siamtrack.errors import DataError

BOX = "<bndbox><xmin>11</xmin><ymin>13</ymin><xmax>30</xmax><ymax>28</ymax></bndbox>"
BOMB = '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]><annotation>&lol2;</annotation>'


def test_corners_are_1_based_and_inclusive(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    # A part of an object has a box of its own, which is not the object's.
    part = f"<part>{BOX.replace('11', '1')}</part>"
    path.write_text(f"<annotation><object><name>dog</name><trackid>0</trackid>{BOX}{part}</object></annotation>")
    assert read_annotation(path) == [Labelled("dog", "0", (10, 12, 20, 16))]
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
    with pytest.raises(DataError, match=r"a.xml cannot be read \(No such file"):
        read_annotation(tmp_path / "a.xml")
