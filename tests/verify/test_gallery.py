import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from siamtrack.config import build
from siamtrack.errors import DataError, SiamtrackError
from siamtrack.model.weights import ASSETS
from siamtrack.verify import gallery as gallery_module
from siamtrack.verify.gallery import METRICS, Gallery, GalleryHeader, Match, read_gallery, write_gallery


def small(metric: str = "euclidean") -> Gallery:
    gallery = Gallery(3, metric, "ab" * 32)
    rows = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], np.float32)
    gallery.add(rows, ["ann", "bob", "cleo", "ann"])
    return gallery


def test_a_search_names_each_class_once_with_its_nearest_item() -> None:
    found = small().search(np.array([[1, 0.9, 0]], np.float32), count=2)
    assert found == [[Match("ann", pytest.approx(0.1), 3), Match("bob", pytest.approx(np.hypot(1, 0.1)), 1)]]
    assert [match.name for match in small().search(np.zeros((1, 3), np.float32), count=9)[0]] == ["ann", "bob", "cleo"]
    assert small().search(np.empty((0, 3), np.float32)) == []


def test_add_and_remove() -> None:
    gallery = small()
    assert (len(gallery), gallery.names, gallery.dim, gallery.metric) == (4, ["ann", "bob", "cleo"], 3, "euclidean")
    assert gallery.remove("ann") == 2
    assert (len(gallery), gallery.names) == (2, ["bob", "cleo"])
    assert gallery.search(np.array([[0, 0, 1]], np.float32), 1) == [[Match("cleo", 0.0, 1)]]
    gallery.add(np.ones((1, 3), np.float32), ["ann"])
    assert gallery.names == ["bob", "cleo", "ann"]
    assert gallery.search(np.ones((1, 3), np.float32), 1) == [[Match("ann", 0.0, 2)]]
    with pytest.raises(ValueError, match="did you mean 'cleo'"):
        gallery.remove("clea")
    gallery.add(np.zeros((200, 3), np.float32), [f"number {i}" for i in range(200)])
    with pytest.raises(ValueError, match="no class 'xyz' among 203; known: "):
        gallery.remove("xyz")


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        (np.ones((2, 4)), ["a", "b"], r"\(N, 3\), got float64 of shape \(2, 4\)"),
        (np.ones(3), ["a"], r"\(N, 3\), got float64 of shape \(3,\)"),
        (np.ones((2, 3)), ["a"], "2 embeddings and 1 names"),
        (np.ones((3, 3)), "abc", "one string 'abc'"),
        (np.ones((1, 3)), [""], "not empty, got ''"),
        (np.ones((1, 3)), [7], "not empty, got 7"),
        (np.array([[1, 1, 1], [1, np.nan, 1]]), ["a", "b"], "embedding 1 holds numbers that are not finite"),
        (np.full((1, 3), 1e39), ["a"], "not finite"),
        (np.array([[1, 1, 1], [0, 0, 0]]), ["a", "b"], "embedding 1 is all zeros"),
        (np.ones((1, 3), complex), ["a"], "real numbers"),
    ],
)
def test_rows_that_cannot_be_enrolled(rows: Any, names: Any, message: str) -> None:
    gallery = small("cosine")
    with pytest.raises(ValueError, match=message):
        gallery.add(rows, names)
    assert (len(gallery), gallery.names) == (4, ["ann", "bob", "cleo"])


def test_searches_that_cannot_be_made() -> None:
    with pytest.raises(SiamtrackError, match="gallery is empty"):
        Gallery(3).search(np.ones((1, 3), np.float32))
    with pytest.raises(ValueError, match=r"real numbers \(N, 3\)"):
        small().search(np.ones((1, 2), np.float32))
    with pytest.raises(ValueError, match="not finite"):
        small().search(np.full((1, 3), np.inf, np.float32))
    with pytest.raises(ValueError, match="all zeros"):
        small("cosine").search(np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="1 or more; got 0"):
        small().search(np.ones((1, 3), np.float32), 0)
    with pytest.raises(ValueError, match="did you mean 'cosine'"):
        Gallery(3, "cosin")
    with pytest.raises(ValueError, match="1 or more; got 0"):
        Gallery(0)


@pytest.mark.parametrize("metric", METRICS)
def test_a_saved_gallery_comes_back(metric: str, tmp_path: Path) -> None:
    gallery, path = small(metric), tmp_path / "people.safetensors"
    gallery.add(np.full((1, 3), 2, np.float32), ['Zoë "Z"\n\ud800'])
    gallery.save(path)
    loaded = Gallery.load(path)
    assert (loaded.names, loaded.dim, loaded.metric, loaded.verifier) == (gallery.names, 3, metric, "ab" * 32)
    queries = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    assert loaded.search(queries) == gallery.search(queries)
    loaded.add(queries, ["new"] * 5)
    assert len(loaded) == 10
    assert loaded.remove("ann") == 2
    loaded.save(path)
    assert Gallery.load(path).names == loaded.names
    assert os.listdir(tmp_path) == ["people.safetensors"]


def test_enrolled_rows_are_copies() -> None:
    rows = np.eye(3, dtype=np.float32)
    gallery = Gallery(3)
    gallery.add(rows, ["x", "y", "z"])
    rows[:] = 7
    assert gallery.search(np.eye(3, dtype=np.float32)[1:2], 1) == [[Match("y", 0.0, 1)]]


def test_an_empty_gallery_comes_back(tmp_path: Path) -> None:
    Gallery(5, "cosine").save(tmp_path / "none.safetensors")
    loaded = Gallery.load(tmp_path / "none.safetensors")
    assert (len(loaded), loaded.names, loaded.dim) == (0, [], 5)
    loaded.add(np.ones((1, 5), np.float32), ["a"])
    assert loaded.search(np.ones((1, 5), np.float32))[0][0].name == "a"


def test_rows_that_come_and_go_after_a_search() -> None:
    rows = np.random.default_rng(0).standard_normal((800, 4)).astype(np.float32)
    gallery = Gallery(4)
    gallery.add(rows[:700], [f"c{i}" for i in range(700)])
    gallery.search(rows[:1])
    gallery.add(rows[700:], [f"c{i}" for i in range(700, 800)])
    assert gallery.search(rows[[799]], 1) == [[Match("c799", 0.0, 799)]]
    gallery.remove("c3")
    assert [found[0] for found in gallery.search(rows[[2, 4, 799]], 1)] == [
        Match("c2", 0.0, 2),
        Match("c4", 0.0, 3),
        Match("c799", 0.0, 798),
    ]


# The file.


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path, rows = tmp_path / "gallery.safetensors", np.arange(6, dtype=np.float32).reshape(3, 2)
    write_gallery(path, GalleryHeader(2, "absolute", "ab", ("x", "y")), rows, np.array([0, 1, 0], np.int32))
    header, embeddings, classes = read_gallery(path)
    assert (header.dim, header.metric, header.verifier, header.names) == (2, "absolute", "ab", ("x", "y"))
    assert (embeddings.tolist(), classes.tolist()) == (rows.tolist(), [0, 1, 0])


def test_a_file_with_cells_which_other_versions_wrote(tmp_path: Path) -> None:
    path = tmp_path / "gallery.safetensors"
    small().save(path)
    forge(path, {"probes": 1, "trained_on": 4}, {"cells": np.ones((2, 3), np.float32)}, sign=True)
    queries = np.eye(3, dtype=np.float32)
    assert Gallery.load(path).search(queries) == small().search(queries)


def test_changed_and_cut_files(tmp_path: Path) -> None:
    path = tmp_path / "gallery.safetensors"
    small().save(path)
    data = path.read_bytes()
    for place in (len(data) - 1, data.index(b"cleo")):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(DataError, match=r"gallery\.safetensors: .*was changed after it was written.*enroll again"):
            Gallery.load(path)
    for wrong in (data[:-1], data[:40], data + b"\0", b"", b"no gallery", b"\xff" * 8 + data[8:]):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match="not a whole gallery"):
            Gallery.load(path)
    with pytest.raises(FileNotFoundError, match="absent"):
        Gallery.load(tmp_path / "absent.safetensors")


def test_files_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as stream:
        stream.truncate(gallery_module.MAX_BYTES + 1)
    with pytest.raises(DataError, match=rf"{gallery_module.MAX_BYTES + 1} bytes"):
        Gallery.load(path)
    monkeypatch.setattr(gallery_module, "MAX_HEADER_BYTES", 100)
    with pytest.raises(SiamtrackError, match="names take 100; split"):
        small().save(path)
    monkeypatch.setattr(gallery_module, "MAX_BYTES", 0)
    with pytest.raises(SiamtrackError, match="split"):
        small().save(path)


def test_other_safetensors_files_are_no_galleries(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"siamfc\.safetensors: not a whole gallery .*'siamtrack_gallery' is not in its header"):
        Gallery.load(ASSETS / "siamfc.safetensors")
    path = tmp_path / "bare.safetensors"
    path.write_bytes(save({"embeddings": np.ones((2, 3), np.float32)}))
    with pytest.raises(DataError, match="not in its header"):
        Gallery.load(path)


def forge(path: Path, changes: dict[str, Any] | str, tensors: dict[str, Any], sign: bool) -> None:
    """Rewrite a gallery's file with another header and tensors; signed, as someone who has read the code would."""
    data = path.read_bytes()
    values = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["siamtrack_gallery"])
    held = {name: tensor for name, tensor in {**load(data), **tensors}.items() if tensor is not None}
    if isinstance(changes, str):
        text = changes
    else:
        values = {key: value for key, value in {**values, **changes}.items() if value is not None}
        if sign:
            values["sha256"] = gallery_module.sign(build(GalleryHeader, values), held)
        text = json.dumps(values)
    path.write_bytes(save(held, metadata={"siamtrack_gallery": text}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("[1, 2", "Expecting"),
        ("[" * 100_000, "recursion"),
        ("[]", "expected a mapping"),
        ("9" * 5000, "not a whole gallery"),
        ({"version": 2}, "version 2.*reads 1"),
        ({"version": None}, "version None"),
        ({"version": True}, "header.version: expected int, got True"),
        ({"dim": "3"}, "header.dim: expected int, got '3'"),
        ({"dim": 4}, "was changed"),
        ({"metric": "hamming"}, "'hamming' is not one of"),
        ({"metric": ["cosine"]}, "is not one of"),
        ({"names": "ann"}, "expected a list"),
        ({"names": ["ann", "bob", 3]}, r"names\[2\]: expected str, got 3"),
        ({"names": {"ann": 1}}, "expected a list"),
        ({"verifier": 7}, "expected str, got 7"),
        ({"surprise": 1}, "unknown key 'surprise'"),
        ({"sha256": "0"}, "was changed"),
        ({"sha256": None}, "was changed"),
    ],
)
def test_headers_that_lie(changes: dict[str, Any] | str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "forged.safetensors"
    small().save(path)
    forge(path, changes, {}, sign=False)
    with pytest.raises(DataError, match=rf"forged\.safetensors: .*{message}") as caught:
        Gallery.load(path)
    assert "\n" not in str(caught.value)


NAN = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, np.nan, 0]], np.float32)


@pytest.mark.parametrize(
    ("changes", "tensors", "message"),
    [
        ({}, {"classes": np.array([0, 1, 2, 3], np.int32)}, "names 3 classes, and the embeddings have 4"),
        ({}, {"classes": np.array([0, 1, -2, 0], np.int32)}, r"names 3 classes, .*\[-2\] to \[1\]"),
        ({}, {"classes": np.array([0, 1, 1, 0], np.int32)}, "names 3 classes, and the embeddings have 2"),
        ({}, {"classes": np.array([0, 1, 2], np.int32)}, r"classes of shape \(3,\) for 4"),
        ({}, {"classes": np.array([0, 1, 2, 0], np.int64)}, "'classes' of I64"),
        ({}, {"classes": None}, "holds .*'embeddings'.*, and a gallery"),
        ({}, {"embeddings": NAN}, "not finite"),
        ({}, {"embeddings": np.ones(4, np.float32)}, r"shape \(4,\)"),
        ({}, {"extra": np.ones(4, np.float32)}, "'extra' of F32"),
        ({"names": ["ann", "ann", "bob"]}, {}, "twice"),
        ({"names": []}, {}, "names 0"),
        ({"dim": 4}, {}, r"shape \(4, 3\), and the header says \(N, 4\)"),
        ({"dim": -1}, {}, "says"),
        ({"metric": "cosine"}, {}, "do not have length 1"),
    ],
)
def test_signed_files_are_checked_all_the_same(
    changes: dict[str, Any], tensors: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "forged.safetensors"
    small().save(path)
    forge(path, changes, tensors, sign=True)
    with pytest.raises(DataError, match=rf"forged\.safetensors: .*{message}"):
        Gallery.load(path)


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_save_that_fails_leaves_the_old_file(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gallery.safetensors"
    gallery = small()
    gallery.save(path)
    before = path.read_bytes()
    gallery.add(np.ones((1, 3), np.float32), ["dora"])

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        gallery.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["gallery.safetensors"]
