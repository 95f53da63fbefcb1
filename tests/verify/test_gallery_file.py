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
from siamtrack.verify import gallery as gallery_file
from siamtrack.verify.gallery import Gallery, GalleryHeader, read_gallery, write_gallery

KEY = "siamtrack_gallery"


def small(metric: str = "euclidean") -> Gallery:
    gallery = Gallery(3, metric, "ab" * 32)
    rows = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], np.float32)
    gallery.add(rows, ["ann", "bob", "cleo", "ann"])
    return gallery


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
        stream.truncate(gallery_file.MAX_BYTES + 1)
    with pytest.raises(DataError, match=rf"{gallery_file.MAX_BYTES + 1} bytes"):
        Gallery.load(path)
    monkeypatch.setattr(gallery_file, "MAX_HEADER_BYTES", 100)
    with pytest.raises(SiamtrackError, match="names take 100; split"):
        small().save(path)
    monkeypatch.setattr(gallery_file, "MAX_BYTES", 0)
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
    values = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"][KEY])
    held = {name: tensor for name, tensor in {**load(data), **tensors}.items() if tensor is not None}
    if isinstance(changes, str):
        text = changes
    else:
        values = {key: value for key, value in {**values, **changes}.items() if value is not None}
        if sign:
            values["sha256"] = gallery_file.sign(build(GalleryHeader, values), held)
        text = json.dumps(values)
    path.write_bytes(save(held, metadata={KEY: text}))


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
