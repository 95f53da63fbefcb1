from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siamtrack.data.label_files import below, clean_boxes, read_boxes, read_flags
from siamtrack.errors import DataError


def test_boxes_are_read_in_the_forms_that_data_sets_use(tmp_path: Path) -> None:
    path = tmp_path / "boxes.txt"
    path.write_bytes(b"\xef\xbb\xbf1,2,30,40\r\n1.5\t2.5 3e1,40\n10,10,0,5\n10,10,20,-5\n\n")
    assert read_boxes(path).tolist() == [[1, 2, 30, 40], [1.5, 2.5, 30, 40], [0, 0, 0, 0], [0, 0, 0, 0]]
    # Absent stays absent: a 1-based row of zeros must not become (-1, -1, 0, 0).
    assert read_boxes(path, one_based=True).tolist() == [[0, 1, 30, 40], [0.5, 1.5, 30, 40], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_four_corners_are_their_upright_box(tmp_path: Path) -> None:
    path = tmp_path / "boxes.txt"
    path.write_text("2,3,12,3,12,33,2,33\n7,3 12,10 9,33 2,12\nnan,nan,nan,nan,nan,nan,nan,nan\n1,2,3,4\n")
    assert read_boxes(path, nan_absent=True).tolist() == [[2, 3, 10, 30], [2, 3, 10, 30], [0, 0, 0, 0], [1, 2, 3, 4]]
    assert read_boxes(path, one_based=True, nan_absent=True)[0].tolist() == [1, 2, 10, 30]
    for bad in ("inf,3,12,3", "nan,inf,nan,nan"):
        path.write_text(f"1,2,3,4\n{bad}\n")
        with pytest.raises(DataError, match=f"line 2: '{bad}' is not x,y,w,h in numbers or NaN"):
            read_boxes(path, nan_absent=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3,4\n1,2,x,4\n", r"boxes.txt, line 2: '1,2,x,4' is not x,y,w,h"),
        ("1,2,3\n", "line 1: '1,2,3' is not x,y,w,h"),
        ("1,2,3,4,5\n", "line 1"),
        ("1,2,nan,4\n", "line 1: '1,2,nan,4' is not x,y,w,h in finite numbers"),
        ("1,2,inf,4\n", "finite"),
        ("1,2,3,4\n\n1,2,3,4\n", "line 2: '' is not"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("1,2,3,4\n\x00\xff", "not UTF-8 text"),
    ],
)
def test_bad_boxes_are_named_with_their_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "boxes.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message) as caught:
        read_boxes(tmp_path / "boxes.txt")
    assert "\n" not in str(caught.value)


def test_missing_labels_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"boxes.txt not found"):
        read_boxes(tmp_path / "boxes.txt")
    with pytest.raises(DataError, match=r"is a folder; give a file"):
        read_boxes(tmp_path)


def test_boxes_from_tables_are_checked_too() -> None:
    assert clean_boxes([]).shape == (0, 4)
    assert clean_boxes([["1", "2", "3", "4"]]).tolist() == [[1, 2, 3, 4]]
    for bad in ([[1, 2, 3]], [[1, 2, 3, np.nan]], [[1, 2, 3, None]], [[1, 2, 3, 4], [1]], [["a", 1, 1, 1]], [1, 2, 3, 4], 7):
        with pytest.raises(DataError, match="a box is not"):
            clean_boxes(bad)


def test_flags_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "flags.txt"
    path.write_text("0,1,0,0\n")
    assert read_flags(path, 4).tolist() == [0, 1, 0, 0]
    path.write_text("0\n1\n0\n")
    assert read_flags(path, 3).tolist() == [0, 1, 0]
    with pytest.raises(DataError, match="3 flags, 6 boxes"):
        read_flags(path, 6)
    for text in ("0,no", "9" * 40):
        path.write_text(text)
        with pytest.raises(DataError, match="whole numbers"):
            read_flags(path, 2)


@pytest.mark.parametrize(
    "name", ["../../etc", "a/../../b", "/etc/passwd", "C:\\x", "C:x", "..\\x", "\\\\host\\x", "", ".", "a\0b"]
)
def test_names_must_stay_below_the_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leads out of"):
        below(tmp_path, name, tmp_path / "list.txt")


def test_names_below_the_root_are_taken(tmp_path: Path) -> None:
    for name in ("a", "a/b.jpg", "a..b", ".hidden"):
        assert below(tmp_path, name, tmp_path / "list.txt") == tmp_path / name
