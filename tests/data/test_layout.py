from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from siamtrack.data.layout import LAYOUTS, find_kind, find_sequences, open_dataset
from siamtrack.data.sequence import Layout
from siamtrack.errors import DataError


def test_what_is_not_there_or_not_known_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none not found"):
        open_dataset(tmp_path / "none")
    with pytest.raises(DataError, match="Looked for") as caught:
        open_dataset(tmp_path)
    for layout in LAYOUTS:
        assert f"{layout.kind}: {layout.expected}" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="unknown kind of data 'lasso'; did you mean 'lasot'"):
        open_dataset(tmp_path, "lasso")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.kind)
def test_a_kind_that_is_named_but_not_there_is_said(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no data of kind {layout.kind}; expected"):
        open_dataset(tmp_path, layout.kind)


def test_a_kind_may_be_named(tmp_path: Path, write_images: Callable) -> None:
    write_images(tmp_path / "a", 2)
    (tmp_path / "a/groundtruth.txt").write_text("10,12,20,16\n" * 2)
    assert find_kind(tmp_path) == "got10k"
    assert [open_dataset(tmp_path, kind).kind for kind in ("videos", "got10k")] == ["videos", "got10k"]
    assert find_sequences(tmp_path, "videos")[0].boxes_xywh.shape == (2, 4)


def test_items_travel_to_other_processes(tmp_path: Path, write_images: Callable) -> None:
    write_images(tmp_path / "a", 2)
    (tmp_path / "a/groundtruth.txt").write_text("10,12,20,16\n" * 2)
    item = pickle.loads(pickle.dumps(open_dataset(tmp_path).items[0]))
    assert [part.name for part in item.load()] == ["a"]


def test_stills_are_no_sequences(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/1.xml").write_text("<a/>")
    with pytest.raises(DataError, match="holds stills"):
        find_sequences(tmp_path)
