from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.data.labelled import (
    PICTURES,
    SEQUENCES,
    Classes,
    Pairs,
    kind_of,
    open_classes,
    open_labelled,
    open_pairs,
)
from siamtrack.errors import DataError
from siamtrack.system import MAX_TEXT

BOTH = "a.png,b.png,0\na.png,sub/c.png,1\n"


def make(root: Path, *names: str) -> Path:
    """Empty files, with their folders; a name that ends in / is a folder."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return make(tmp_path / "data", "a.png", "b.png", "sub/c.png", "d.csv", "notes.md")


def write(root: Path, text: str | bytes) -> Path:
    path = root / "pairs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_folder_is_a_class(tmp_path: Path) -> None:
    make(tmp_path, "dog/2.png", "dog/1.JPG", "cat/1.png", "ant/1.webp", "ant/notes.txt.bak", "ant/.x.csv", ".git/1.png")
    make(tmp_path, "empty/", "deep/er/1.png", "words/a.md", "words/b.md", "fonts.txt", "cat/.DS_Store")
    found = open_classes(tmp_path)
    assert found.kind == "picture"
    assert found.names == ("ant", "cat", "dog")
    assert [path.relative_to(tmp_path).as_posix() for path in found.items] == [
        "ant/1.webp",
        "cat/1.png",
        "dog/1.JPG",
        "dog/2.png",
    ]
    assert found.classes.tolist() == [0, 1, 2, 2]
    assert found.classes.dtype == np.int64
    assert found.left_out == (
        "ant: 1 file of other kinds",
        "deep: no item directly in it",
        "empty: no item directly in it",
        "words: 2 files of other kinds, and no item",
    )


@given(st.dictionaries(st.text("abcxyz", min_size=1, max_size=2), st.sets(st.integers(0, 9), max_size=3), max_size=3))
@settings(max_examples=25)
def test_all_items_are_found_once_or_it_is_said_why_not(classes: dict[str, set[int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = make(Path(folder), *(f"{name}/{i}.npy" for name, ids in classes.items() for i in ids))
        make(root, *(f"{name}/" for name in classes))
        full = sorted(name for name, ids in classes.items() if ids)
        if len(full) < 2 or all(len(ids) < 2 for ids in classes.values()):
            with pytest.raises(DataError, match=r"no class with items|one class only|every class has one item"):
                open_classes(root)
            return
        found = open_classes(root)
        assert found.kind == "sequence"
        assert found.names == tuple(full)
        assert {(path.parent.name, int(path.stem)) for path in found.items} == {(n, i) for n in full for i in classes[n]}
        assert len(found.items) == len(set(found.items)) == len(found.classes)
        assert [found.names[i] for i in found.classes] == [path.parent.name for path in found.items]
        assert len(found.left_out) == len(classes) - len(full)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "holds no class with items; wanted are folders"),
        (("1.png", "2.png"), "holds no class with items"),
        (("a/", "b/"), "holds no class with items"),
        (("a/1.png", "a/2.png"), "one class only: a; a verifier learns from at least two"),
        (("a/1.png", "a/2.png", "b/1.md"), "one class only: a"),
        (("a/1.png", "b/1.png", "c/1.png"), "every class has one item"),
        (("a/1.png", "b/1.png", "b/2.npy"), r"mixes pictures and sequences \(a/1.png and b/2.npy\)"),
        (("a/1.png", "a/2.csv", "a/3.png"), r"mixes pictures and sequences \(a/1.png and a/2.csv\)"),
    ],
)
def test_classes_from_which_nothing_can_be_learned_are_refused(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        open_classes(make(tmp_path, *names))


def test_what_is_missing_or_of_another_form_is_named(tmp_path: Path, pictures: Path) -> None:
    for read in (open_classes, open_pairs, open_labelled):
        with pytest.raises(FileNotFoundError, match="none not found"):
            read(tmp_path / "none")
    with pytest.raises(DataError, match=r"a.png is not a folder"):
        open_classes(pictures / "a.png")
    with pytest.raises(DataError, match="data is a folder"):
        open_pairs(pictures)
    with pytest.raises(DataError, match=r"notes.md is neither a folder of classes nor a .csv of pairs"):
        open_labelled(pictures / "notes.md")


def test_a_locked_class_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/1.png", "a/2.png", "b/1.png")
    scandir = os.scandir

    def locked(folder: Path) -> object:  # by `chmod` nothing is locked for root, as whom containers run tests
        if folder == tmp_path / "b":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(DataError, match=r"b cannot be read \(Permission"):
        open_classes(tmp_path)


def test_either_form_is_recognised(pictures: Path) -> None:
    pairs = open_labelled(write(pictures, "a,b,label\n" + BOTH))
    assert isinstance(pairs, Pairs)
    assert len(pairs.label) == 2
    make(pictures, "sub/e.png", "more/f.png")
    classes = open_labelled(pictures)
    assert isinstance(classes, Classes)
    assert classes.names == ("more", "sub")


def test_pairs_are_read_and_items_shared(pictures: Path) -> None:
    text = (
        "\ufeffnote, label,b ,a\r\n"
        "x,0,b.png,a.png\r\n"
        '"two, words",1,./sub/../a.png,sub\\c.png\r\n'
        "\r\n"
        f",0.25, {pictures}/sub/c.png ,a.png\r\n"
        "x,0,b.png,a.png\r\n"
    )
    found = open_pairs(write(pictures, text))
    assert found.root == pictures
    assert found.kind == "picture"
    assert found.items == (pictures / "a.png", pictures / "b.png", pictures / "sub/c.png")
    assert found.first.tolist() == [0, 2, 0, 0]
    assert found.second.tolist() == [1, 0, 2, 1]
    assert found.label.tolist() == [0, 1, 0.25, 0]
    assert (found.first.dtype, found.label.dtype) == (np.int64, np.float32)
    assert found.left_out == ()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 1, width=32)), min_size=1, max_size=8))
@settings(max_examples=30)
def test_pairs_come_back_as_they_were_written(rows: list[tuple[int, int, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = make(Path(folder), *(f"{i}.txt" for i in range(4)))
        path = write(root, "a,b,label\n" + "".join(f"{a}.txt,{b}.txt,{label!r}\n" for a, b, label in rows))
        if len({label >= 0.5 for _, _, label in rows}) == 1:
            with pytest.raises(DataError, match=r"pairs are (similar|dissimilar); a verifier learns from both"):
                open_pairs(path)
            return
        found = open_pairs(path)
    assert found.kind == "sequence"
    assert len(found.items) == len({i for a, b, _ in rows for i in (a, b)})
    names = [int(item.stem) for item in found.items]
    back = [(names[a], names[b], label) for a, b, label in zip(found.first, found.second, found.label, strict=True)]
    assert back == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header is ''; columns a, b and label"),
        ("a,b\n", "line 1: the header is 'a,b'"),
        ("a,b,label,a\n", "each once"),
        ("A,B,Label\n" + BOTH, "line 1: the header is 'A,B,Label'"),
        (BOTH, "line 1: the header is 'a.png,b.png,0'"),
        ("a,b,label\n", "has no rows below its header"),
        ("a,b,label\n\n\n", "has no rows below its header"),
        ("a,b,label\na.png,b.png,0\na.png,b.png\n", "line 3: 2 columns, the header has 3"),
        ("a,b,label\na.png,b.png,0,7\n", "line 2: 4 columns, the header has 3"),
        ("a,b,label\na.png,b.png,nan\n", "line 2: the label 'nan' is no number in 0..1"),
        ("a,b,label\na.png,b.png,\n", "line 2: the label '' is no number"),
        ("a,b,label\n" + BOTH + "a.png,b.png,yes\n", "line 4: the label 'yes' is no number"),
        ("a,b,label\na.png,b.png,1.01\n", "line 2: the label '1.01'"),
        ("a,b,label\na.png,b.png,-0.1\n", "line 2: the label '-0.1'"),
        ("a,b,label\na.png,b.png,inf\n", "line 2: the label 'inf'"),
        ("a,b,label\na.png,e.png,0\n", "line 2: 'e.png' not found in .*data"),
        ("a,b,label\n\n\na.png,sub,0\n", "line 4: 'sub' not found in .*, or not a file"),
        ("a,b,label\na.png,,0\n", "line 2: an item's path is empty"),
        ("a,b,label\na.png,../b.png,0\n", "line 2: '../b.png' leads out of .*data"),
        ("a,b,label\na.png,sub\\..\\..\\b.png,0\n", "line 2: .* leads out of"),
        ("a,b,label\n/etc/passwd,a.png,0\n", "line 2: '/etc/passwd' leads out of"),
        ("a,b,label\na.png,a\0.png,0\n", "line 2: the path .* cannot be used|is not CSV"),
        (f"a,b,label\na.png,{'x' * 300}.png,0\n", "line 2: the path 'xxx.* cannot be used"),
        ("a,b,label\na.png,d.csv,0\n", "line 2: 'd.csv' is a sequence, items above are pictures"),
        ("a,b,label\na.png,notes.md,0\n", "line 2: 'notes.md' is of no known kind; known endings: .jpg"),
        ("a,b,label\na.png,b.png,0\na.png,a.png,0.49\n", "all 2 pairs are similar; .* add dissimilar .label from 0.5"),
        ("a,b,label\na.png,b.png,0.5\n", "all 1 pairs are dissimilar; .* add similar .label below 0.5"),
        (b"a,b,label\na.png,\xff.png,0\n", "is not UTF-8 text"),
        ('a,b,label\na.png,"b.png,0\n', "is not CSV after line 1 .*quote left open"),
        (f"a,b,label\na.png,{'x' * 200000},0\n", "is not CSV after line 1"),
    ],
)
def test_a_fault_in_a_table_is_named_with_its_line(text: str | bytes, message: str, pictures: Path) -> None:
    make(pictures.parent, "b.png")
    with pytest.raises(DataError, match=message) as caught:
        open_pairs(write(pictures, text))
    assert "pairs.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_link_that_leads_out_is_refused_and_one_within_is_the_same_item(pictures: Path) -> None:
    make(pictures.parent, "out.png")
    (pictures / "link.png").symlink_to("b.png")
    (pictures / "out.png").symlink_to("../out.png")
    (pictures / "loop.png").symlink_to("loop.png")
    found = open_pairs(write(pictures, "a,b,label\n" + BOTH + "link.png,a.png,0\n"))
    assert len(found.items) == 3
    assert found.first[2] == found.second[0]
    with pytest.raises(DataError, match=r"line 2: 'out.png' leads out"):
        open_pairs(write(pictures, "a,b,label\na.png,out.png,0\n"))
    with pytest.raises(DataError, match=r"line 2: .*'loop.png'"):
        open_pairs(write(pictures, "a,b,label\na.png,loop.png,0\n"))


def test_the_folder_may_be_moved_linked_and_named_from_within(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pictures, "a,b,label\n" + BOTH)
    moved = Path(shutil.move(pictures, pictures.with_name("moved")))
    link = moved.with_name("link")
    link.symlink_to(moved)
    assert open_pairs(link / "pairs.csv").items[0] == link / "a.png"
    monkeypatch.chdir(moved)
    found = open_pairs(Path("pairs.csv"))
    assert found.items == (Path("a.png"), Path("b.png"), Path("sub/c.png"))


def test_a_table_that_is_too_large_is_refused(pictures: Path) -> None:
    path = write(pictures, "a,b,label\n" + BOTH)
    os.truncate(path, MAX_TEXT + 1)
    with pytest.raises(DataError, match=r"pairs.csv has 268435457 bytes; .* at most 268435456"):
        open_pairs(path)


def test_the_kind_is_in_the_ending() -> None:
    assert {kind_of(Path(f"a{suffix}")) for suffix in PICTURES} == {"picture"}
    assert {kind_of(Path(f"a{suffix.upper()}")) for suffix in SEQUENCES} == {"sequence"}
    assert [kind_of(Path(name)) for name in ("a", "a.png.md", ".png", "png")] == [None] * 4
